import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { screenshot } from '../lib/browser.js';
import { PEER_FLAGS } from '../lib/peer.js';
import { until } from '../lib/process.js';
import { scene } from '../lib/scene.js';

const stage = scene();
/** A microphone that beeps, and a person who says yes. */
const flags = [...PEER_FLAGS, '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream'];

const company = async (room) => {
  const ada = await stage.person('Ada', { room, flags });
  const bob = await stage.person('Bob', { room, flags });
  await ada.seesMember('Bob', { via: 'direct' });
  await bob.seesMember('Ada', { via: 'direct' });
  return [ada, bob];
};

const items = (person) => person.get('files').locator('li').evaluateAll((list) => list.map(({ dataset }) => ({ ...dataset })));

/** The one file that is in this state. */
async function file(person, name, state) {
  const fits = (one) => one.name === name && one.state === state;
  await until(async () => (await items(person)).filter(fits).length === 1, async () => person.story(`has ${name} ${state}: ${JSON.stringify(await items(person))}`));
  return person.get('files').locator(`li[data-name="${name}"][data-state="${state}"]`);
}

test('a file goes to the room: accepted it is there with its bytes, declined or cancelled it is not', async () => {
  const [ada, bob] = await company('files');
  const buffer = Buffer.alloc(3_000_000, 'crosspoint ');
  const choose = (name, buffer) => ada.get('file-input').setInputFiles({ name, mimeType: 'text/plain', buffer });
  await choose('notes.txt', buffer);
  await (await file(bob, 'notes.txt', 'offered')).locator('[data-does="accept"]').click();
  const done = await file(bob, 'notes.txt', 'done');
  await file(ada, 'notes.txt', 'done');
  const [download] = await Promise.all([bob.page.waitForEvent('download'), done.locator('a[download]').click()]);
  assert.equal(download.suggestedFilename(), 'notes.txt');
  assert.ok((await readFile(await download.path())).equals(buffer));

  await choose('unwanted.txt', buffer);
  await (await file(bob, 'unwanted.txt', 'offered')).locator('[data-does="decline"]').click();
  assert.equal(await (await file(ada, 'unwanted.txt', 'failed')).locator('.file-state').innerText(), 'the receiver does not want it');

  await choose('too soon.txt', buffer);
  await file(bob, 'too soon.txt', 'offered');
  await (await file(ada, 'too soon.txt', 'offered')).locator('[data-does="cancel"]').click();
  await file(bob, 'too soon.txt', 'failed');
  await screenshot(bob.page, 'demo-files');
  for (const person of [ada, bob]) person.assertQuiet();
  await stage.close();
});

test('a voice message is recorded, arrives by itself and can be played', async () => {
  const [ada, bob] = await company('voice');
  const button = ada.get('voice-button');
  await button.click();
  await until(async () => (await button.getAttribute('aria-pressed')) === 'true', () => ada.story('records'));
  await ada.say('listen to this');
  await bob.reads('listen to this', 'Ada');
  await button.click();
  const done = await file(bob, 'voice message.webm', 'done');
  const audio = done.locator('audio');
  const played = await audio.evaluate(async (audio) => {
    audio.muted = true;
    const began = new Promise((resolve, reject) => {
      audio.addEventListener('timeupdate', () => audio.currentTime > 0 && resolve(true));
      audio.addEventListener('ended', () => resolve(true));
      audio.addEventListener('error', () => reject(audio.error));
    });
    await audio.play();
    return began;
  });
  assert.ok(played);
  for (const person of [ada, bob]) person.assertQuiet();
  await stage.close();
});
