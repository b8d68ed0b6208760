import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TransportName } from '../src/links/link.js';
import { laboratory, noWebSocket, person, Talk, until } from './live.js';

const { hub, behind } = laboratory();
const uplink = { method: 'POST', path: '/sse/' };

/** Ada behind a proxy with these rules, on SSE; Bob on a good network. */
async function talk(t: any, name: string, rules: object[], transport: TransportName = 'sse') {
  const proxy = await behind({ http: [noWebSocket] });
  const ada = person(t, proxy.origin, { autoUpgrade: false, ssePoll: transport === 'sse' ? 'never' : 'always' });
  const bob = person(t, (await hub()).origin, { user: 'bob' });
  const both = new Talk(name, [ada, bob]);
  await both.join();
  assert.equal(ada.transport, transport);
  await proxy.set({ http: [...rules, noWebSocket] });
  return { proxy, ada, bob, both };
}

for (const transport of ['sse', 'sse-poll'] as const) {
  // A poll is no POST of the uplink: only those with frames are held.
  test(`${transport}: a POST that hangs is given up, repeated, and nothing is lost`, async (t: any) => {
    const { proxy, ada, both } = await talk(t, `hangs-${transport}`, [{ match: { ...uplink, skip: 2, every: 7, times: 4 }, do: 'hang' }], transport);
    const began = performance.now();
    await both.say(100, 20);
    await both.complete();
    assert.ok(performance.now() - began < 30_000);
    assert.ok((await proxy.log()).some(({ event, action }) => event === 'request' && action === 'hang'));
    assert.equal(ada.counters.gaps, 0);
  });

  test(`${transport}: the answer to a POST is lost`, async (t: any) => {
    const { proxy, both } = await talk(t, `unanswered-${transport}`, [{ match: { ...uplink, every: 3 }, do: { drop_response: {} } }], transport);
    await both.say(150);
    await both.complete();
    assert.ok((await proxy.log()).filter(({ event }) => event === 'response_dropped').length >= 5);
  });

  test(`${transport}: POSTs overtake each other or come twice`, async (t: any) => {
    const { proxy, both } = await talk(t, `swapped-${transport}`, [
      { match: { ...uplink, every: 4 }, do: 'duplicate' },
      { match: { ...uplink, every: 3 }, do: { hold: { overtaken_by: 1, at_most_ms: 1_500 } } },
    ], transport);
    await both.say(150);
    await both.complete();
    const events = (await proxy.log()).map(({ event }) => event);
    assert.ok(events.includes('duplicated') && events.includes('released'));
  });

  for (const status of [429, 502, 503]) {
    test(`${transport}: ${status} for every second POST is tried again`, async (t: any) => {
      const { both, ada } = await talk(t, `${status}-${transport}`, [{ match: { ...uplink, every: 2, times: 12 }, do: { respond: { status } } }], transport);
      await both.say(60);
      await both.complete();
      assert.equal(ada.counters.reconnects, 0, 'the link lives');
    });
  }

  for (const [status, times] of [[404, 1], [409, 1], [502, 400]] as const) {
    test(`${transport}: ${status} for ${times} POSTs; the session goes on by a fresh link if it must`, async (t: any) => {
      const { proxy, both, ada } = await talk(t, `gone-${status}-${transport}`, [{ match: { ...uplink, times }, do: { respond: { status } } }], transport);
      await both.say(20);
      if (times > 100) {
        await until(() => ada.counters.reconnects > 0, 'a fresh link is looked for', 15_000);
        await proxy.set({ http: [noWebSocket] });
      }
      await both.complete();
      assert.equal(ada.counters.gaps, 0);
    });
  }
}

test('connections that are reset after some bytes carry the session all the same', async (t: any) => {
  const { proxy, both, ada } = await talk(t, 'resets', []);
  const end_after = { bytes: 6_000, with: 'reset' };
  await proxy.set({ up: { end_after }, down: { end_after: { ...end_after, bytes: 24_000 } }, http: [noWebSocket] });
  for (let i = 0; i < 5; i++) await both.say(40, 5);
  await both.complete(40_000);
  assert.equal(ada.counters.gaps, 0);
});

test('a POST that hangs again and again is repeated on a fresh link, by another transport where one works', async (t: any) => {
  const { proxy, ada, both } = await talk(t, 'elsewhere', [{ match: uplink, do: 'hang' }]);
  const session = ada.session;
  await proxy.set({ http: [{ match: uplink, do: 'hang' }] });
  const began = performance.now();
  await both.say(5);
  await until(() => ada.transport === 'websocket', 'the session goes on by WebSocket', 15_000);
  t.diagnostic(`left after ${Math.round(performance.now() - began)} ms`);
  await both.complete();
  assert.equal(ada.session, session);
});
