import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CrosspointError } from '../src/codes.js';
import { json, offer, OFFERS, rig, settle } from './fakes.js';

const down = () => new CrosspointError('unavailable');

test('the best transport says hello at once, with the ticket, and no other is opened before its head start is over', async () => {
  const { links, clock, client, asked } = rig({ token: 'jwt' });
  await settle();
  assert.equal(asked[0].authorization, 'Bearer jwt');
  assert.deepEqual(asked[0].transports, ['websocket', 'sse']);
  assert.deepEqual(links.map((l) => [l.transport, l.opened, l.url]), [['websocket', 'hello', 'ws://hub.test/ws']]);
  assert.equal(links[0]!.hello().ticket, 't1');
  assert.equal(links[0]!.hello().token, undefined);
  await clock.advance(199);
  assert.equal(links.length, 1);
  links[0]!.welcome();
  await clock.advance(10_000);
  assert.equal(links.length, 1);
  assert.equal(client.transport, 'websocket');
  client.close();
});

test('one that shows that it works overtakes one that is silent', async () => {
  const { links, clock, client } = rig({ autoUpgrade: false });
  await clock.advance(300);
  assert.deepEqual(links.map((l) => [l.transport, l.opened]), [
    ['websocket', 'hello'],
    ['sse', 'probe'],
  ]);
  assert.deepEqual(links[1]!.types(), []);
  links[1]!.prove();
  assert.ok(links[0]!.closed, 'the first is given up before the second hello');
  assert.deepEqual(links[1]!.types(), ['hub:hello']);
  links[0]!.welcome();
  assert.equal(client.transport, null);
  links[1]!.welcome();
  assert.equal(client.transport, 'sse');
  await clock.advance(14_000);
  assert.equal(links.length, 2, 'no poll was needed');
  client.close();
});

test('one that is only slower than the head start wins while no other has shown anything', async () => {
  const { links, clock, client } = rig();
  await clock.advance(440);
  assert.equal(links.length, 2);
  links[0]!.welcome();
  assert.equal(client.transport, 'websocket');
  assert.ok(links[1]!.closed);
  client.close();
});

test('a stream whose first byte does not come gives way to polls', async () => {
  const { links, clock, client } = rig({ autoUpgrade: false });
  await settle();
  links[0]!.fail(down());
  assert.deepEqual(links.map((l) => [l.transport, l.opened])[1], ['sse', 'hello'], 'the next one need not wait');
  await clock.advance(249);
  assert.equal(links.length, 2);
  await clock.advance(1);
  assert.deepEqual(links.map((l) => [l.transport, l.opened])[2], ['sse-poll', 'probe']);
  links[2]!.prove();
  links[2]!.welcome();
  assert.equal(client.transport, 'sse-poll');
  assert.ok(links[1]!.closed);
  client.close();
});

test('a poll that is not answered is repeated beside itself, long before its deadline', async () => {
  const { links, clock, client } = rig({ ssePoll: 'always', transports: ['sse'] });
  await settle();
  assert.deepEqual(links.map((l) => [l.transport, l.opened]), [['sse-poll', 'hello']]);
  await clock.advance(999);
  assert.equal(links.length, 1);
  await clock.advance(1);
  assert.deepEqual(links.map((l) => [l.transport, l.opened])[1], ['sse-poll', 'probe']);
  links[1]!.prove();
  assert.ok(links[0]!.closed);
  assert.deepEqual(links[1]!.types(), ['hub:hello']);
  links[1]!.welcome();
  assert.equal(client.transport, 'sse-poll');
  await clock.advance(10_000);
  assert.equal(links.length, 2);
  client.close();
});

test('a poll that is answered is not repeated', async () => {
  const { links, clock, client } = rig({ ssePoll: 'always', transports: ['sse'] });
  await clock.advance(999);
  links[0]!.welcome();
  await clock.advance(5_000);
  assert.equal(links.length, 1);
  client.close();
});

test('deadlines end each attempt, and all failing is followed by backoff, never by a tight loop', async () => {
  const { links, clock, client, asked } = rig({ backoff: { min_ms: 200, max_ms: 1_000, factor: 2 } });
  const errors: string[] = [];
  client.on('error', (e) => errors.push(e.code));
  await clock.advance(60_000);
  assert.ok(links.every((l) => l.closed || l === links[links.length - 1] || l.context));
  assert.ok(asked.length >= 6 && asked.length <= 14, `${asked.length} rounds`);
  assert.equal(errors.length, asked.length - 1);
  assert.equal(client.state, 'connecting');
  client.close();
});

test('errors that come at once do not make a tight loop either', async () => {
  let n = 0;
  const { clock, client } = rig({}, () => {
    n += 1;
    throw new TypeError('network down');
  });
  await clock.advance(20_000);
  assert.ok(n >= 4 && n < 14, `${n} attempts in 20 s`);
  client.close();
  await clock.advance(60_000);
  assert.equal(clock.waiting, 0, 'nothing is left that keeps a process alive');
});

test('a final refusal ends the client and is told by ready', async () => {
  const { client, clock, links } = rig();
  await settle();
  links[0]!.frame({ type: 'hub:close', data: { code: 'forbidden', message: 'no', retry: 'never' } });
  await assert.rejects(client.ready(), { code: 'forbidden' });
  assert.equal(client.state, 'closed');
  await assert.rejects(client.room('r').join(), { code: 'bye' });
  assert.equal(clock.waiting, 0);
});

