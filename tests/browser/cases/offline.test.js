import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { launch, launchProfile, openPage } from '../lib/browser.js';
import { Hub } from '../lib/hub.js';
import { Person } from '../lib/person.js';
import { FaultProxy } from '../lib/proxy.js';
import { until } from '../lib/process.js';

/** Pages of the hub's own, with nothing but a client whose queue is in IndexedDB; a witness in a browser of its own. */

/** Pages load, and nothing else gets through. */
const OFFLINE = { http: ['/negotiate', '/ws', '/sse'].map((path) => ({ match: { path }, do: { refuse: { with: 'reset' } } })) };
const RANGE = (from, to) => Array.from({ length: to - from }, (_, i) => from + i);

let hub;
let browser;
const open = [];

before(async () => {
  hub = await Hub.start();
  browser = await launch();
});

after(async () => {
  for (const end of open.splice(0).reverse()) await end();
  await browser?.close();
  await hub?.stop();
});

async function proxied(rules = OFFLINE) {
  const proxy = await FaultProxy.start(hub.address, rules);
  open.push(() => proxy.stop());
  return proxy;
}

async function offline(proxy) {
  await proxy.set(OFFLINE);
  await proxy.cut();
}

/** A client in a page of the hub's. */
async function begin(page, origin, room, { user = 'ada', offline = {}, tabs = 'own' } = {}) {
  await page.goto(`${origin}/healthz`);
  await page.evaluate(async ({ room, user, offline, tabs }) => {
    const { connect } = await import('/sdk/crosspoint.js');
    const client = connect(location.origin, { user, tabs, backoff: { max_ms: 300 }, offline: { store: 'indexeddb', ...offline } });
    Object.assign(window, { client, room: client.room(room), statuses: [], errors: [], got: [] });
    client.on('status', ({ id, status, error }) => window.statuses.push([id, status, error?.code]));
    client.on('error', (error) => window.errors.push([error.code, error.message]));
    window.room.on('m', ({ data }) => window.got.push(data));
  }, { room, user, offline, tabs });
}

const joinRoom = (page) => page.evaluate(() => void window.room.join());
/** Publishes and returns the ids, once the store has them. */
const publish = (page, data) =>
  page.evaluate(async (data) => {
    const ids = data.map((one) => window.room.publish('m', one).id);
    await window.client.queue.saved();
    return ids;
  }, data);
const queued = (page) => page.evaluate(() => window.client.queue.list());
const emptied = (page) => until(() => page.evaluate(() => window.client.queue.size === 0), async () => `empty: ${JSON.stringify((await queued(page)).slice(0, 3))}`);

/** The renderer dies, as if it had been killed. */
async function crash(page) {
  const gone = new Promise((resolve) => page.once('crash', resolve));
  const devtools = await page.context().newCDPSession(page);
  devtools.send('Page.crash').catch(() => {});
  await gone;
}

async function witness(room) {
  const { page } = await openPage(browser);
  await begin(page, hub.origin, room, { user: 'witness', offline: { store: 'memory' } });
  await page.evaluate(() => window.room.join());
  const got = () => page.evaluate(() => window.got);
  return {
    got,
    /** Nothing but this, in this order; a last one of the witness's own shows that nothing follows. */
    async saw(expected, what = '') {
      await until(async () => (await got()).length >= expected.length, async () => `${what} the witness has ${expected.length}, not ${(await got()).length}`);
      await page.evaluate(() => window.room.publish('m', 'end'));
      await until(async () => (await got()).includes('end'), 'the witness hears itself');
      assert.deepEqual(await got(), [...expected, 'end'], what);
    },
  };
}

for (const room of ['chat:reload', 'plain:reload']) {
  test(`200 queued offline come once and in order after a reload, before anything newer (${room})`, async () => {
    const proxy = await proxied();
    const seen = await witness(room);
    const { page } = await openPage(browser);
    await begin(page, proxy.origin, room);
    await joinRoom(page);
    const ids = await publish(page, RANGE(0, 200));
    await begin(page, proxy.origin, room);
    await until(async () => (await queued(page)).length === 200, 'the queue is back');
    const list = await queued(page);
    assert.deepEqual(list.map(({ id, data, status }) => [id, data, status]), ids.map((id, i) => [id, i, 'queued']));
    await joinRoom(page);
    await publish(page, RANGE(200, 220));
    await proxy.set({});
    await seen.saw(RANGE(0, 220));
    await emptied(page);
    const stored = await page.evaluate(() => window.statuses.filter(([, status]) => status === 'stored').map(([id]) => id));
    assert.deepEqual(stored.slice(0, 200), ids);
    await begin(page, proxy.origin, room);
    await page.evaluate(() => window.client.ready());
    assert.deepEqual(await queued(page), [], 'nothing is left');
    await page.close();
  });
}

