import assert from 'node:assert/strict';
import { test } from 'node:test';
import { screenshot } from '../lib/browser.js';
import { until } from '../lib/process.js';
import { scene } from '../lib/scene.js';

const stage = scene();

/** Ada, who moderates, and Bob. */
async function company(room) {
  const ada = await stage.visitor('Ada');
  await ada.page.goto(`${stage.hub.origin}/?room=${room}&name=Ada&moderator`);
  await ada.entered();
  const bob = await stage.person('Bob', { room });
  await ada.seesMember('Bob');
  return { ada, bob, does: (action) => ada.member('Bob').locator(`[data-does="${action}"]`).click() };
}

const statuses = async (person, text) => (await person.messages()).filter((message) => message.text === text).map(({ status }) => status);
const sees = (person, testId, pattern) => until(async () => pattern.test(await person.get(testId).innerText()), () => person.story(`reads ${pattern} at ${testId}`));

test('who is muted sees why nothing goes out, until the moderator lifts it', async () => {
  const { ada, bob, does } = await company('muted');
  assert.equal(await bob.get('members').locator('[data-does]').count(), 0, 'Bob has no such buttons');
  await does('mute');
  await sees(bob, 'muted', /Ada has muted you until/);
  await bob.say('Can you hear me?');
  await until(async () => (await statuses(bob, 'Can you hear me?'))[0] === 'failed', () => bob.story('is told that it was not sent'));
  await until(() => ada.get('moderated').locator('li[data-user="Bob"][data-action="mute"]').isVisible(), () => ada.story('sees who is muted'));
  await screenshot(ada.page, 'demo-moderator');
  await screenshot(bob.page, 'demo-muted');
  await ada.say('One minute of silence');
  await bob.reads('One minute of silence', 'Ada');
  await ada.get('moderated').getByRole('button', { name: 'Unmute Bob' }).click();
  await sees(bob, 'muted', /^$/);
  await bob.say('And now?');
  await ada.reads('And now?', 'Bob');
  assert.deepEqual((await ada.messages()).filter(({ text }) => text === 'Can you hear me?'), []);
  await until(async () => !(await ada.get('moderated').isVisible()), () => ada.story('sees that nobody is muted'));
  ada.assertQuiet();
  bob.assertQuiet();
  await stage.close();
});

test('who is taken out is told, and may come back; who is banned may not', async () => {
  const { ada, bob, does } = await company('banned');
  await does('kick');
  await until(async () => /took you out/.test(await bob.page.locator('#join-status').innerText()), () => bob.story('is told'));
  await ada.missesMember('Bob');
  await bob.get('join-button').click();
  await bob.entered();
  await ada.seesMember('Bob');
  await does('ban');
  await until(async () => /banned/.test(await bob.page.locator('#join-status').innerText()), () => bob.story('is told'));
  await ada.missesMember('Bob');
  await screenshot(bob.page, 'demo-banned');
  await bob.get('join-button').click();
  await until(async () => /Could not join/.test(await bob.page.locator('#join-status').innerText()), () => bob.story('is not let in'));
  await ada.get('moderated').getByRole('button', { name: 'Let in Bob' }).click();
  await until(async () => (await ada.get('moderated').locator('li').count()) === 0, () => ada.story('sees that nobody is banned'));
  await bob.get('join-button').click();
  await bob.entered();
  await ada.seesMember('Bob');
  ada.assertQuiet();
  bob.assertQuiet();
  await stage.close();
});
