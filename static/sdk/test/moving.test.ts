import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CrosspointError } from '../src/codes.js';
import { rig, settle } from './fakes.js';

test('moveTo opens the new link beside the old one, and resolves when it carries the session', async () => {
  const { client, connected, links, last } = rig();
  const ws = await connected();
  const room = client.room('r');
  room.publish('m', 1);
  room.publish('m', 2);
  const seen: unknown[] = [];
  room.on('m', ({ data }) => seen.push(data));
  client.on('transport', ({ transport, previous, cause }) => seen.push(`${previous}>${transport} ${cause}`));
  ws.frame({ type: 'm', room: 'r', data: 'a' });
  const moving = client.moveTo('sse');
  await settle();
  const sse = last();
  assert.deepEqual([sse.transport, sse.opened, ws.closed], ['sse', 'hello', false]);
  const { session, resume, received, cause, ticket } = sse.hello();
  assert.deepEqual({ session, resume, received, cause, ticket }, { session: 's1', resume: 'secret', received: 1, cause: 'manual', ticket: undefined });
  ws.frame({ type: 'm', room: 'r', data: 'b' });
  room.publish('m', 3);
  assert.equal(ws.app().at(-1)!.data, 3, 'until the welcome the old link is used');
  sse.welcome({ received: 1, start: 2 });
  await moving;
  assert.ok(ws.closed);
  assert.deepEqual(sse.app().map((f) => f.data), [2, 3], 'what the hub had not received goes again');
  assert.deepEqual(sse.sent.filter((s) => s.seq !== null).map((s) => s.seq), [2, 3]);
  sse.frame({ type: 'm', room: 'r', data: 'b' });
  sse.frame({ type: 'm', room: 'r', data: 'c' });
  assert.deepEqual(seen, ['a', 'b', 'websocket>sse manual', 'c']);
  const { moves, resumes, reconnects, duplicates, sent, received: got } = client.counters;
  assert.deepEqual({ moves, resumes, reconnects, duplicates, sent, got }, { moves: 1, resumes: 1, reconnects: 0, duplicates: 1, sent: 3, got: 3 });
  await client.moveTo('sse');
  assert.equal(links.length, 2, 'it is there already');
  client.close();
});

test('a move that fails leaves the running link alone', async () => {
  const { client, connected, last, clock } = rig();
  const ws = await connected();
  const moving = client.moveTo('sse');
  moving.catch(() => {});
  await settle();
  last().fail(new CrosspointError('unavailable', 'blocked'));
  await assert.rejects(moving, { code: 'unavailable' });
  assert.deepEqual([client.state, client.transport, ws.closed], ['connected', 'websocket', false]);
  const slow = client.moveTo('sse');
  slow.catch(() => {});
  await clock.advance(4_001);
  await assert.rejects(slow, { code: 'timeout' });
  const first = client.moveTo('sse');
  const second = client.moveTo('sse-poll');
  await assert.rejects(first, { code: 'replaced' });
  last().welcome();
  await second;
  assert.equal(client.transport, 'sse-poll');
  client.close();
});

test('a lost link is resumed within a moment, and publishes that have no answer wait in line', async () => {
  const { client, connected, last, links, clock } = rig();
  await connected();
  const states: string[] = [];
  client.on('state', ({ state, error }) => states.push(`${state} ${error?.code}`));
  const publish = client.room('r').publish('m', 1);
  client.debug.killLink();
  assert.equal(publish.status, 'queued');
  const offline = client.room('r').publish('m', 2);
  client.room('r').volatile('t', 1);
  await clock.advance(200);
  assert.equal(links.length, 2);
  assert.equal(last().hello().session, 's1');
  last().welcome({ received: 0 });
  assert.deepEqual(last().app().map((f) => f.data), [1, 2]);
  assert.deepEqual([publish.status, offline.status], ['sending', 'sending']);
  assert.deepEqual(states, ['reconnecting unavailable', 'connected undefined']);
  assert.equal(client.counters.reconnects, 1);
  client.close();
});

