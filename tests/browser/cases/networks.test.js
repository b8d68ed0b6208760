import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brokenByProxy } from '../lib/browser.js';
import { until } from '../lib/process.js';
import { websocketFaults } from '../lib/proxy.js';
import { scene } from '../lib/scene.js';

const stage = scene();

test('a proxy that buffers answers and breaks WebSocket: polls by itself, and loses nothing', async () => {
  const proxy = await stage.proxy({ http: [
    websocketFaults['strips the upgrade'],
    { match: { path: '/sse' }, do: 'buffer_response' },
  ] });
  const ada = await stage.person('Ada', { room: 'buffered' });
  const bob = await stage.person('Bob', { room: 'buffered', origin: proxy.origin });
  await bob.onTransport('sse-poll');
  await bob.say('Slowly but surely');
  await ada.reads('Slowly but surely', 'Bob');
  await ada.say('I can wait');
  await bob.reads('I can wait', 'Ada');
  await Promise.all([ada.startStream(50), bob.startStream(50)]);
  await until(async () => (await bob.checked('Ada'))?.received >= 100 && (await ada.checked('Bob'))?.received >= 100, () => bob.story('gets numbers'));
  const [fromAda, fromBob] = await Promise.all([ada.stopStream(), bob.stopStream()]);
  await bob.checkedAll('Ada', fromAda);
  await ada.checkedAll('Bob', fromBob);
  assert.ok((await proxy.log()).some(({ event }) => event === 'buffer_released'));
  bob.assertQuiet(brokenByProxy);
  await stage.close();
});

test('WebSocket breaks in the middle of a conversation: down to SSE, and up again when it is whole', async () => {
  const proxy = await stage.proxy();
  const ada = await stage.person('Ada', { room: 'breaks' });
  const bob = await stage.person('Bob', { room: 'breaks', origin: proxy.origin });
  await bob.onTransport('websocket');
  await ada.seesMember('Bob');
  await ada.watchMembers();
  await Promise.all([ada.startStream(50), bob.startStream(50)]);

  await proxy.set({ http: [websocketFaults['is silent after the 101']] });
  await proxy.cut({ select: { upgraded: true } });
  await bob.onTransport('sse');
  await ada.say('Still there?');
  await bob.reads('Still there?', 'Ada');

  await proxy.set({});
  await bob.move('websocket');
  const [fromAda, fromBob] = await Promise.all([ada.stopStream(), bob.stopStream()]);
  await bob.checkedAll('Ada', fromAda);
  await ada.checkedAll('Bob', fromBob);
  assert.deepEqual(await ada.memberChanges(), []);
  bob.assertQuiet(brokenByProxy);
  await stage.close();
});

test('a link that has gone silent is left', async () => {
  const proxy = await stage.proxy();
  const ada = await stage.person('Ada', { room: 'silent' });
  const bob = await stage.person('Bob', { room: 'silent', origin: proxy.origin });
  await bob.onTransport('websocket');
  const [link] = await proxy.order('GET', '/connections').then((all) => all.filter(({ upgraded }) => upgraded));
  await proxy.order('PUT', `/connections/${link.connection}/rules`, { up: { flow: 'swallow' }, down: { flow: 'swallow' } });
  await bob.say('Into the void and back');
  await ada.reads('Into the void and back', 'Bob');
  await ada.seesMember('Bob');
  bob.assertQuiet(brokenByProxy);
  await stage.close();
});

test('a blocked transport is left at once', async () => {
  const ada = await stage.person('Ada', { room: 'blocked' });
  const bob = await stage.person('Bob', { room: 'blocked' });
  await bob.onTransport('websocket');
  await bob.get('block-websocket').check();
  await bob.onTransport('sse', 'sse-poll');
  await bob.say('Blocked');
  await ada.reads('Blocked', 'Bob');
  await bob.get('block-websocket').uncheck();
  await bob.get('block-sse').check();
  await bob.onTransport('websocket');
  await ada.say('And back');
  await bob.reads('And back', 'Ada');
  bob.assertQuiet();
  await stage.close();
});

test('the hub restarts and everyone comes back', async () => {
  const ada = await stage.person('Ada', { room: 'restart' });
  const bob = await stage.person('Bob', { room: 'restart' });
  await bob.move('sse');
  await ada.seesMember('Bob', { transport: 'sse' });
  assert.deepEqual(await stage.hub.restart(), { code: 0, signal: null });
  await bob.say('Anyone?');
  await ada.reads('Anyone?', 'Bob');
  await ada.say('Here I am');
  await bob.reads('Here I am', 'Ada');
  await ada.seesMember('Bob');
  await bob.seesMember('Ada');
  ada.assertQuiet(brokenByProxy);
  bob.assertQuiet(brokenByProxy);
  await stage.close();
});
