import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launchFirefox } from '../lib/browser.js';
import { Hub } from '../lib/hub.js';
import { Tab } from '../lib/tab.js';
import { until } from '../lib/process.js';

/** Numbers a second that each sends. */
const RATE = 100;

let hub;
let browser;

before(async () => {
  hub = await Hub.start({ webtransport: true });
  browser = await launchFirefox();
});

after(async () => {
  await browser?.close();
  await hub?.stop();
});

const onTransport = (tab, transport) => until(async () => (await tab.transport()) === transport, () => tab.story(`is on ${transport}`));

/** Two pages that share no session, in one room. */
async function pair(room, options) {
  const tabs = [];
  for (const name of ['ada', 'bob']) tabs.push(await Tab.open(browser, hub.origin, { name, room, user: name, ...options }));
  for (const tab of tabs) await tab.entered();
  return tabs;
}

/** Every number of both has come to both, once and in order. */
async function complete(tabs) {
  const lasts = await Promise.all(tabs.map((tab) => tab.stop()));
  for (const listener of tabs) {
    for (const [i, sender] of tabs.entries()) await listener.heardAll(sender.name, lasts[i]);
    assert.deepEqual((await listener.log()).filter((line) => / gap | error /.test(line)), []);
    assert.deepEqual(listener.wrong, []);
    await listener.close();
  }
  assert.ok(Math.min(...lasts) > 0);
}

test('Firefox: moves between WebSocket, SSE, polls and WebTransport while numbers flow both ways', async () => {
  const tabs = await pair('moves', { autoUpgrade: false });
  const [ada, bob] = tabs;
  for (const tab of tabs) await onTransport(tab, 'websocket');
  await Promise.all(tabs.map((tab) => tab.start(RATE)));
  for (const to of ['sse', 'webtransport', 'websocket', 'sse-poll', 'webtransport', 'sse', 'websocket']) {
    await bob.ask((to) => window.tab.client.moveTo(to), to);
    await onTransport(bob, to);
    await Promise.all([ada.hears('bob'), bob.hears('ada')]);
  }
  await complete(tabs);
});

test('Firefox: moves up to WebTransport by itself, and a cut link comes back', async () => {
  const tabs = await pair('up');
  for (const tab of tabs) await onTransport(tab, 'webtransport');
  await Promise.all(tabs.map((tab) => tab.start(RATE)));
  const session = await tabs[0].session();
  for (let i = 0; i < 5; i++) {
    await tabs[0].ask(() => window.tab.client.debug.killLink());
    await Promise.all([tabs[0].hears('bob'), tabs[1].hears('ada')]);
  }
  assert.equal(await tabs[0].session(), session);
  await complete(tabs);
});

test('Firefox: bulk beside the numbers, on WebTransport and WebSocket', async () => {
  for (const transport of ['webtransport', 'websocket']) {
    const tabs = await pair(`bulk-${transport}`, transport === 'websocket' ? { transports: ['websocket'] } : {});
    const [ada, bob] = tabs;
    for (const tab of tabs) await onTransport(tab, transport);
    await Promise.all(tabs.map((tab) => tab.start(RATE)));
    await bob.ask(() => {
      window.numbers = [];
      window.tab.client.on('message', ({ data, bulk }) => bulk && window.numbers.push(new DataView(data.buffer, data.byteOffset).getUint32(0)));
    });
    await ada.ask(async (session) => {
      const part = (n) => {
        const bytes = new Uint8Array(32_000);
        new DataView(bytes.buffer).setUint32(0, n);
        return bytes;
      };
      await Promise.all(Array.from({ length: 150 }, (_, n) => window.tab.client.sendBulk(`session:${session}`, 'part', part(n))));
    }, await bob.session());
    const came = () => bob.ask(() => window.numbers);
    await until(async () => (await came()).length >= 150, () => bob.story('has all parts'));
    assert.deepEqual(await came(), Array.from({ length: 150 }, (_, n) => n));
    await Promise.all([ada.hears('bob'), bob.hears('ada')]);
    await complete(tabs);
  }
});

test('Firefox: a script of another origin finds its parts', async () => {
  const page = await browser.newPage();
  await page.goto(`${hub.origin}/healthz`);
  await page.addScriptTag({ url: `${hub.origin.replace('127.0.0.1', 'localhost')}/sdk/crosspoint.global.js` });
  const answer = await page.evaluate(async () => {
    const client = window.Crosspoint.connect(location.origin, { user: 'eve', tabs: 'shared' });
    const errors = [];
    client.on('error', ({ message }) => errors.push(message));
    await client.ready();
    const { delivered } = await client.sendBulk(`session:${client.session}`, 'part', 1);
    client.close();
    return { delivered, errors };
  });
  assert.deepEqual(answer, { delivered: 1, errors: [] });
  await page.close();
});
