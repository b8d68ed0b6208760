import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rig } from './fakes.js';
import { fakeWindow } from './window.js';

test('a page that goes away says goodbye', async () => {
  const page = fakeWindow();
  const { client, connected, last, clock, links } = rig();
  await connected();
  page.fire('pagehide', { persisted: false });
  assert.equal(last().said, 'bye');
  await clock.advance(60_000);
  assert.equal(links.length, 1);
  client.close();
  assert.equal(page.listeners(), 0);
});

test('a page that may come back keeps its session, and resumes it', async () => {
  const page = fakeWindow();
  const { client, connected, last, links, clock } = rig();
  const link = await connected();
  page.fire('pagehide', { persisted: true });
  assert.deepEqual([link.said, link.closed, client.state], ['', true, 'reconnecting']);
  await clock.advance(60_000);
  assert.equal(links.length, 1, 'a frozen page does nothing');
  page.fire('pageshow', { persisted: true });
  await clock.advance(200);
  assert.equal(last().hello().session, 's1');
  last().welcome();
  assert.equal(client.state, 'connected');
  client.close();
});

test('when the network is back there is hardly any waiting', async () => {
  const page = fakeWindow();
  let up = false;
  const { client, clock, asked, links } = rig({ backoff: { min_ms: 10_000 } }, () => {
    if (!up) throw new TypeError('offline');
    return Response.json({ version: 1, transports: [{ name: 'websocket', url: '/ws' }] });
  });
  await clock.advance(10);
  assert.equal(asked.length, 1);
  up = true;
  page.fire('online');
  await clock.advance(200);
  assert.deepEqual([asked.length, links.length], [2, 1]);
  client.close();
});