test('a session that is gone begins anew: rooms joined again, unanswered frames sent again, losses told', async () => {
  const { client, connected, last, clock } = rig();
  const ws = await connected();
  const room = client.room('r');
  const joining = room.join();
  ws.frame({ type: 'hub:reply', id: ws.app()[0]!.id!, data: { room: 'r', position: 'e.0.' } });
  await joining;
  ws.frame({ type: 'm', room: 'r', data: 1, id: 'x', offset: 1 });
  const publish = room.publish('m', 'mine', { id: 'p1' });
  client.send('user:bob', 'hi');
  const told: unknown[] = [];
  client.on('gap', (gap) => told.push(gap));
  client.on('session', (s) => told.push(s));
  room.on('join', ({ recovered }) => told.push({ recovered }));
  client.debug.killLink();
  await clock.advance(200);
  last().welcome({ session: 's2', resumed: false, reason: 'session_expired', start: 1 });
  const [join, again] = last().app();
  assert.deepEqual(join!.data, { since: 'e.1.x' });
  assert.equal(again!.id, 'p1');
  assert.equal(last().app().length, 2);
  assert.equal(room.joined, false);
  last().frame({ type: 'hub:reply', id: join!.id!, data: { room: 'r', position: 'e.1.x', recovered: true } });
  assert.ok(room.joined);
  last().frame({ type: 'hub:reply', id: 'p1', data: { id: 'p1', ts: 1, duplicate: true } });
  assert.equal((await publish).duplicate, true);
  assert.deepEqual(told, [{ session: 's2', resumed: false }, { reason: 'session_lost', lost: 1 }, { recovered: true }]);
  assert.equal(client.session, 's2');
  client.close();
});

test('a link that falls silent is left, and its transport is not trusted first', async () => {
  const { client, connected, last, clock } = rig();
  const ws = await connected();
  await clock.advance(15_300);
  assert.ok(ws.closed);
  assert.equal(last().transport, 'sse');
  assert.equal(last().hello().cause, 'down');
  last().welcome();
  assert.equal(client.transport, 'sse');
  client.close();
});

test('a better transport is looked for in the background, by a probe, less and less often', async () => {
  const { client, links, clock } = rig();
  await settle();
  links[0]!.fail(new CrosspointError('unavailable'));
  links[1]!.welcome();
  assert.equal(client.transport, 'sse');
  const beat = async (ms: number) => {
    for (let t = 0; t < ms; t += 1_000) {
      await clock.advance(1_000);
      links[1]!.frame({ type: 'hub:ping', data: { received: 0 } });
    }
  };
  await beat(60_000);
  const probes = links.slice(2);
  assert.ok(probes.length >= 2 && probes.length <= 5, `${probes.length} probes in a minute`);
  assert.ok(probes.every((l) => l.transport === 'websocket' && l.opened === 'probe' && l.hello() === undefined));
  assert.ok(!links[1]!.closed && client.transport === 'sse');
  const before = links.length;
  while (links.length === before) await beat(1_000);
  const probe = links[before]!;
  probe.prove();
  assert.equal(probe.hello().cause, 'up');
  probe.welcome();
  assert.equal(client.transport, 'websocket');
  assert.ok(links[1]!.closed);
  client.close();
});

test('a transport that is no longer allowed is left', async () => {
  const { client, connected, last, links, clock } = rig();
  const ws = await connected();
  client.allow(['sse']);
  await settle();
  assert.equal(last().transport, 'sse');
  assert.equal(ws.closed, false);
  last().welcome();
  assert.equal(client.transport, 'sse');
  await assert.rejects(client.moveTo('websocket'), { code: 'forbidden' });
  const sse = last();
  client.allow(['websocket']);
  await settle();
  last().fail(new CrosspointError('unavailable'));
  await clock.advance(1_000);
  assert.ok(sse.closed, 'a forbidden one is left even where nothing else works');
  assert.ok(links.slice(3).every((l) => l.transport === 'websocket'));
  client.close();
});

test('the hub may ask to move, and close for good', async () => {
  const { client, connected, last, links, clock } = rig();
  const ws = await connected();
  ws.frame({ type: 'hub:move', data: { reason: 'shutdown', within_ms: 4_000 } });
  assert.equal(links.length, 1, 'not all clients at the same moment');
  await clock.advance(1_100);
  assert.equal(links.length, 2);
  assert.equal(last().hello().cause, 'asked');
  last().welcome();
  last().frame({ type: 'hub:close', data: { code: 'shutdown', message: 'bye', retry: 'now' } });
  assert.equal(client.state, 'reconnecting');
  await clock.advance(200);
  last().welcome();
  assert.equal(client.state, 'connected');
  const errors: string[] = [];
  client.on('error', (e) => errors.push(e.code));
  last().frame({ type: 'hub:close', data: { code: 'forbidden', message: 'out', retry: 'never' } });
  assert.deepEqual([client.state, errors.length], ['closed', 1]);
  await clock.advance(100_000);
  assert.equal(clock.waiting, 0);
});

test('links that are welcomed and die at once are not opened in a tight loop', async () => {
  const { client, links, clock } = rig();
  await settle();
  for (let ms = 0; ms < 20_000; ms += 10) {
    const link = links[links.length - 1]!;
    if (!link.closed) {
      if (link.hello()) link.welcome();
      link.fail(new CrosspointError('unavailable'));
    }
    await clock.advance(10);
  }
  assert.ok(links.length < 20, `${links.length} links in 20 s`);
  client.close();
});
