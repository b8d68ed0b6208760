import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brokenByProxy } from '../lib/browser.js';
import { scene } from '../lib/scene.js';
import { assertComplete, flow, RATE, streaming as streams } from '../lib/streaming.js';
import { until } from '../lib/process.js';

const stage = scene();
const streaming = (room, origin) => streams(stage, room, origin);
/** Links that are lost again soon make the SDK wait longer each time. */
const RECONNECT_MS = 45_000;
const CUTS = 6;

async function reconnected(person, before) {
  await until(async () => (await person.counter('reconnects')) > before, () => person.story('reconnects'), RECONNECT_MS);
}

test('twenty moves up and down while numbers flow both ways', async () => {
  const people = await streaming('moves');
  const route = ['sse', 'websocket', 'sse-poll', 'sse', 'sse-poll', 'websocket'];
  for (let i = 0; i < 20; i++) {
    await people.bob.move(route[i % route.length]);
    await flow(people);
  }
  assert.ok((await assertComplete(people)) > 20 * RATE);
  assert.ok((await people.bob.counter('moves')) >= 20);
  await people.ada.seesMember('Bob', { transport: await people.bob.transport(), sessions: 1 });
  people.bob.assertQuiet();
  await stage.close();
});

for (const transport of ['websocket', 'sse', 'sse-poll']) {
  test(`the link is cut again and again on ${transport}`, async () => {
    const people = await streaming(`cuts-${transport}`);
    if ((await people.bob.transport()) !== transport) await people.bob.move(transport);
    for (let i = 0; i < CUTS; i++) {
      const reconnects = await people.bob.counter('reconnects');
      await people.bob.get('kill-link').click();
      await reconnected(people.bob, reconnects);
      await flow(people, RATE / 4);
    }
    await assertComplete(people);
    people.bob.assertQuiet();
    await stage.close();
  });
}

test('a middlebox resets all connections, again and again', async () => {
  const proxy = await stage.proxy();
  const people = await streaming('resets', proxy.origin);
  for (const transport of ['websocket', 'sse', 'sse-poll', 'websocket']) {
    await people.bob.move(transport);
    for (const upstream of ['reset', 'keep']) {
      const reconnects = await people.bob.counter('reconnects');
      // A poll that is lost is simply asked again; and the transport of a link that died young may be at rest.
      const polls = (await people.bob.transport()) === 'sse-poll';
      await proxy.cut({ client: 'reset', upstream });
      if (!polls) await reconnected(people.bob, reconnects);
      await flow(people, RATE / 4);
    }
  }
  await assertComplete(people);
  people.bob.assertQuiet(brokenByProxy);
  await stage.close();
});

test('the answer to every third POST is lost on the way', async () => {
  const proxy = await stage.proxy({ http: [
    { match: { upgrade: true }, do: { respond: { status: 400 } } },
    { match: { method: 'POST', path: '/sse/', every: 3 }, do: { drop_response: {} } },
  ] });
  const people = await streaming('answers', proxy.origin);
  await people.bob.onTransport('sse');
  await flow(people, 5 * RATE);
  await people.bob.move('sse-poll');
  await flow(people, 5 * RATE);
  const dropped = (await proxy.log()).filter(({ event }) => event === 'response_dropped').length;
  assert.ok(dropped >= 5, `${dropped} answers were dropped`);
  await assertComplete(people);
  people.bob.assertQuiet(brokenByProxy);
  await stage.close();
});

test('POSTs that arrive twice or are overtaken change nothing', async () => {
  const proxy = await stage.proxy({ http: [
    { match: { upgrade: true }, do: 'strip_upgrade' },
    { match: { method: 'POST', path: '/sse/', every: 4 }, do: 'duplicate' },
    { match: { method: 'POST', path: '/sse/', every: 5 }, do: { hold: { overtaken_by: 1, at_most_ms: 300 } } },
  ] });
  const people = await streaming('twice', proxy.origin);
  await people.bob.onTransport('sse');
  await flow(people, 5 * RATE);
  const log = await proxy.log();
  assert.ok(log.some(({ event }) => event === 'duplicated') && log.some(({ event }) => event === 'released'));
  await assertComplete(people);
  people.bob.assertQuiet(brokenByProxy);
  await stage.close();
});
