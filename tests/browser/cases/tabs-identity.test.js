import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { launch } from '../lib/browser.js';
import { Hub } from '../lib/hub.js';
import { SECURED, sign } from '../lib/jwt.js';
import { until } from '../lib/process.js';

const hub = await Hub.start({ args: SECURED });
const browser = await launch();
after(async () => {
  await browser.close();
  await hub.stop();
});

/** Tabs of one user, who share a session, and somebody who moderates. */
async function people(t, room, { tokens, roomTokens = null }) {
  const context = await browser.newContext();
  t.after(() => context.close());
  const tab = async (options) => {
    const page = await context.newPage();
    await page.goto(`${hub.origin}/healthz`);
    await page.evaluate(begin, { room, ...options });
    return page;
  };
  const tabs = [await tab({ tokens, roomTokens, tabs: 'shared' }), await tab({ tokens, roomTokens, tabs: 'shared' })];
  const ada = await tab({ tokens: [sign('ada', 600, { moderate: ['*'] })], tabs: 'own' });
  const sessions = await Promise.all(tabs.map((page) => page.evaluate(() => window.client.session)));
  assert.equal(sessions[0], sessions[1], 'they share a session');
  return { tabs, ada, session: sessions[0] };
}

/** Runs in the page. */
async function begin({ tokens, roomTokens, tabs, room: name }) {
  const { connect } = await import('/sdk/crosspoint.js');
  const fetched = { token: 0, room: 0 };
  const next = (list, what) => async () => list[Math.min(fetched[what]++, list.length - 1)];
  const client = connect(location.origin, { token: next(tokens, 'token'), tabs, autoUpgrade: false, transports: ['websocket'] });
  const log = [];
  const heard = [];
  client.on('state', ({ state }) => log.push(state));
  client.on('removed', ({ reason, returning }) => log.push(`removed ${reason} ${returning}`));
  const room = client.room(name, roomTokens ? { token: next(roomTokens, 'room') } : {});
  room.on('number', ({ data }) => heard.push(data));
  Object.assign(window, { client, room, log, heard, fetched });
  await room.join();
}

const joined = (page) => page.evaluate(() => window.room.joined);
const story = (tabs) => async () => JSON.stringify(await Promise.all(tabs.map((page) => page.evaluate(() => ({ log: window.log, joined: window.room.joined, fetched: window.fetched, heard: window.heard })))));

test('tabs that share a session renew its token once, and none of them notices', async (t) => {
  const ends = Date.now() + 6_000;
  const { tabs, session } = await people(t, 'chat:shared-renewed', { tokens: [sign('bob', 5), sign('bob', 600)] });
  await until(() => Date.now() > ends + 1_000, 'the first token is over', 20_000);
  for (const page of tabs) assert.equal(await page.evaluate(() => window.client.session), session, await story(tabs)());
  const fetched = await Promise.all(tabs.map((page) => page.evaluate(() => window.fetched.token)));
  assert.deepEqual(fetched.sort(), [1, 2], 'each at its start, and one of them again');
  assert.ok(await tabs[1].evaluate(() => window.room.publish('number', 1).then(({ id }) => id)));
});

test('taken out of a room, all tabs are out of it and stay out; one of them may join again', async (t) => {
  const { tabs, ada, session } = await people(t, 'chat:shared-kicked', { tokens: [sign('bob', 600)] });
  await ada.evaluate(() => window.room.moderation.kick('bob'));
  for (const page of tabs) await until(async () => (await page.evaluate(() => window.log)).includes('removed kicked false'), story(tabs));
  await tabs[0].evaluate(() => window.client.debug.killLink());
  for (const page of tabs) await until(() => page.evaluate(() => window.client.state === 'connected' && window.client.counters.resumes > 0), story(tabs));
  assert.deepEqual(await Promise.all(tabs.map(joined)), [false, false]);
  await tabs[1].evaluate(() => window.room.join());
  await ada.evaluate(() => window.room.publish('number', 7));
  await until(async () => (await tabs[1].evaluate(() => window.heard)).includes(7), story(tabs));
  assert.deepEqual([await joined(tabs[0]), await tabs[0].evaluate(() => window.heard), await tabs[1].evaluate(() => window.client.session)], [false, [], session]);
});

test('a room token that is over is renewed for all tabs, and each goes on where it was', async (t) => {
  const roomToken = (seconds) => sign('bob', seconds, { room: 'chat:shared-room' });
  const { tabs, ada } = await people(t, 'chat:shared-room', { tokens: [sign('bob', 600, { join: [] })], roomTokens: [roomToken(6), roomToken(600)] });
  let n = 0;
  const back = async (page) => (await page.evaluate(() => window.log)).includes('removed token true') && (await joined(page));
  await until(async () => {
    await ada.evaluate((n) => window.room.publish('number', n), ++n);
    return (await Promise.all(tabs.map(back))).every(Boolean);
  }, story(tabs), 25_000);
  await ada.evaluate((n) => window.room.publish('number', n), ++n);
  for (const page of tabs) {
    await until(async () => (await page.evaluate(() => window.heard.at(-1))) === n, story(tabs));
    const heard = await page.evaluate(() => window.heard);
    assert.deepEqual(heard, Array.from({ length: n }, (_, i) => i + 1));
  }
});
