import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { PeerMessage } from '../src/types.js';
import { laboratory, person, until } from './live.js';

const { hub } = laboratory();

/** Two people without WebRTC, who are peers through the hub. */
async function two(t: TestContext, name: string) {
  const { origin } = await hub();
  const [ada, bob] = ['ada', 'bob'].map((user) => person(t, origin, { user }));
  const rooms = [ada!.room(name), bob!.room(name)] as const;
  const got: [unknown[], unknown[]] = [[], []];
  for (const [i, room] of rooms.entries()) {
    room.peers.on('message', ({ data, via }: PeerMessage) => got[i]!.push([data, via]));
    await room.join();
    await room.peers.join({ state: { n: i } });
  }
  await until(() => rooms.every(({ peers }) => peers.list.length === 1), 'both are there');
  return { ada: ada!, bob: bob!, rooms, got };
}

test('before it is loaded, and before it is joined, nobody is a peer', async (t: TestContext) => {
  const client = person(t, (await hub()).origin);
  const room = client.room('alone');
  assert.deepEqual([room.peers.joined, room.peers.list], [false, []]);
  assert.equal(room.peers, room.peers);
  await assert.rejects(room.peers.send('x'), { code: 'not_joined' });
  await assert.rejects(room.peers.join(), { code: 'not_joined' });
  await room.join();
  assert.deepEqual(await room.peers.join(), []);
  assert.deepEqual(await room.peers.send('x'), { delivered: 0 });
  await assert.rejects(room.peers.send('x', { to: 'bob' }), { code: 'bad_request' });
  await assert.rejects(room.peers.send(1n), { code: 'bad_request' });
});

test('messages come once and in order through moves and cuts of both sessions', async (t: TestContext) => {
  const { ada, bob, rooms, got } = await two(t, 'moves');
  const sent: Promise<unknown>[] = [];
  for (let n = 1; n <= 600; n++) {
    for (const { peers } of rooms) sent.push(peers.send(n % 50 === 0 ? new Uint8Array([n % 256]) : { n }));
    if (n % 100 === 0) void [ada, bob][(n / 100) % 2]!.moveTo(n % 200 === 0 ? 'sse' : 'websocket').catch(() => {});
    if (n % 150 === 0) [bob, ada][(n / 150) % 2]!.debug.killLink();
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  const outcome = await Promise.all(sent);
  assert.ok(outcome.every((one) => (one as { delivered: number }).delivered === 1));
  const all = Array.from({ length: 600 }, (_, i) => [(i + 1) % 50 === 0 ? new Uint8Array([(i + 1) % 256]) : { n: i + 1 }, 'hub']);
  assert.deepEqual(got, [all, all]);
});

test('what is sent is what it was then, and states are told', async (t: TestContext) => {
  const { rooms, got, bob } = await two(t, 'state');
  assert.deepEqual(rooms[0].peers.list.map(({ user, state, via }) => ({ user, state, via })), [{ user: 'bob', state: { n: 1 }, via: 'hub' }]);
  const data = { text: 'then' };
  const sending = rooms[0].peers.send(data, { to: `session:${bob.session}` });
  data.text = 'now';
  await sending;
  assert.deepEqual(got[1], [[{ text: 'then' }, 'hub']]);
  const told = new Promise((resolve) => rooms[0].peers.once('update', ({ state }) => resolve(state)));
  await rooms[1].peers.setState({ mood: 'fine' });
  assert.deepEqual(await told, { mood: 'fine' });
  const left = new Promise((resolve) => rooms[0].peers.once('leave', resolve));
  const session = bob.session;
  bob.close();
  assert.deepEqual(await left, { session, user: 'bob', code: 'bye' });
});
