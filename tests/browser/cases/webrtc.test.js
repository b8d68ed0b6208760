import assert from 'node:assert/strict';
import { test } from 'node:test';
import { launch } from '../lib/browser.js';
import { until } from '../lib/process.js';
import { scene } from '../lib/scene.js';
import { Tab } from '../lib/tab.js';

const stage = scene();
const flags = [];
const RATE = 100;

/** Ada and Bob in browsers of their own, both on a WebSocket. */
async function pair(t, room, options = {}) {
  const tabs = [];
  for (const name of ['ada', 'bob']) {
    const browser = await launch(flags);
    t.after(() => browser.close());
    tabs.push(await Tab.open(await browser.newContext(), stage.hub.origin, { name, room, user: name, ...options }));
  }
  for (const tab of tabs) await tab.entered();
  return tabs;
}

const move = (tab, transport) => tab.ask((transport) => window.tab.client.moveTo(transport), transport);

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

test('a page moves to a DataChannel and back under traffic, and loses and doubles nothing', async (t) => {
  const tabs = await pair(t, 'moves');
  const [ada, bob] = tabs;
  assert.notEqual(await ada.transport(), 'webrtc', 'nobody comes in by it');
  await Promise.all(tabs.map((tab) => tab.start(RATE)));
  for (const to of ['webrtc', 'websocket', 'webrtc', 'sse', 'webrtc', 'sse-poll', 'webrtc']) {
    await move(ada, to);
    assert.equal(await ada.transport(), to);
    await ada.hears('bob');
    await bob.hears('ada');
  }
  await move(bob, 'webrtc');
  await bob.hears('ada');
  await talked(tabs);
});

test('bytes, long messages and volatile ones pass', async (t) => {
  const tabs = await pair(t, 'kinds');
  for (const tab of tabs) await move(tab, 'webrtc');
  const [ada, bob] = tabs;
  await bob.ask(() => {
    const got = (window.got = { ways: {}, bytes: [] });
    window.tab.client.on('frame', ({ direction, frame, via }) => {
      if (direction === 'in' && frame.type === 'dot') got.ways[via] = (got.ways[via] ?? 0) + 1;
      if (direction === 'in' && frame.type === 'bytes') got.bytes.push(frame.data.length, frame.data.reduce((sum, byte) => sum + byte, 0));
      if (direction === 'in' && frame.type === 'long') got.bytes.push(frame.data.length, new Set(frame.data).size);
    });
  });
  await ada.ask(async (room) => {
    const here = window.tab.client.room(room);
    await here.publish('bytes', new Uint8Array(40_000).fill(3));
    // With what the hub adds it is more than one message of the channel holds.
    await here.publish('long', 'x'.repeat(65_400));
  }, 'kinds');
  await until(async () => (await bob.ask(() => window.got.bytes.length)) === 4, () => bob.story('gets both'));
  assert.deepEqual(await bob.ask(() => window.got.bytes), [40_000, 3 * 40_000, 65_400, 1]);
  await until(async () => {
    await ada.ask((room) => window.tab.client.room(room).volatile('dot', { x: 1 }), 'kinds');
    return (await bob.ask(() => window.got.ways.datagram ?? 0)) > 0;
  }, () => bob.story('gets dots'));
  assert.deepEqual(Object.keys(await bob.ask(() => window.got.ways)), ['datagram']);
});

test('bulk goes by a channel beside, and a page that closes has said goodbye', async (t) => {
  const tabs = await pair(t, 'beside');
  for (const tab of tabs) await move(tab, 'webrtc');
  const [ada, bob] = tabs;
  await bob.ask(() => {
    window.parts = [];
    window.tab.client.on('message', ({ type, data, bulk }) => type === 'part' && bulk && window.parts.push(data.length));
  });
  await Promise.all(tabs.map((tab) => tab.start(RATE)));
  await ada.ask(async (session) => {
    const sent = [];
    for (let n = 0; n < 60; n++) sent.push(window.tab.client.sendBulk(`session:${session}`, 'part', new Uint8Array(40_000)));
    await Promise.all(sent);
  }, await bob.session());
  await until(async () => (await bob.ask(() => window.parts.length)) === 60, () => bob.story('gets the parts'));
  await talked(tabs);
  const sessions = async () => Number(/crosspoint_sessions (\d+)/.exec(await (await fetch(`${stage.hub.origin}/metrics`)).text())[1]);
  const before = await sessions();
  await bob.page.close({ runBeforeUnload: true });
  await until(async () => (await sessions()) < before, () => 'the session of a page that closed is over');
});
