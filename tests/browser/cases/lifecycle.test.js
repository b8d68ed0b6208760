import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Tabs } from '../lib/background.js';
import { launch } from '../lib/browser.js';
import { until } from '../lib/process.js';
import { scene } from '../lib/scene.js';
import { Tab } from '../lib/tab.js';

const stage = scene();
const RATE = 50;
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const counter = (tab, name) => tab.ask((name) => window.tab.client.counters[name], name);
const state = (tab) => tab.ask(() => window.tab.client.state);

/** Ada's tab by `context`, at `origin`, and a witness elsewhere who sends numbers all the time. */
async function witnessed(t, context, room, { origin = stage.hub.origin, ...options } = {}) {
  const browser = await launch();
  t.after(() => browser.close());
  const bob = await Tab.open(await browser.newContext(), stage.hub.origin, { name: 'bob', room, user: 'bob' });
  await bob.entered();
  const ada = await Tab.open(context, origin, { name: 'ada', room, user: 'ada', ...options });
  await ada.entered();
  await bob.start(RATE);
  await ada.hears('bob');
  return { ada, bob };
}

/** Ada has heard all of Bob, in the session that she had. */
async function complete({ ada, bob }, session) {
  await ada.heardAll('bob', await bob.stop());
  assert.equal(await ada.session(), session);
  assert.equal(await counter(ada, 'gaps'), 0);
}

for (const transport of ['websocket', 'sse']) {
  test(`${transport}: a tab in the background, its timers throttled, is not taken for dead; frozen, it comes back with all it missed`, async (t) => {
    const tabs = await Tabs.open();
    t.after(() => tabs.close());
    const people = await witnessed(t, tabs, `background-${transport}`, { transports: [transport] });
    const { ada } = people;
    const session = await ada.session();
    const front = await tabs.newPage();
    await front.show();
    await until(() => ada.ask(() => document.hidden), 'Ada is hidden');
    await pause(10_000);
    assert.equal(await counter(ada, 'reconnects'), 0);
    await ada.page.freeze(true);
    await pause(12_000);
    await ada.page.freeze(false);
    const woken = Date.now();
    await ada.hears('bob');
    assert.ok(Date.now() - woken < 5_000, `${Date.now() - woken} ms until she hears again`);
    await ada.page.show();
    await until(() => ada.ask(() => !document.hidden), 'Ada is visible');
    await ada.hears('bob');
    await complete(people, session);
  });
}

test('the link dies while the tab is frozen: it is left when the tab wakes', async (t) => {
  const tabs = await Tabs.open();
  t.after(() => tabs.close());
  const proxy = await stage.proxy();
  const people = await witnessed(t, tabs, 'dies-frozen', { origin: proxy.origin });
  const { ada } = people;
  const session = await ada.session();
  await (await tabs.newPage()).show();
  await until(() => ada.ask(() => document.hidden), 'Ada is hidden');
  await ada.page.freeze(true);
  for (const { connection } of await proxy.order('GET', '/connections')) {
    await proxy.order('PUT', `/connections/${connection}/rules`, { up: { flow: 'swallow' }, down: { flow: 'swallow' } });
  }
  await pause(8_000);
  await ada.page.freeze(false);
  const woken = Date.now();
  await until(async () => (await counter(ada, 'reconnects')) > 0, () => ada.story('is back'));
  assert.ok(Date.now() - woken < 8_000, `${Date.now() - woken} ms`);
  await ada.hears('bob');
  await complete(people, session);
});

test('offline for a while, and online again: back at once', async (t) => {
  const browser = await launch();
  t.after(() => browser.close());
  const context = await browser.newContext();
  const proxy = await stage.proxy();
  const people = await witnessed(t, context, 'offline', { origin: proxy.origin });
  const { ada } = people;
  const session = await ada.session();
  await context.setOffline(true);
  // The browser's own switch spares WebSockets that are open.
  await proxy.set({ accept: 'refuse' });
  await proxy.cut();
  await until(async () => (await state(ada)) === 'reconnecting', () => ada.story('noticed'));
  await pause(6_000);
  await proxy.set({});
  const back = Date.now();
  await context.setOffline(false);
  await until(async () => (await state(ada)) === 'connected', () => ada.story('is back'));
  assert.ok(Date.now() - back < 3_000, `${Date.now() - back} ms`);
  await complete(people, session);
});

test('offline and online in quick turns under traffic: nothing is lost, and a link that works is kept', async (t) => {
  const browser = await launch();
  t.after(() => browser.close());
  const context = await browser.newContext();
  const people = await witnessed(t, context, 'flapping');
  const { ada } = people;
  const session = await ada.session();
  for (let i = 0; i < 20; i++) {
    await context.setOffline(i % 2 === 0);
    await pause(150);
  }
  await ada.hears('bob');
  await until(async () => (await state(ada)) === 'connected', () => ada.story('is connected'));
  await complete(people, session);
});

test('the next visit begins with what worked on this network', async (t) => {
  const browser = await launch();
  t.after(() => browser.close());
  const context = await browser.newContext();
  const proxy = await stage.proxy({ http: [{ match: { upgrade: true }, do: 'silent_after_101' }] });
  const visit = async () => {
    const tab = await Tab.open(context, proxy.origin, { name: 'ada', room: 'visits', user: 'ada', autoUpgrade: false });
    await tab.entered();
    const { transports } = await tab.ask(() => window.tab.client.getPerformanceMetrics());
    assert.equal(await tab.transport(), 'sse');
    await tab.close();
    return transports;
  };
  assert.equal((await visit()).websocket.failures, 1);
  assert.equal((await visit()).websocket, undefined, 'it was not tried again');
});
