import assert from 'node:assert/strict';
import { test } from 'node:test';
import { launch } from '../lib/browser.js';
import { until } from '../lib/process.js';
import { scene } from '../lib/scene.js';
import { Tab } from '../lib/tab.js';

const stage = scene({ webtransport: true });
/** A Chromium that may use QUIC. */
const flags = [];
const RATE = 100;
const PART = 32_000;
const PARTS = 625;

const onTransport = (tab, transport) => until(async () => (await tab.transport()) === transport, () => tab.story(`is on ${transport}`));

/** Ada and Bob in browsers of their own. */
async function pair(t, room, options) {
  const tabs = [];
  for (const name of ['ada', 'bob']) {
    const browser = await launch(flags);
    t.after(() => browser.close());
    tabs.push(await Tab.open(await browser.newContext(), stage.hub.origin, { name, room, user: name, ...options }));
  }
  for (const tab of tabs) await tab.entered();
  return tabs;
}

/** Takes what comes in bulk from a session, and counts the links of either kind that the page opens. */
const receive = (tab, session) =>
  tab.ask((session) => {
    const got = (window.got = { numbers: [], parts: [], via: { stream: 0, bulk: 0 } });
    window.tab.client.on('message', ({ type, data, from, bulk }) => {
      if (type !== 'part' || from.session !== session || !bulk) return;
      got.numbers.push(new DataView(data.buffer, data.byteOffset).getUint32(0));
      got.parts.push(data);
    });
    window.tab.client.on('frame', ({ direction, frame, via }) => {
      if (direction === 'in' && frame.type === 'part') got.via[via] += 1;
    });
  }, session);

/** Sends parts to a session, as far as it may; resolves with their checksum when all are on their way. */
const transfer = (tab, session, parts, allowed = parts) =>
  tab.ask(async ({ session, parts, size, allowed }) => {
    const whole = new Uint8Array(parts * size);
    for (let at = 0; at < whole.length; at += 65_536) crypto.getRandomValues(whole.subarray(at, at + 65_536));
    const sent = [];
    Object.assign(window, { sent: 0, allowed });
    for (let n = 0; n < parts; n++) {
      while (n >= window.allowed) await new Promise((resolve) => (window.more = resolve));
      const part = whole.subarray(n * size, (n + 1) * size);
      new DataView(part.buffer, part.byteOffset).setUint32(0, n);
      sent.push(window.tab.client.sendBulk(`session:${session}`, 'part', part).then(({ delivered }) => (window.sent += delivered)));
      if (sent.length % 32 === 0) await Promise.all(sent);
    }
    await Promise.all(sent);
    return Array.from(new Uint8Array(await crypto.subtle.digest('SHA-256', whole)));
  }, { session, parts, size: PART, allowed });

/** Lets so many parts more be sent. */
const allow = (tab, parts) =>
  tab.ask((parts) => {
    window.allowed += parts;
    window.more?.();
  }, parts);

const gone = (tab) => tab.ask(() => window.sent ?? 0);

/** All parts have come, once each and in order, as they were sent. */
async function whole(tab, parts, sum) {
  const have = () => tab.ask(() => window.got.numbers.length);
  await until(async () => (await have()) >= parts, async () => `${await have()} of ${parts} parts: ${await tab.story('gets them')}`, 60_000);
  const got = await tab.ask(async () => {
    const { numbers, parts, via } = window.got;
    const sum = await crypto.subtle.digest('SHA-256', await new Blob(parts).arrayBuffer());
    return { numbers, via, sum: Array.from(new Uint8Array(sum)) };
  });
  assert.deepEqual(got.numbers, Array.from({ length: parts }, (_, n) => n));
  assert.deepEqual(got.sum, sum);
  return got.via;
}

/** Every number that was said has come to both, once and in order, in the session of before. */
async function talked(tabs) {
  const lasts = await Promise.all(tabs.map((tab) => tab.stop()));
  for (const listener of tabs) {
    for (const [i, sender] of tabs.entries()) await listener.heardAll(sender.name, lasts[i]);
    const log = await listener.log();
    assert.deepEqual(log.filter((line) => / gap | error /.test(line)), [], log.join('\n'));
    assert.equal(log.filter((line) => / session .* false$/.test(line)).length, 1, log.join('\n'));
    assert.deepEqual(listener.wrong, []);
  }
}