for (const room of ['chat:crash', 'plain:crash']) {
  test(`a page that is killed while its queue goes out, again and again (${room})`, async () => {
    const proxy = await proxied({ ...OFFLINE, down: { delay_ms: 30 } });
    const seen = await witness(room);
    const context = await browser.newContext();
    open.push(() => context.close());
    let page = await context.newPage();
    await begin(page, proxy.origin, room);
    await joinRoom(page);
    await publish(page, RANGE(0, 600));
    await proxy.set({ down: { delay_ms: 30 } });
    for (const enough of [1, 150, 300]) {
      await until(async () => (await seen.got()).length >= enough, `${enough} came`);
      await crash(page);
      await page.close();
      page = await context.newPage();
      await begin(page, proxy.origin, room);
      await joinRoom(page);
    }
    await publish(page, RANGE(600, 610));
    await seen.saw(RANGE(0, 610));
    await emptied(page);
  });
}

test('two tabs keep their own; what one leaves behind, closed or crashed, the other sends, once', async () => {
  const proxy = await proxied();
  const seen = await witness('plain:tabs');
  const context = await browser.newContext();
  open.push(() => context.close());
  const pages = await Promise.all([context.newPage(), context.newPage(), context.newPage()]);
  for (const [i, page] of pages.entries()) {
    if (i > 0) await page.route('**/negotiate', (route) => route.abort());
    await begin(page, proxy.origin, 'plain:tabs');
    await joinRoom(page);
    await publish(page, RANGE(i * 100, i * 100 + 50));
  }
  const [one, two, three] = pages;
  assert.deepEqual((await Promise.all(pages.map(queued))).map(({ length }) => length), [50, 50, 50], 'nobody takes what a living tab has');
  await proxy.set({});
  await until(async () => (await seen.got()).length >= 50, 'the first tab sent its own');
  await emptied(one);
  assert.deepEqual(await seen.got(), RANGE(0, 50));
  await two.close();
  await until(async () => (await seen.got()).length === 100, 'and what the second left');
  await crash(three);
  await seen.saw([...RANGE(0, 50), ...RANGE(100, 150), ...RANGE(200, 250)]);
  await emptied(one);
});

for (const tabs of ['own', 'shared']) {
  test(`two tabs reload and come back at the same moment (links: ${tabs})`, async () => {
    const proxy = await proxied();
    const room = `plain:both-${tabs}`;
    const seen = await witness(room);
    const context = await browser.newContext();
    open.push(() => context.close());
    const pages = await Promise.all([context.newPage(), context.newPage()]);
    for (const [i, page] of pages.entries()) {
      await begin(page, proxy.origin, room, { tabs });
      await joinRoom(page);
      await publish(page, RANGE(i * 100, i * 100 + 100));
    }
    await Promise.all(pages.map((page) => begin(page, proxy.origin, room, { tabs })));
    await Promise.all(pages.map(joinRoom));
    await proxy.set({});
    await until(async () => (await seen.got()).length >= 200, async () => `200 came, not ${(await seen.got()).length}`);
    for (const page of pages) await emptied(page);
    const got = await seen.got();
    for (const from of [0, 100]) assert.deepEqual(got.filter((n) => n >= from && n < from + 100), RANGE(from, from + 100));
    await seen.saw(got);
  });
}

test('the whole browser is closed and started again', async () => {
  const proxy = await proxied();
  const seen = await witness('plain:browser');
  const profile = await mkdtemp(join(tmpdir(), 'crosspoint-profile-'));
  open.push(() => rm(profile, { recursive: true, force: true }));
  for (const rules of [OFFLINE, {}]) {
    await proxy.set(rules);
    const context = await launchProfile(profile);
    const page = await context.newPage();
    await begin(page, proxy.origin, 'plain:browser');
    await joinRoom(page);
    if (rules === OFFLINE) await publish(page, RANGE(0, 30));
    else await seen.saw(RANGE(0, 30));
    await context.close();
  }
});

