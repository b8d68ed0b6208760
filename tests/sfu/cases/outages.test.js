// Links are cut and change in the middle of questions: each is asked once, and answered once.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '../../browser/lib/process.js';
import { Scene, track } from '../lib/scene.js';

const ROUNDS = 10;

/** Alice sends, Bob receives; she and the service are behind proxies of their own. */
async function stage(t, options = {}) {
  const scene = await Scene.start();
  t.after(() => scene.end());
  const [before, behind] = [await scene.proxy(), await scene.proxy()];
  await scene.service(behind.origin, options);
  const alice = await scene.call('alice', 'room', before.origin, options);
  const bob = await scene.call('bob', 'room');
  const sides = {
    alice: { client: alice.client.client, proxy: before },
    service: { client: scene.sfu.client, proxy: behind },
  };
  const sessions = () => [sides.alice.client.session, sides.service.client.session];
  return { scene, router: scene.router, alice, bob, sides, first: sessions(), sessions };
}

/** Cuts all connections of a side, and waits until its session goes on. */
async function cut({ client, proxy }) {
  const before = client.counters.resumes;
  await proxy.cut();
  await until(() => client.state === 'connected' && client.counters.resumes > before, 'the session goes on by another link');
}

const other = ({ client }) => (client.transport === 'websocket' ? 'sse' : 'websocket');

async function rounds(t, trouble, options) {
  const { router, alice, bob, sides, first, sessions } = await stage(t, options);
  const producers = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    router.hold();
    const sent = alice.send(track(round % 2 ? 'video' : 'audio'));
    await until(() => router.waiting > 0, 'the service works on it');
    await trouble(sides, round);
    router.release();
    producers.push((await sent).id);
    await until(() => bob.consumers.size === round + 1, 'bob receives it');
  }
  assert.equal(new Set(producers).size, ROUNDS);
  assert.deepEqual([...bob.consumers.keys()].sort(), producers.sort());
  assert.deepEqual([alice.errors, bob.errors], [[], []]);
  assert.deepEqual(router.counts, { createWebRtcTransport: 4, connect: 2, produce: ROUNDS, consume: ROUNDS, resume: ROUNDS }, 'nothing was negotiated twice');
  assert.deepEqual(sessions(), first);
  return sides;
}

// Where there is another transport, links that keep dying would make a client poll, and polls hardly notice.
for (const options of [{ transports: ['websocket'] }, { transports: ['sse'], ssePoll: 'never' }]) {
  test(`questions survive a cut of either side by ${options.transports}`, async (t) => {
    const cuts = async ({ alice, service }, round) => {
      if (round % 3 !== 1) await cut(alice);
      if (round % 3 !== 0) await cut(service);
    };
    await rounds(t, cuts, options);
  });
}

test('and a move of either side to another transport', async (t) => {
  const sides = await rounds(t, async ({ alice, service }, round) => {
    if (round % 3 !== 1) await alice.client.moveTo(other(alice));
    if (round % 3 !== 0) await service.client.moveTo(other(service));
  });
  const { alice, service } = sides;
  assert.deepEqual([alice, service].map(({ client }) => client.counters.reconnects), [0, 0]);
  assert.ok(alice.client.counters.moves >= 6 && service.client.counters.moves >= 6);
});

test('what is asked and answered while both are cut off comes, too', async (t) => {
  const { router, alice, bob, sides } = await stage(t, { transports: ['websocket'] });
  // Nobody gets through for a while.
  for (const { proxy } of Object.values(sides)) {
    await proxy.set({ accept: 'reset' });
    await proxy.cut();
  }
  await until(() => Object.values(sides).every(({ client }) => client.state === 'reconnecting'), 'both notice');
  router.hold();
  const sent = alice.send(track('audio'));
  const more = alice.client.request('create-transport', { direction: 'receive' });
  for (const { proxy } of Object.values(sides)) await proxy.set({});
  await until(() => router.waiting === 2, 'both questions have come');
  await sides.service.proxy.cut();
  router.release();
  const producer = await sent;
  assert.match((await more).id, /^[0-9a-f-]{36}$/);
  await until(() => bob.consumers.has(producer.id), 'bob receives it');
  assert.deepEqual(router.counts, { createWebRtcTransport: 5, connect: 2, produce: 1, consume: 1, resume: 1 });
});

test('a client that nobody hears from any more has left, one that comes back in time has not', async (t) => {
  const { scene, alice, bob, sides } = await stage(t);
  await cut(sides.alice);
  await alice.send(track('audio'));
  await until(() => bob.consumers.size === 1, 'the call goes on');
  assert.equal(scene.sfu.participants.size, 2);
  alice.client.disconnect();
  await until(() => bob.participants.size === 0 && bob.consumers.size === 0, 'alice has left');
});
