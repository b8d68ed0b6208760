import assert from 'node:assert/strict';
import { test } from 'node:test';
import { screenshot } from '../lib/browser.js';
import { until } from '../lib/process.js';
import { scene } from '../lib/scene.js';

const stage = scene();
const phone = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };

/** A room with some talk and a running stream, for the pictures. */
async function company(room) {
  const ada = await stage.person('Ada', { room });
  const bob = await stage.person('Bob', { room });
  await bob.move('sse');
  await ada.say('Which way did you come in?');
  await bob.reads('Which way did you come in?', 'Ada');
  await bob.say('Over SSE, the proxy here breaks WebSocket.');
  await ada.reads('Over SSE, the proxy here breaks WebSocket.', 'Bob');
  await ada.startStream(20);
  await bob.startStream(20);
  return { ada, bob };
}

const overflow = (page) => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

for (const colorScheme of ['light', 'dark']) {
  test(`on a desktop, ${colorScheme}`, async () => {
    const room = `desktop-${colorScheme}`;
    await company(room);
    const cleo = await stage.person('Cleo', { room, colorScheme });
    await cleo.seesMember('Bob', { transport: 'sse' });
    await until(async () => (await cleo.checked('Bob'))?.received > 20, () => cleo.story('gets numbers'));
    await screenshot(cleo.page, `demo-desktop-${colorScheme}`);
    const pressed = await cleo.get('theme-toggle').getAttribute('aria-pressed');
    assert.equal(pressed, String(colorScheme === 'dark'));
    assert.equal(await overflow(cleo.page), 0);
    const background = () => cleo.page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const before = await background();
    await cleo.get('theme-toggle').click();
    await until(async () => (await background()) !== before, 'the theme changes');
    cleo.assertQuiet();
    await stage.close();
  });
}

test('on a phone', async () => {
  await company('phone');
  const cleo = await stage.person('Cleo', { room: 'phone', ...phone });
  await cleo.seesMember('Bob', { transport: 'sse' });
  for (const part of ['chat', 'people', 'lab']) {
    await cleo.page.locator(`[data-show="${part}"]`).click();
    await cleo.page.locator(`[data-panel="${part}"]`).waitFor();
    await screenshot(cleo.page, `demo-phone-${part}`);
    assert.equal(await overflow(cleo.page), 0, `${part} fits the width`);
  }
  cleo.assertQuiet();
  await stage.close();
});

test('the form at the door', async () => {
  const ada = await stage.visitor('Ada');
  await ada.page.goto(`${stage.hub.origin}/?room=atrium`);
  assert.equal(await ada.get('room-input').inputValue(), 'atrium');
  await screenshot(ada.page, 'demo-welcome');
  await ada.get('name-input').fill('Ada');
  await ada.get('name-input').press('Enter');
  await ada.entered();
  await ada.seesMember('Ada');
  ada.assertQuiet();
  await stage.close();
});

test('an address with room and name joins at once', async () => {
  const ada = await stage.visitor('Ada');
  await ada.page.goto(`${stage.hub.origin}/?room=atrium&name=Ada`);
  await ada.entered();
  await ada.seesMember('Ada');
  ada.assertQuiet();
  await stage.close();
});
