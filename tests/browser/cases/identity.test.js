import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { launch } from '../lib/browser.js';
import { Hub } from '../lib/hub.js';
import { SECURED, sign } from '../lib/jwt.js';
import { until } from '../lib/process.js';

const KEY = 'a-key-of-the-browser-tests';
const hub = await Hub.start({ args: [...SECURED, '--set', `auth.api_keys=["${KEY}"]`] });
const browser = await launch();
after(async () => {
  await browser.close();
  await hub.stop();
});

/** A page with a client whose tokens, and room tokens, come from these lists; the last one goes on being used. */
async function page(t, { tokens, roomTokens = null, room, ...options }) {
  const page = await browser.newPage();
  t.after(() => page.close());
  await page.goto(`${hub.origin}/healthz`);
  await page.evaluate(begin, { tokens, roomTokens, room, options });
  return page;
}

/** Runs in the page. */
async function begin({ tokens, roomTokens, room: name, options }) {
  const { connect } = await import('/sdk/crosspoint.js');
  const next = (list) => async () => (list.length > 1 ? list.shift() : list[0]);
  const log = [];
  const heard = [];
  const client = connect(location.origin, { token: tokens.length > 1 ? next(tokens) : tokens[0], autoUpgrade: false, ...options });
  client.on('state', ({ state, error }) => log.push(['state', state, error?.code, error?.message]));
  client.on('token_expiring', ({ expiresInMs }) => log.push(['expiring', expiresInMs > 0]));
  client.on('removed', ({ room, reason, returning }) => log.push(['removed', room, reason, returning]));
  client.on('gap', ({ reason }) => log.push(['gap', reason]));
  const room = client.room(name, roomTokens ? { token: next(roomTokens) } : {});
  room.on('number', ({ data }) => heard.push(data));
  Object.assign(window, { client, room, log, heard });
  await room.join();
}

const logged = (page, what) => page.evaluate((what) => window.log.filter(([kind]) => kind === what).map(([, ...rest]) => rest), what);
const publish = (page, n) => page.evaluate((n) => window.room.publish('number', n).then(({ offset }) => offset), n);
const heard = (page) => page.evaluate(() => window.heard);
const session = (page) => page.evaluate(() => [window.client.session, window.client.transport, window.client.counters.reconnects]);

for (const transport of ['websocket', 'sse']) {
  test(`by ${transport}: a token is renewed in place before it ends`, async (t) => {
    const ends = Date.now() + 6_000;
    const ada = await page(t, { room: `chat:renewed-${transport}`, tokens: [sign('ada', 5), sign('ada', 600)], transports: [transport] });
    const before = await session(ada);
    await until(async () => (await logged(ada, 'expiring')).length > 0, async () => `told that it ends: ${JSON.stringify(await logged(ada, 'state'))}`);
    await until(() => Date.now() > ends + 1_000, 'the first token is over', 20_000);
    assert.ok(await publish(ada, 1));
    assert.deepEqual(await session(ada), before);
    assert.deepEqual((await logged(ada, 'state')).map(([state]) => state), ['connected']);
  });
}

test('a token that ends without another is the end, with its reason', async (t) => {
  const ada = await page(t, { room: 'chat:over', tokens: [sign('ada', 3)] });
  await until(async () => (await logged(ada, 'state')).some(([state]) => state === 'closed'), 'it is over', 20_000);
  assert.deepEqual((await logged(ada, 'state')).at(-1), ['closed', 'unauthorized', 'Authentication error: Invalid token']);
  assert.equal((await logged(ada, 'expiring')).length, 1);
});

for (const transport of ['websocket', 'sse']) {
  test(`by ${transport}: who comes by a token that is revoked is out at once, with the reason; who has another one goes on`, async (t) => {
    const jti = `revoked-${transport}`;
    const id = { jti };
    const room = `chat:${jti}`;
    const transports = [transport];
    const ada = await page(t, { room, tokens: [sign('ada', 600, id)], transports });
    const bob = await page(t, { room, tokens: [sign('bob', 600, id), sign('bob', 600)], transports });
    const [before] = await session(bob);
    const answer = await fetch(`${hub.origin}/api/v1/revocations`, {
      method: 'POST', headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' }, body: JSON.stringify({ token_id: jti }),
    });
    assert.ok(answer.ok, `${answer.status} ${await answer.text()}`);
    await until(async () => (await logged(ada, 'state')).some(([state]) => state === 'closed'), 'Ada is out');
    assert.deepEqual((await logged(ada, 'state')).at(-1), ['closed', 'unauthorized', 'Authentication error: Invalid token']);
    await until(async () => (await bob.evaluate(() => window.client.session)) !== before && (await bob.evaluate(() => window.room.joined)), async () => `Bob is back: ${JSON.stringify(await logged(bob, 'state'))}`);
    assert.ok(await publish(bob, 1));
  });
}

test('a room token lets somebody into one room, is renewed, and nothing is missed meanwhile', async (t) => {
  const mine = { join: ['chat:mine'] };
  const roomToken = (seconds) => sign('bob', seconds, { room: 'chat:private' });
  const ada = await page(t, { room: 'chat:private', tokens: [sign('ada', 600)] });
  const bob = await page(t, { room: 'chat:private', tokens: [sign('bob', 600, mine)], roomTokens: [roomToken(4), roomToken(600)] });
  const refused = await bob.evaluate(() => window.client.room('chat:other').join().catch(({ code }) => code));
  assert.equal(refused, 'forbidden');
  let n = 0;
  await until(async () => {
    await publish(ada, ++n);
    return (await logged(bob, 'removed')).length > 0 && (await bob.evaluate(() => window.room.joined));
  }, async () => `Bob is out and back: ${JSON.stringify(await logged(bob, 'removed'))}`, 20_000);
  await publish(ada, ++n);
  await until(async () => (await heard(bob)).at(-1) === n, async () => `Bob heard ${n}: ${await heard(bob)}`);
  assert.deepEqual(await heard(bob), Array.from({ length: n }, (_, i) => i + 1));
  assert.deepEqual(await logged(bob, 'removed'), [['chat:private', 'token', true]]);
  assert.deepEqual(await logged(bob, 'gap'), []);
});
