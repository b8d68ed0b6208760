import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { connect, type Client, type Options, type RoomEvent } from '../src/index.js';
import { SharedDisk } from './stores.js';

/** The queue against the hub itself, behind the fault proxy. A witness, connected directly, counts what was stored. */

const lib = join(process.env.SDK_DIR!, '../../tests/browser/lib');
let hub: any;
let FaultProxy: any;
let until: any;
const ends: (() => unknown)[] = [];

before(async () => {
  ({ FaultProxy } = await import(join(lib, 'proxy.js')));
  ({ until } = await import(join(lib, 'process.js')));
  const { Hub } = await import(join(lib, 'hub.js'));
  hub = await Hub.start();
});

after(async () => {
  for (const end of ends.splice(0).reverse()) await end();
  await hub?.stop();
});

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

async function proxied(rules = {}) {
  const proxy = await FaultProxy.start(hub.address, rules);
  ends.push(() => proxy.stop());
  return proxy;
}

function client(origin: string, user: string, options: Options = {}): Client {
  const made = connect(origin, { user, backoff: { max_ms: 500 }, ...options });
  ends.push(() => made.close());
  return made;
}

async function witness(room: string) {
  const watcher = client(hub.origin, 'witness');
  const events: RoomEvent[] = [];
  watcher.room(room).on('*', (event) => events.push(event));
  await watcher.room(room).join();
  return {
    room: watcher.room(room),
    data: () => events.map(({ data }) => data as number),
    /** All came, each once, in order; nothing else comes before a last one of the witness's own. */
    async saw(expected: number[]) {
      await until(() => events.length >= expected.length, () => `the witness has ${expected.length}, not ${events.length}`);
      await watcher.room(room).publish('m', -1);
      await until(() => events.some(({ data }) => data === -1), 'the witness hears itself');
      assert.deepEqual(events.map(({ data }) => data).slice(0, -1), expected);
      events.pop();
    },
  };
}

function statuses(of: Client): Map<string, string[]> {
  const seen = new Map<string, string[]>();
  of.on('status', ({ id, status }) => seen.set(id, [...(seen.get(id) ?? []), status]));
  return seen;
}

for (const kind of ['chat:', 'plain:']) {
  test(`a thousand queued before the first link (${kind})`, async () => {
    const proxy = await proxied({ accept: 'refuse' });
    const seen = await witness(`${kind}thousand`);
    const ada = client(proxy.origin, 'ada');
    const states = statuses(ada);
    const room = ada.room(`${kind}thousand`);
    void room.join();
    const publishes = range(0, 1_000).map((n) => room.publish('m', n));
    await assert.rejects(room.publish('m', 1_000), { code: 'limit_exceeded' });
    assert.equal(ada.queue.size, 1_000);
    await proxy.set({});
    const results = await Promise.all(publishes);
    assert.ok(results.every(({ duplicate }) => !duplicate));
    await seen.saw(range(0, 1_000));
    for (const { id } of publishes) assert.deepEqual(states.get(id), ['sending', 'stored']);
    assert.equal(ada.queue.size, 0);
  });

  test(`the way back dies between a publish and its reply, and with it, at times, the session (${kind})`, async () => {
    // Replies are on their way for a while.
    const proxy = await proxied({ down: { delay_ms: 400 } });
    const seen = await witness(`${kind}replies`);
    const ada = client(proxy.origin, 'ada');
    const room = ada.room(`${kind}replies`);
    await room.join();
    const publishes = [];
    let unanswered = 0;
    for (let round = 0; round < 6; round++) {
      publishes.push(...range(round * 50, round * 50 + 50).map((n) => room.publish('m', n)));
      await until(() => seen.data().includes(round * 50), 'the hub has the first ones');
      if (round % 2 === 1) await endSession(ada.session!);
      unanswered += ada.queue.size;
      await proxy.cut();
      await until(() => ada.queue.size === 0, 'all is answered', 30_000);
    }
    await Promise.all(publishes);
    await seen.saw(range(0, 300));
    assert.ok(unanswered > 0 && ada.counters.resumes > 0, `${unanswered} without reply, ${ada.counters.resumes} resumed`);
  });

  test(`answers to POSTs are lost and links cut while it publishes (${kind})`, async () => {
    const proxy = await proxied({ http: [{ match: { method: 'POST', path: '/sse/', every: 3 }, do: { drop_response: {} } }] });
    const seen = await witness(`${kind}answers`);
    const ada = client(proxy.origin, 'ada');
    const room = ada.room(`${kind}answers`);
    await room.join();
    for (let round = 0; round < 10; round++) {
      const publishes = range(round * 30, round * 30 + 30).map((n) => room.publish('m', n));
      if (round % 3 === 0) await proxy.cut();
      await Promise.all(publishes.slice(0, 20));
    }
    await until(() => ada.queue.size === 0, 'all is answered', 30_000);
    await seen.saw(range(0, 300));
  });

  test(`a page crashes with replies under way and more in its queue (${kind})`, async () => {
    const proxy = await proxied({ down: { delay_ms: 1_000 } });
    const seen = await witness(`${kind}crash`);
    const disk = new SharedDisk();
    const store = disk.store();
    const first = client(proxy.origin, 'ada', { offline: { store } });
    await first.room(`${kind}crash`).join();
    range(0, 200).forEach((n) => first.room(`${kind}crash`).publish('m', n));
    await until(() => seen.data().length >= 64, 'the hub has as many as may be due');
    await first.queue.saved();
    store.crash();
    await proxy.set({ up: { flow: 'swallow' }, down: { flow: 'swallow' } });

    const second = client(hub.origin, 'ada', { offline: { store: disk.store() } });
    const room = second.room(`${kind}crash`);
    const joining = room.join();
    const newer = range(200, 230).map((n) => room.publish('m', n));
    await joining;
    await Promise.all(newer);
    await seen.saw(range(0, 230));
    await second.queue.saved();
    assert.deepEqual(disk.ids(), []);
  });
}

test('the hub dies and comes back with nothing remembered: what it had not answered is in its new history, once', async () => {
  const ada = client(hub.origin, 'ada');
  const room = ada.room('chat:restart');
  await room.join();
  await Promise.all(range(0, 20).map((n) => room.publish('m', n)));
  const publishes = range(20, 50).map((n) => room.publish('m', n));
  await hub.process.stop('SIGKILL');
  publishes.push(...range(50, 250).map((n) => room.publish('m', n)));
  await hub.run();
  const results = await Promise.all(publishes);
  const { events } = await room.history({ limit: 1_000 });
  const stored = events.map(({ data }) => data as number);
  // Those that were answered before it died are gone with its memory.
  const again = results.filter(({ offset }, i) => stored.includes(20 + i) && offset !== undefined).length;
  assert.deepEqual(stored, range(250 - stored.length, 250));
  assert.ok(stored.length >= 200 && again === stored.length, `${stored.length} stored, ${again} answered`);
});

async function endSession(session: string): Promise<void> {
  const response = await fetch(`${hub.origin}/api/v1/sessions/${session}`, { method: 'DELETE' });
  assert.equal(response.status, 200, await response.text());
}