for (const transport of ['webtransport', 'websocket']) {
  test(`20 MB each way beside the chat, whole, on a link of its own (${transport})`, async (t) => {
    const tabs = await pair(t, `beside-${transport}`, transport === 'websocket' ? { transports: ['websocket', 'sse'] } : {});
    const [ada, bob] = tabs;
    for (const tab of tabs) await onTransport(tab, transport);
    await receive(bob, await ada.session());
    await receive(ada, await bob.session());
    await Promise.all(tabs.map((tab) => tab.start(RATE)));
    const sums = await Promise.all([transfer(ada, await bob.session(), PARTS), transfer(bob, await ada.session(), PARTS)]);
    assert.deepEqual(await whole(bob, PARTS, sums[0]), { stream: 0, bulk: PARTS });
    assert.deepEqual(await whole(ada, PARTS, sums[1]), { stream: 0, bulk: PARTS });
    await talked(tabs);
  });
}

test('both ends change their transports and lose their links in the middle of a transfer', async (t) => {
  const tabs = await pair(t, 'moving', { autoUpgrade: false });
  const [ada, bob] = tabs;
  await receive(bob, await ada.session());
  await Promise.all(tabs.map((tab) => tab.start(RATE)));
  const route = ['webtransport', 'sse', 'websocket', 'webtransport', 'websocket', 'sse-poll', 'webtransport'];
  const each = PARTS / 25;
  const sending = transfer(ada, await bob.session(), PARTS, each);
  for (const [i, to] of route.entries()) {
    const mover = tabs[i % 2];
    await until(async () => (await gone(ada)) >= 3 * i * each, async () => `parts go on before ${to}: ${await gone(ada)}`);
    await allow(ada, 2 * each);
    await mover.ask((to) => window.tab.client.moveTo(to), to);
    await onTransport(mover, to);
    if (i % 3 === 2) await tabs[(i + 1) % 2].ask(() => window.tab.client.debug.killLink());
    await allow(ada, each);
    await Promise.all([ada.hears('bob'), bob.hears('ada')]);
  }
  await allow(ada, PARTS);
  await whole(bob, PARTS, await sending);
  await talked(tabs);
});

test('tabs that share a session share its bulk; the one that has the links closes in the middle', async (t) => {
  const browser = await launch(flags);
  t.after(() => browser.close());
  const [context, elsewhere] = [await browser.newContext(), await browser.newContext()];
  const { origin } = stage.hub;
  const shared = { room: 'shared', user: 'ada', tabs: 'shared' };
  const first = await Tab.open(context, origin, { name: 'first', ...shared });
  await first.entered();
  const second = await Tab.open(context, origin, { name: 'second', ...shared });
  const bob = await Tab.open(elsewhere, origin, { name: 'bob', room: 'shared', user: 'bob' });
  for (const tab of [second, bob]) await tab.entered();
  const session = await second.session();
  assert.equal(await first.session(), session);
  await receive(second, await bob.session());
  await receive(bob, session);
  const sums = [transfer(second, await bob.session(), PARTS), transfer(bob, session, PARTS)];
  await until(async () => (await gone(second)) > 100 && (await gone(bob)) > 100, 'both are under way');
  await first.close();
  await whole(bob, PARTS, await sums[0]);
  await whole(second, PARTS, await sums[1]);
  assert.equal(await second.session(), session);
  assert.deepEqual([...second.wrong, ...bob.wrong], []);
});

test('at the demo a transfer goes to the other person while both write', async () => {
  const ada = await stage.person('Ada', { room: 'transfer', flags });
  const bob = await stage.person('Bob', { room: 'transfer', flags });
  await ada.seesMember('Bob', { transport: await bob.transport() });
  await ada.get('transfer-button').click();
  for (let i = 0; i < 5; i++) {
    await bob.say(`still here ${i}`);
    await ada.reads(`still here ${i}`, 'Bob');
  }
  await until(async () => (await bob.get('transfer').getAttribute('data-whole')) === 'true', async () => bob.story(`has it all: ${await bob.get('transfer').innerText()}`), 60_000);
  await until(async () => (await ada.get('transfer').innerText()) === 'Sent.', () => ada.story('knows'));
  await until(async () => Number(await bob.get('class-bulk-in').innerText()) > 600, () => bob.story('counts the frames'));
  for (const person of [ada, bob]) person.assertQuiet();
  await stage.close();
});
