// The signaling of a call, event by event: mediasoup-client on one side, a service with mediasoup's own capabilities code on the other.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { until } from '../../browser/lib/process.js';
import { Scene, track } from '../lib/scene.js';

let scene;
before(async () => {
  scene = await Scene.start();
  await scene.service();
});
after(() => scene?.end());

/** Messages of these types, as they come. */
const heard = (client, ...types) => {
  const list = [];
  for (const type of types) client.on(type, (data) => list.push([type, data]));
  return list;
};

test('two people meet in a room, send audio and video, and leave', async () => {
  const alice = await scene.call('alice', 'standup');
  const told = heard(alice.client, 'participant-joined', 'participant-left', 'new-producer');
  await alice.send(track('audio'));
  const bob = await scene.call('bob', 'standup');
  assert.deepEqual([...bob.participants].map(([id, { user }]) => [id, user]), [[alice.id, 'alice']]);
  assert.equal(bob.consumers.size, 1, 'what is sent already is received from the beginning');
  await alice.send(track('video'));
  await bob.send(track('video'));
  await until(() => alice.consumers.size === 1 && bob.consumers.size === 2, 'both see each other');
  assert.deepEqual([...bob.consumers.values()].map(({ kind, closed, paused }) => [kind, closed, paused]).sort(), [
    ['audio', false, false],
    ['video', false, false],
  ]);
  const [{ rtpParameters }] = alice.consumers.values();
  assert.equal(rtpParameters.codecs[0].mimeType, 'video/VP8');
  assert.equal(alice.device.canProduce('video'), true);

  const [received] = alice.consumers.values();
  await bob.leave();
  await until(() => alice.participants.size === 0, 'bob has left');
  assert.equal(received.closed, true);
  assert.deepEqual(told.map(([type]) => type), ['participant-joined', 'new-producer', 'participant-left']);
  assert.deepEqual(told[0][1], { roomId: 'standup', participantId: bob.id, user: 'bob' });
  assert.deepEqual([alice.errors, bob.errors], [[], []]);
});

test('who closes the page has left', async () => {
  const alice = await scene.call('alice', 'page');
  const bob = await scene.call('bob', 'page');
  await until(() => alice.participants.has(bob.id), 'bob is there');
  bob.client.disconnect();
  await until(() => alice.participants.size === 0, 'bob has left');
  assert.equal(scene.sfu.participants.has(bob.id), false);
});

test('data that is no object is refused, and the connection stays', async () => {
  const client = await scene.client('alice');
  const errors = heard(client, 'signaling-error');
  const { id } = client;
  for (const data of ['test', 7, null, ['test'], true, undefined]) {
    await assert.rejects(client.request('join-room', data), { code: 'bad_request', message: 'join-room: data must be an object' });
    await client.send('join-room', data);
  }
  await until(() => errors.length === 6, 'each was told');
  assert.deepEqual(errors[0][1], { of: 'join-room', code: 'bad_request', message: 'join-room: data must be an object' });
  await assert.rejects(client.request('join-room', {}), { code: 'bad_request', message: 'join-room: roomId must be a text' });
  await assert.rejects(client.request('nothing-like-it', {}), { code: 'not_found' });
  await client.send('nothing-like-it', {});
  await until(() => errors.at(-1)[1].code === 'unknown_type', 'unknown events are told, too');
  const joined = await client.request('join-room', { roomId: 'late' });
  assert.deepEqual([joined.participantId, joined.participants], [id, []]);
  const { reconnects, details } = client.getPerformanceMetrics();
  assert.deepEqual([client.id, reconnects, details.resumes], [id, 0, 0], 'by the first link of the first session');
});

test('what does not fit the call is refused by its own code', async () => {
  const alice = await scene.call('alice', 'codes');
  const { client, sending, receiving } = alice;
  const producer = await alice.send(track('audio'));
  const stranger = await scene.client('mallory');
  await assert.rejects(stranger.request('create-transport', { direction: 'send' }), { code: 'not_joined' });
  await assert.rejects(client.request('join-room', { roomId: 'other' }), { code: 'already_joined' });
  await assert.rejects(client.request('create-transport', { direction: 'up' }), { code: 'bad_request' });
  await assert.rejects(client.request('connect-transport', { transportId: sending.id, dtlsParameters: {} }), { code: 'already_connected' });
  await assert.rejects(client.request('produce', { transportId: 'none', kind: 'audio', rtpParameters: {} }), { code: 'not_found' });
  await assert.rejects(client.request('produce', { transportId: sending.id, kind: 'audio', rtpParameters: {} }), { code: 'bad_request', message: /missing .*codecs|codecs/ });
  const own = { transportId: receiving.id, producerId: producer.id, rtpCapabilities: alice.device.rtpCapabilities };
  await assert.rejects(client.request('consume', own), { code: 'not_found' });
  const bob = await scene.call('bob', 'codes');
  const deaf = { transportId: bob.receiving.id, producerId: producer.id, rtpCapabilities: { codecs: [], headerExtensions: [] } };
  await assert.rejects(bob.client.request('consume', deaf), { code: 'bad_request', message: /none of its codecs/ });
  await assert.rejects(bob.client.request('resume', { consumerId: 'none' }), { code: 'not_found' });
});

test('a service needs its key, for its own name', async () => {
  const options = { newRouter: () => scene.router };
  const { SfuService } = await import('../lib/service.js');
  await assert.rejects(SfuService.start(scene.hub.origin, { ...options, key: 'another-key-than-that-one' }), { code: 'unauthorized' });
  await assert.rejects(SfuService.start(scene.hub.origin, { ...options, key: (await import('../lib/scene.js')).KEY, service: 'io' }), { code: 'forbidden' });
});
