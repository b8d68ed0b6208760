import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '../lib/process.js';
import { scene } from '../lib/scene.js';
import { assertComplete, flow, RATE, streaming } from '../lib/streaming.js';

const stage = scene({ webtransport: true });
/** A Chromium that may use QUIC. */
const flags = [];

const count = async (person, name, direction) => Number(await person.get(`class-${name}-${direction}`).innerText());

test('a page moves up to WebTransport by itself', async () => {
  const ada = await stage.person('Ada', { room: 'up', flags });
  await ada.onTransport('webtransport');
  await ada.say('by UDP');
  await ada.reads('by UDP', 'Ada');
  ada.assertQuiet();
  await stage.close();
});

test('twenty moves between WebTransport, WebSocket, WebRTC and SSE while numbers flow both ways', async () => {
  const people = await streaming(stage, 'moves', undefined, { flags });
  const route = ['webtransport', 'sse', 'webrtc', 'websocket', 'sse-poll', 'webtransport', 'webrtc', 'sse', 'websocket'];
  for (let i = 0; i < 20; i++) {
    const to = route[i % route.length];
    if ((await people.bob.transport()) !== to) await people.bob.move(to);
    await flow(people);
  }
  assert.ok((await assertComplete(people)) > 20 * RATE);
  people.bob.assertQuiet();
  await stage.close();
});

test('cursors go as datagrams, and by the ordered way where there are none', async () => {
  const [ada, bob] = await Promise.all(['Ada', 'Bob'].map((name) => stage.person(name, { room: 'cursors', flags })));
  for (const person of [ada, bob]) await person.onTransport('webtransport');
  const point = async (from, to) => {
    const seen = async () => (await to.get('cursors').getAttribute('data-users')) === from.name;
    let x = 400;
    await until(async () => {
      await from.page.mouse.move((x = 400 + ((x + 7) % 200)), 300);
      return seen();
    }, () => to.story(`sees ${from.name}'s cursor`));
  };
  await point(ada, bob);
  await until(async () => (await count(ada, 'datagram', 'out')) > 0, () => ada.story('sends datagrams'));
  await until(async () => (await count(bob, 'datagram', 'in')) > 0, () => bob.story('gets datagrams'));
  await bob.move('websocket');
  await point(bob, ada);
  await until(async () => (await count(bob, 'volatile', 'out')) > 0, () => bob.story('sends volatile frames'));
  await until(async () => (await count(ada, 'datagram', 'in')) > 0, () => ada.story('gets datagrams'));
  for (const person of [ada, bob]) person.assertQuiet();
  await stage.close();
});

test('a page that closes has said goodbye', async () => {
  const ada = await stage.person('Ada', { room: 'bye', flags });
  const bob = await stage.person('Bob', { room: 'bye', flags });
  await bob.onTransport('webtransport');
  await ada.seesMember('Bob');
  await bob.page.close({ runBeforeUnload: true });
  await ada.missesMember('Bob');
  await stage.close();
});
