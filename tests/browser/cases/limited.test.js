import assert from 'node:assert/strict';
import { test } from 'node:test';
import { launch } from '../lib/browser.js';
import { until } from '../lib/process.js';
import { scene } from '../lib/scene.js';
import { Tab } from '../lib/tab.js';

const stage = scene({ args: ['--set', 'rates.session.publishes_per_s=10', '--set', 'rates.burst_ms=1000'] });

test('who publishes too fast for the hub is held back: nothing is lost or swapped, and what waits shows', async (t) => {
  const browser = await launch();
  t.after(() => browser.close());
  const context = await browser.newContext();
  const ada = await Tab.open(context, stage.hub.origin, { name: 'ada', user: 'ada', room: 'chat:fast' });
  const bob = await Tab.open(context, stage.hub.origin, { name: 'bob', user: 'bob', room: 'chat:fast' });
  await Promise.all([ada.entered(), bob.entered()]);
  const story = await ada.ask(async () => {
    const { client, room } = window.tab;
    const queued = new Set();
    let under = new Set();
    client.on('status', ({ id, status }) => {
      if (status === 'sending') under.add(id);
      if (status === 'queued' && under.has(id)) queued.add(id);
    });
    const all = [];
    for (let n = 1; n <= 30; n++) all.push(room.publish('number', { from: 'ada', n }));
    const codes = await Promise.all(all.map((publish) => publish.then(() => 'stored', ({ code }) => code)));
    return { codes: [...new Set(codes)], queued: queued.size, state: client.state, counters: client.counters };
  });
  assert.deepEqual([story.codes, story.state], [['stored'], 'connected']);
  assert.ok(story.queued > 0, 'some were refused at first');
  await bob.heardAll('ada', 30);
  assert.equal((await bob.heard('ada')).first, 1);
});

test('with rateLimited: fail the page is told at once, and when to come again', async (t) => {
  const browser = await launch();
  t.after(() => browser.close());
  const ada = await Tab.open(await browser.newContext(), stage.hub.origin, { name: 'ada', user: 'cleo', room: 'chat:told', rateLimited: 'fail' });
  await ada.entered();
  const errors = await ada.ask(async () => {
    const all = Array.from({ length: 30 }, (_, n) => window.tab.room.publish('number', { from: 'ada', n }).then(() => null, ({ code, retryAfterMs }) => [code, retryAfterMs > 0]));
    return (await Promise.all(all)).filter(Boolean);
  });
  assert.ok(errors.length > 5);
  assert.deepEqual(errors[0], ['rate_limited', true]);
  await until(async () => (await ada.ask(() => window.tab.client.state)) === 'connected', 'she is still connected');
});