test('a refused token is fetched again, but not for ever', async () => {
  let n = 0;
  const { client, clock, asked } = rig({ token: async () => `jwt${++n}` }, () =>
    asked.length < 3 ? json({ error: { code: 'token_expired', message: 'old', retry: 'refresh' } }, 401) : offer(),
  );
  await clock.advance(2_000);
  assert.deepEqual(asked.slice(0, 3).map((a) => a.authorization), ['Bearer jwt1', 'Bearer jwt2', 'Bearer jwt3']);
  client.close();

  const other = rig({ token: async () => 'bad' }, () => json({ error: { code: 'unauthorized', message: 'no', retry: 'refresh' } }, 401));
  await other.clock.advance(60_000);
  await assert.rejects(other.client.ready(), { code: 'unauthorized' });
  assert.ok(other.asked.length <= 4);

  const fixed = rig({ token: 'bad' }, () => json({ error: { code: 'unauthorized', message: 'no', retry: 'refresh' } }, 401));
  await assert.rejects(fixed.client.ready(), { code: 'unauthorized' });
  assert.equal(fixed.asked.length, 1);
});

test('a token that says when it ends is renewed before, within the session', async () => {
  let n = 0;
  const clockStart = 1_700_000_001;
  const jwt = () => `h.${btoa(JSON.stringify({ exp: clockStart + 600 * ++n })).replace(/=/g, '')}.s`;
  const { client, clock, links } = rig({ token: jwt, autoUpgrade: false });
  await settle();
  links[0]!.welcome();
  for (let s = 0; s < 545; s += 5) {
    await clock.advance(5_000);
    links[0]!.frame({ type: 'hub:ping', data: {} });
  }
  const refresh = links[0]!.app().find(({ type }) => type === 'hub:refresh')!;
  assert.equal(n, 2);
  assert.ok((refresh.data as { token: string }).token.startsWith('h.'));
  assert.equal(links.length, 1);
  client.close();
});

test('where the hub no longer has the session and wants to know who this is, a new ticket says it', async () => {
  const { client, clock, links, asked } = rig();
  await settle();
  links[0]!.welcome();
  client.debug.killLink();
  await clock.advance(200);
  const second = links.at(-1)!;
  assert.equal(second.hello().ticket, undefined, 'the old one is used up');
  second.frame({ type: 'hub:close', data: { code: 'session_expired', message: 'gone', retry: 'now' } });
  await clock.advance(250);
  assert.equal(asked.length, 2);
  assert.deepEqual([links.at(-1)!.hello().session, links.at(-1)!.hello().ticket], ['s1', 't1']);
  links.at(-1)!.welcome({ session: 's2', resumed: false, start: 1 });
  assert.equal(client.session, 's2');
  client.close();
});

test('a ticket that is refused is no reason to give up a fixed token', async () => {
  const { client, clock, links, asked } = rig({ token: 'jwt' });
  await settle();
  links[0]!.frame({ type: 'hub:close', data: { code: 'unauthorized', message: 'old ticket', retry: 'refresh' } });
  await clock.advance(1_000);
  assert.equal(asked.length, 2);
  links.filter((l) => l.hello()).at(-1)!.welcome();
  assert.equal(client.state, 'connected');
  client.close();
});

test('retry_after_ms is kept', async () => {
  let n = 0;
  const { clock, client } = rig({}, () => {
    n += 1;
    return json({ error: { code: 'rate_limited', message: 'slow', retry: 'backoff', retry_after_ms: 5_000 } }, 429);
  });
  await clock.advance(5_000);
  assert.equal(n, 1);
  await clock.advance(400);
  assert.equal(n, 2);
  client.close();
});

test('without a WebSocket in the runtime only SSE is offered', async () => {
  const { links, client, asked } = rig({ WebSocket: undefined }, () => json({ version: 1, transports: [OFFERS[1]] }));
  await settle();
  const here = typeof WebSocket === 'undefined' ? ['sse'] : ['websocket', 'sse'];
  assert.deepEqual(asked[0].transports, here);
  assert.equal(links[0]!.transport, 'sse');
  client.close();
});

test('ssePoll says whether streams or polls are used', async () => {
  for (const [ssePoll, expected] of [
    ['always', ['sse-poll']],
    ['never', ['sse']],
  ] as const) {
    const { links, client, clock } = rig({ transports: ['sse'], ssePoll });
    await clock.advance(3_000);
    assert.deepEqual([...new Set(links.map((l) => l.transport))], expected);
    client.close();
  }
});

test('before it looks for something better it asks again what the hub offers, if it heard that long ago', async () => {
  let url = '/ws';
  const { client, clock, links, asked, last } = rig({}, () => json({ version: 1, ticket: 't', transports: [{ ...OFFERS[0], url }, OFFERS[1]] }));
  await settle();
  links[0]!.fail(new CrosspointError('unavailable'));
  await clock.advance(10);
  last().welcome({ heartbeat_ms: 100_000_000 });
  assert.equal(client.transport, 'sse');
  await clock.advance(30_000);
  const looks = links.length;
  assert.ok(looks > 2, 'it looked');
  assert.equal(asked.length, 1, 'with what it knew');
  last().fail(new CrosspointError('unavailable'));
  url = '/newer';
  clock.time += 7 * 3_600_000;
  await clock.advance(600_000);
  assert.equal(asked.length, 2);
  assert.ok(links.length > looks);
  assert.match(last().url, /newer$/);
  assert.equal(client.transport, 'sse', 'the session stayed where it was');
  client.close();
});