test('another user of the browser does not send it; the first one, back again, does', async () => {
  const proxy = await proxied({});
  const seen = await witness('plain:users');
  const { page } = await openPage(browser);
  await begin(page, proxy.origin, 'plain:users');
  await page.evaluate(() => window.room.join());
  await offline(proxy);
  await publish(page, RANGE(0, 5));
  await begin(page, proxy.origin, 'plain:users', { user: 'bob' });
  await proxy.set({});
  await page.evaluate(() => window.room.join());
  await publish(page, [100]);
  await emptied(page);
  await until(async () => (await seen.got()).length === 1, 'what bob says comes');
  await begin(page, proxy.origin, 'plain:users');
  await joinRoom(page);
  await seen.saw([100, ...RANGE(0, 5)]);
  await page.close();
});

test('where there are no Web Locks a reload keeps the queue too', async () => {
  const proxy = await proxied();
  const seen = await witness('plain:leases');
  const { page } = await openPage(browser);
  await page.addInitScript(() => Object.defineProperty(Navigator.prototype, 'locks', { value: undefined }));
  await begin(page, proxy.origin, 'plain:leases');
  await joinRoom(page);
  await publish(page, RANGE(0, 40));
  await begin(page, proxy.origin, 'plain:leases');
  await joinRoom(page);
  await proxy.set({});
  await seen.saw(RANGE(0, 40));
  await page.close();
});

test('storage that is full or refused is said, and the queue goes on in memory', async () => {
  const proxy = await proxied();
  const seen = await witness('plain:full');
  const { page } = await openPage(browser);
  const devtools = await page.context().newCDPSession(page);
  await devtools.send('Storage.overrideQuotaForOrigin', { origin: proxy.origin, quotaSize: 100_000 });
  await begin(page, proxy.origin, 'plain:full');
  await joinRoom(page);
  await publish(page, RANGE(0, 20).map((n) => `${n} ${'x'.repeat(20_000)}`));
  const errors = await page.evaluate(() => window.errors.filter(([, message]) => message.includes('not kept')));
  assert.equal(errors.length, 1, JSON.stringify(errors));
  assert.equal(errors[0][0], 'unavailable');
  await proxy.set({});
  await until(async () => (await seen.got()).length === 20, 'all came all the same');
  await page.close();

  const refused = await openPage(browser);
  await refused.page.addInitScript(() => {
    indexedDB.open = () => {
      throw new DOMException('A mutation operation was attempted on a database that did not allow mutations.', 'InvalidStateError');
    };
  });
  await begin(refused.page, proxy.origin, 'plain:full');
  await joinRoom(refused.page);
  await publish(refused.page, ['last']);
  await until(async () => (await seen.got()).includes('last'), 'it is sent');
  assert.match(JSON.stringify(await refused.page.evaluate(() => window.errors)), /not kept/);
  await refused.page.close();
});

test('at the demo, what was written without a link is there after a reload, and goes out', async () => {
  const proxy = await proxied({});
  const ada = await Person.join(browser, proxy.origin, 'Ada', 'offline');
  const bob = await Person.join(browser, hub.origin, 'Bob', 'offline');
  await ada.say('before');
  await bob.reads('before', 'Ada');
  await offline(proxy);
  for (const text of ['one', 'two', 'three']) await ada.say(text);
  const own = async () => (await ada.messages()).map(({ text, status }) => `${text} ${status}`);
  await until(async () => (await own()).join() === 'before stored,one queued,two queued,three queued', async () => `they wait: ${await own()}`);
  await ada.page.reload();
  await until(async () => (await ada.messages()).length === 3, () => ada.story('finds the three again'));
  await proxy.set({});
  await ada.entered();
  await bob.reads('three', 'Ada');
  assert.deepEqual((await bob.messages()).map(({ text }) => text), ['before', 'one', 'two', 'three']);
  await until(async () => (await own()).join() === 'before stored,one stored,two stored,three stored', async () => `all are stored: ${await own()}`);
  await ada.page.close();
  await bob.page.close();
});
