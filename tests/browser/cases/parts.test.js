import assert from 'node:assert/strict';
import { test } from 'node:test';
import { launch } from '../lib/browser.js';
import { until } from '../lib/process.js';
import { scene } from '../lib/scene.js';

const stage = scene();
const HOW = ['module', 'global', 'global of another origin'];

/** A page that does all at once that may come before the parts of the SDK: by the module, or by a script of an older kind. */
async function begin(context, how, user) {
  const page = await context.newPage();
  await page.goto(`${stage.hub.origin}/healthz`);
  if (how === 'global') await page.addScriptTag({ url: '/sdk/crosspoint.global.js' });
  if (how === 'global of another origin') await page.addScriptTag({ url: `${stage.hub.origin.replace('127.0.0.1', 'localhost')}/sdk/crosspoint.global.js` });
  await page.evaluate(async ({ how, user }) => {
    const { connect } = how !== 'module' ? window.Crosspoint : await import('/sdk/crosspoint.js');
    const client = connect(location.origin, { user, tabs: 'shared', offline: { store: 'indexeddb' }, backoff: { max_ms: 300 } });
    const room = client.room(`parts-${how.replaceAll(' ', '-')}`);
    Object.assign(window, { client, room, errors: [], got: [], joined: false });
    client.on('error', ({ code, message }) => window.errors.push([code, message]));
    client.onRequest('sum', ({ a, b }) => a + b);
    room.on('m', ({ data }) => window.got.push(data));
    room.join().then(() => (window.joined = true), () => {});
    for (let i = 0; i < 3; i++) room.publish('m', i, { echo: i !== 1 }).catch(() => {});
    client.allow(['sse']);
  }, { how, user });
  return page;
}

const state = (page) =>
  page.evaluate(() => ({ joined: window.joined, got: window.got, errors: window.errors, session: window.client.session, transport: window.client.transport }));
const entered = (page) => until(async () => (await state(page)).joined, async () => JSON.stringify(await state(page)));
const tells = async (page, got) => until(async () => (await state(page)).got.length >= got, async () => JSON.stringify(await state(page)));

for (const how of HOW) {
  test(`what is done before the parts are there counts (${how})`, async (t) => {
    const browser = await launch();
    t.after(() => browser.close());
    const context = await browser.newContext();
    let release;
    const held = new Promise((resolve) => (release = resolve));
    await context.route('**/sdk/crosspoint-*.js', async (route) => {
      await held;
      await route.continue();
    });
    const asked = [];
    context.on('request', (request) => asked.push(new URL(request.url()).pathname));
    const first = await begin(context, how, 'ada');
    await until(() => asked.includes('/sdk/crosspoint-tabs.js') && asked.includes('/sdk/crosspoint-store.js'), 'both parts are asked for');
    assert.equal((await state(first)).session, null);
    release();
    await entered(first);
    await tells(first, 2);
    const second = await begin(context, how, 'ada');
    await entered(second);
    await tells(first, 5);
    const [one, other] = [await state(first), await state(second)];
    assert.equal(one.session, other.session);
    assert.deepEqual([one.got, other.got], [[0, 2, 0, 1, 2], [0, 2]]);
    assert.deepEqual([one.errors, other.errors], [[], []]);
    assert.match(one.transport, /^sse/);
    const sum = await second.evaluate(() => window.client.request(`session:${window.client.session}`, 'sum', { a: 2, b: 3 }));
    assert.equal(sum, 5);
  });

  test(`where the parts can't be had, each tab has its own session and queue, and says so (${how})`, async (t) => {
    const browser = await launch();
    t.after(() => browser.close());
    const context = await browser.newContext();
    await context.route('**/sdk/crosspoint-*.js', (route) => route.abort());
    const pages = [await begin(context, how, 'eve'), await begin(context, how, 'eve')];
    for (const page of pages) await entered(page);
    await tells(pages[0], 2);
    const [one, other] = [await state(pages[0]), await state(pages[1])];
    assert.notEqual(one.session, other.session);
    for (const { errors, transport } of [one, other]) {
      assert.deepEqual(errors.map(([code]) => code), ['unavailable', 'unavailable']);
      assert.match(transport, /^sse/);
    }
    assert.deepEqual(other.got.filter((n) => n === 1), []);
  });
}
