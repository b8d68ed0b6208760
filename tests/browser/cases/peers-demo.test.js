import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PEER_FLAGS } from '../lib/peer.js';
import { until } from '../lib/process.js';
import { scene } from '../lib/scene.js';

const stage = scene();

test('the demo says how it reaches each person, and chats from browser to browser', async () => {
  const flags = ['--disable-quic', ...PEER_FLAGS];
  const [ada, bob] = [await stage.person('Ada', { room: 'near', flags }), await stage.person('Bob', { room: 'near', flags })];
  await Promise.all([ada.seesMember('Bob', { via: 'direct' }), bob.seesMember('Ada', { via: 'direct' })]);
  assert.equal(await ada.member('Bob').locator('.way').innerText(), 'direct');
  assert.equal(await ada.member('Ada').locator('.way').isVisible(), false);
  await ada.get('peers-chat').check();
  await ada.say('psst');
  await bob.reads('psst', 'Ada');
  const [message] = await bob.get('messages').locator('li').evaluateAll((items) => items.map(({ dataset }) => ({ ...dataset })));
  assert.deepEqual([message.via, message.status], ['direct', 'received']);
  await until(async () => (await ada.messages()).some(({ text, status }) => text === 'psst' && status === 'stored'), () => ada.story('knows that it arrived'));
  await ada.get('peers-chat').uncheck();
  await ada.say('for the record');
  await bob.reads('for the record', 'Ada');
  const cleo = await stage.person('Cleo', { room: 'near', flags });
  await cleo.reads('for the record', 'Ada');
  assert.equal((await cleo.messages()).some(({ text }) => text === 'psst'), false, 'nobody stored it');
  for (const person of [ada, bob, cleo]) person.assertQuiet();
  await stage.close();
});
