import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brokenByProxy } from '../lib/browser.js';
import { websocketFaults } from '../lib/proxy.js';
import { scene } from '../lib/scene.js';

const stage = scene();

test('two people chat directly, see each other, and see each other type', async () => {
  const ada = await stage.person('Ada', { room: 'direct' });
  const bob = await stage.person('Bob', { room: 'direct' });
  await ada.onTransport('websocket');
  await bob.onTransport('websocket');
  await ada.seesMember('Bob', { transport: 'websocket', sessions: 1 });
  await bob.seesMember('Ada', { transport: 'websocket', sessions: 1 });

  await ada.say('Hello Bob');
  await bob.reads('Hello Bob', 'Ada');
  await bob.say('Hello <b>Ada</b> & all');
  await ada.reads('Hello <b>Ada</b> & all', 'Bob');
  await ada.reads('Hello Bob', 'Ada');
  assert.deepEqual((await ada.messages()).map(({ from, status }) => [from, status]), [['Ada', 'stored'], ['Bob', 'received']]);

  await bob.get('message-input').pressSequentially('I am wri');
  await ada.sees('typing', 'data-users', 'Bob');
  await bob.get('message-input').fill('');
  await ada.sees('typing', 'data-users', '');

  await bob.get('leave-button').click();
  await ada.missesMember('Bob');
  ada.assertQuiet();
  bob.assertQuiet();
  await stage.close();
});

test('a late comer reads what was said before', async () => {
  const ada = await stage.person('Ada', { room: 'late' });
  for (const text of ['one', 'two', 'three']) await ada.say(text);
  await ada.reads('three', 'Ada');
  const bob = await stage.person('Bob', { room: 'late' });
  await bob.reads('three', 'Ada');
  assert.deepEqual((await bob.messages()).map(({ text }) => text), ['one', 'two', 'three']);
  await stage.close();
});

for (const [fault, rule] of Object.entries(websocketFaults)) {
  test(`a proxy that ${fault} is no obstacle: one on WebSocket, one on SSE`, async () => {
    const proxy = await stage.proxy({ http: [rule] });
    const room = fault.replaceAll(' ', '-');
    const ada = await stage.person('Ada', { room });
    const bob = await stage.person('Bob', { room, origin: proxy.origin });
    await ada.onTransport('websocket');
    await bob.onTransport('sse');
    await ada.seesMember('Bob', { transport: 'sse' });
    await bob.seesMember('Ada', { transport: 'websocket' });

    await ada.say('Can you hear me?');
    await bob.reads('Can you hear me?', 'Ada');
    await bob.say('Yes, over SSE');
    await ada.reads('Yes, over SSE', 'Bob');
    await bob.get('message-input').pressSequentially('and');
    await ada.sees('typing', 'data-users', 'Bob');

    const tried = (await proxy.log()).filter(({ event, action }) => event === 'request' && action !== 'pass');
    assert.ok(tried.length >= 1, 'WebSocket was tried and met the fault');
    ada.assertQuiet();
    bob.assertQuiet(brokenByProxy);
    await stage.close();
  });
}
