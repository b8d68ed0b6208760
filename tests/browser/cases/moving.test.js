import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brokenByProxy } from '../lib/browser.js';
import { scene } from '../lib/scene.js';
import { until } from '../lib/process.js';

const stage = scene();
const RATE = 200;
/** Links that are lost again soon make the SDK wait longer each time. */
const RECONNECT_MS = 45_000;
const CUTS = 6;

/** Ada on WebSocket and Bob at `origin`, each streaming numbers at the other. */
async function streaming(room, origin) {
  const ada = await stage.person('Ada', { room });
  const bob = await stage.person('Bob', { room, origin });
  await ada.seesMember('Bob');
  await bob.seesMember('Ada');
  await ada.watchMembers();
  await Promise.all([ada.startStream(RATE), bob.startStream(RATE)]);
  return { ada, bob };
}

/** Lets at least so many further numbers of both arrive at both. */
async function flow({ ada, bob }, numbers = RATE / 2) {
  const seen = async () => Promise.all([ada.checked('Bob'), bob.checked('Ada'), ada.checked('Ada'), bob.checked('Bob')]);
  const before = await seen();
  await until(async () => (await seen()).every((now, i) => (now?.last ?? 0) >= (before[i]?.last ?? 0) + numbers), () => ada.story('and Bob get numbers'));
}

async function reconnected(person, before) {
  await until(async () => (await person.counter('reconnects')) > before, () => person.story('reconnects'), RECONNECT_MS);
}

/** Stops both streams and asserts that every number has come to everyone once and in order, and nobody saw a gap or a leave. */
async function assertComplete({ ada, bob }) {
  const [fromAda, fromBob] = await Promise.all([ada.stopStream(), bob.stopStream()]);
  for (const person of [ada, bob]) {
    await person.checkedAll('Ada', fromAda);
    await person.checkedAll('Bob', fromBob);
    assert.equal(await person.counter('gaps'), 0);
  }
  assert.deepEqual(await ada.memberChanges(), [], 'Bob was there all the time');
  ada.assertQuiet();
  return fromAda + fromBob;
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
    if ((await people.bob.transport()) !== transport) await people.bob.move(transport);
    for (const upstream of ['reset', 'keep']) {
      const reconnects = await people.bob.counter('reconnects');
      await proxy.cut({ client: 'reset', upstream });
      // A poll that is lost is simply asked again.
      if (transport !== 'sse-poll') await reconnected(people.bob, reconnects);
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
