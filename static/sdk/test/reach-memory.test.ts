import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { CrosspointError } from '../src/codes.js';
import { NetworkMemory } from '../src/memory.js';
import { FakeClock, json, OFFERS, rig, settle } from './fakes.js';
import { fakeWindow } from './window.js';

const HOUR = 3_600_000;
let visits = 0;

function fakeStorage(broken = false): Map<string, string> {
  const values = new Map<string, string>();
  const refuse = () => {
    throw new DOMException('no', 'SecurityError');
  };
  const storage = {
    getItem: broken ? refuse : (key: string) => values.get(key) ?? null,
    setItem: broken ? refuse : (key: string, value: string) => void values.set(key, value),
  };
  Object.defineProperty(globalThis, 'localStorage', { value: storage, configurable: true });
  return values;
}

afterEach(() => {
  delete (globalThis as { localStorage?: unknown }).localStorage;
});

const offerOn = (network?: string) => () => json({ version: 1, ticket: 't', transports: OFFERS, network });

/** A page that comes to this network and gets in by SSE, or by what it remembers. */
async function visit(network: string | undefined, options = {}) {
  const r = rig({ autoUpgrade: false, ...options }, offerOn(network));
  r.clock.time += 1_000 * ++visits;
  await settle();
  const first = r.links[0]!.transport;
  if (first === 'websocket') r.links[0]!.fail(new CrosspointError('unavailable'));
  await r.clock.advance(10);
  r.last().welcome();
  assert.equal(r.client.transport, 'sse');
  r.client.close();
  return first;
}

test('the next page on the same network begins with what worked there; another network is another matter', async () => {
  const store = fakeStorage();
  assert.equal(await visit('home'), 'websocket');
  assert.equal(await visit('home'), 'sse');
  assert.equal(await visit('office'), 'websocket');
  assert.equal(await visit('home'), 'sse');
  assert.equal(await visit(undefined), 'websocket', 'a hub that does not tell networks apart');
  assert.equal(await visit('home', { networkMemory: false }), 'websocket');
  assert.equal(store.size, 1);
});

test('storage that is missing, broken or full of nonsense harms nobody', async () => {
  assert.equal(await visit('home'), 'websocket');
  fakeStorage(true);
  assert.equal(await visit('home'), 'websocket');
  const store = fakeStorage();
  for (const text of ['', 'null', '[1]', '{"http://hub.test home":7}', '{"http://hub.test home":{"at":1,"won":["sse"],"failed":{}}}', '{"http://hub.test home":{"at":1}}']) {
    store.set('crosspoint:networks', text);
    assert.equal(await visit('home'), 'websocket', text);
  }
});

test('winners last a day, failures ten minutes, and sixteen networks are kept', () => {
  const clock = new FakeClock();
  const values = new Map<string, string>();
  const store = { getItem: (key: string) => values.get(key) ?? null, setItem: (key: string, value: string) => void values.set(key, value) };
  const memory = new NetworkMemory(clock, store);
  memory.enter('http://hub', 'n0');
  memory.failed('websocket', 'timeout');
  memory.worked('sse');
  assert.deepEqual([memory.isSuspect('websocket'), memory.winner], [true, 'sse']);
  assert.deepEqual(memory.report(), [{ transport: 'websocket', code: 'timeout', age_ms: 0 }]);
  clock.time += 600_000;
  assert.deepEqual([memory.isSuspect('websocket'), memory.winner, memory.report()], [false, 'sse', []]);
  clock.time += 23 * HOUR;
  assert.equal(memory.winner, 'sse');
  clock.time += HOUR;
  assert.equal(memory.winner, null);
  clock.time -= 100 * HOUR;
  assert.equal(memory.winner, null, 'a clock that was set back makes nothing fresh');
  for (let i = 1; i <= 20; i++) {
    clock.time += 1_000;
    memory.enter('http://hub', `n${i}`);
    memory.worked('websocket');
  }
  assert.equal(Object.keys(JSON.parse(values.get('crosspoint:networks')!)).length, 16);
  memory.enter('http://other', 'n20');
  assert.equal(memory.winner, null, 'another hub');
});

test('a change of network forgets, and the hub is asked where the client is now', async () => {
  fakeStorage();
  const page = fakeWindow();
  let network = 'home';
  const r = rig({ autoUpgrade: false }, () => offerOn(network)());
  await settle();
  r.links[0]!.fail(new CrosspointError('unavailable'));
  r.last().welcome();
  assert.equal(r.client.transport, 'sse');
  network = 'street';
  page.fire('offline');
  r.last().fail(new CrosspointError('unavailable'));
  page.fire('online');
  await r.clock.advance(200);
  assert.equal(r.asked.length, 2);
  assert.deepEqual(r.asked[1].failed, [], 'what failed at home says nothing here');
  assert.equal(r.last().transport, 'websocket');
  r.last().welcome();
  r.client.close();
  assert.equal(await visit('home'), 'sse', 'home is still remembered');
});

test('what failed is told to the hub, and does not change which transports count as better', async () => {
  fakeStorage();
  const r = rig({}, (body) =>
    json({ version: 1, transports: body.failed.length > 0 ? [{ ...OFFERS[1], head_start_ms: 0 }, { ...OFFERS[0], head_start_ms: 300 }] : OFFERS, network: 'home' }),
  );
  await settle();
  r.links[0]!.fail(new CrosspointError('unavailable'));
  r.last().welcome();
  assert.equal(r.client.transport, 'sse');
  await r.clock.advance(6_000);
  for (const link of r.links) link.fail(new CrosspointError('unavailable'));
  await r.clock.advance(150);
  r.links.forEach((link) => link.fail(new CrosspointError('unavailable')));
  while (r.asked.length < 2) {
    await r.clock.advance(100);
    r.links.forEach((link) => link.fail(new CrosspointError('unavailable')));
  }
  assert.equal(r.asked[1].failed[0].transport, 'websocket');
  const sse = () => r.links.find((l) => !l.closed && l.hello());
  while (!sse()) await r.clock.advance(10);
  assert.ok(sse()!.transport.startsWith('sse'));
  sse()!.welcome();
  for (let s = 0; s < 20 && r.last().opened !== 'probe'; s++) {
    await r.clock.advance(1_000);
    sse()?.frame({ type: 'hub:ping', data: {} });
  }
  assert.ok(r.links.slice(-2).some(({ transport, opened }) => transport === 'websocket' && opened === 'probe'), 'it is still looked for');
  r.client.close();
});
