import assert from 'node:assert/strict';
import { test } from 'node:test';
import { scene } from '../lib/scene.js';

const stage = scene();

test('a reload is not seen by others', async () => {
  const ada = await stage.person('Ada', { room: 'reload' });
  const bob = await stage.person('Bob', { room: 'reload' });
  await bob.say('Before');
  await ada.reads('Before', 'Bob');
  await ada.watchMembers();
  for (let i = 0; i < 3; i++) {
    await bob.page.reload();
    await bob.entered();
    await bob.seesMember('Ada');
    await bob.say(`Back ${i}`);
    await ada.reads(`Back ${i}`, 'Bob');
  }
  await ada.seesMember('Bob', { sessions: 1 });
  assert.deepEqual(await ada.memberChanges(), []);
  assert.deepEqual((await bob.messages()).map(({ text }) => text), ['Before', 'Back 0', 'Back 1', 'Back 2']);
  ada.assertQuiet();
  bob.assertQuiet();
  await stage.close();
});

test('two tabs are one member, who is gone when the second one closes', async () => {
  const ada = await stage.person('Ada', { room: 'tabs' });
  const bob = await stage.person('Bob', { room: 'tabs' });
  const again = await stage.person('Bob', { room: 'tabs' });
  await ada.seesMember('Bob', { sessions: 2 });
  await ada.say('Both of you');
  await bob.reads('Both of you', 'Ada');
  await again.reads('Both of you', 'Ada');
  await bob.page.close();
  await ada.seesMember('Bob', { sessions: 1 });
  await again.page.close();
  await ada.missesMember('Bob');
  ada.assertQuiet();
  await stage.close();
});
