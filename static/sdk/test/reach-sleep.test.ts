import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TransportName } from '../src/links/link.js';
import { laboratory, person, SleepyClock, Talk, until } from './live.js';

const { hub, behind } = laboratory();
const TEN_MINUTES = 600_000;

/** Nothing else happens in this process for a while; what comes waits in the sockets. */
function holdBreath(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

for (const transport of ['websocket', 'sse', 'sse-poll'] as const) {
  test(`${transport}: a laptop sleeps for 10 minutes, and wakes with overdue timers and data in the socket`, async (t: any) => {
    const clock = new SleepyClock();
    const { origin } = await hub();
    const ada = person(t, origin, { autoUpgrade: false, ...only(transport) }, clock);
    const bob = person(t, origin, { user: 'bob' });
    const talk = new Talk(`sleep-${transport}`, [ada, bob]);
    await talk.join();
    assert.equal(ada.transport, transport);
    const { session } = ada;
    await talk.say(10);
    // What Bob says now is in Ada's socket when her timers find that ten minutes are over.
    const saying = talk.say(1);
    holdBreath(300);
    clock.sleep(TEN_MINUTES);
    await saying;
    await talk.say(10);
    await talk.complete();
    assert.deepEqual([ada.session, ada.counters.gaps, ada.state], [session, 0, 'connected']);
    // The poll that was under way may have been given up for its age.
    if (transport !== 'sse-poll') assert.equal(ada.counters.reconnects, 0, 'the link was alive all the time');
  });

  test(`${transport}: a laptop wakes on a link that died in its sleep, and is back within seconds`, async (t: any) => {
    const clock = new SleepyClock();
    const proxy = await behind();
    const ada = person(t, proxy.origin, { autoUpgrade: false, ...only(transport) }, clock);
    const bob = person(t, (await hub()).origin, { user: 'bob' });
    const talk = new Talk(`dead-${transport}`, [ada, bob]);
    await talk.join();
    await talk.say(5);
    await talk.complete();
    for (const { connection } of await proxy.order('GET', '/connections')) {
      await proxy.order('PUT', `/connections/${connection}/rules`, { up: { flow: 'swallow' }, down: { flow: 'swallow' } });
    }
    const woken = performance.now();
    clock.sleep(TEN_MINUTES);
    await talk.say(5);
    await until(() => ada.counters.reconnects > 0, 'Ada is back', 15_000);
    t.diagnostic(`back after ${Math.round(performance.now() - woken)} ms`);
    assert.ok(performance.now() - woken < 8_000);
    await talk.complete();
    assert.equal(ada.counters.gaps, 0);
  });
}

function only(transport: TransportName) {
  if (transport === 'websocket') return { transports: ['websocket' as const] };
  return { transports: ['sse' as const], ssePoll: transport === 'sse' ? ('never' as const) : ('always' as const) };
}
