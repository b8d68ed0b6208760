import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CrosspointError } from '../src/codes.js';
import type { Frame } from '../src/frame.js';
import { rig, settle } from './fakes.js';

const reply = (id: string | undefined, data: unknown): Frame => ({ type: 'hub:reply', id: id!, data });

test('a publish goes through its states and resolves with what the hub stored', async () => {
  const { client, connected, last } = rig();
  const room = client.room('chat:1');
  const all: unknown[] = [];
  client.on('status', ({ id, status }) => all.push([id, status]));
  const early = room.publish('msg', { text: 'a' }, { id: 'my1' });
  const states: string[] = [];
  early.onStatus((status) => states.push(status));
  assert.equal(early.status, 'queued');
  await connected();
  assert.equal(early.status, 'sending');
  assert.deepEqual(last().app(), [{ type: 'msg', room: 'chat:1', data: { text: 'a' }, id: 'my1' }]);
  last().frame(reply('my1', { id: 'my1', offset: 4, position: 'e.4.my1', ts: 9 }));
  assert.deepEqual(await early, { id: 'my1', offset: 4, position: 'e.4.my1', ts: 9 });
  assert.deepEqual(states, ['queued', 'sending', 'stored']);
  assert.deepEqual(all, [['my1', 'sending'], ['my1', 'stored']]);

  const refused = room.publish('msg', 'b');
  last().frame({ type: 'hub:error', id: refused.id, data: { code: 'not_joined', message: 'join first', retry: 'never' } });
  await assert.rejects(refused, (e: CrosspointError) => e.code === 'not_joined' && e.retry === 'never');
  assert.equal(refused.status, 'failed');
  client.close();
});

test('what the hub would not take is refused at once, with the reason', async () => {
  const { client, connected } = rig({ queueMax: 3 });
  await connected();
  const room = client.room('r');
  const circular: any = {};
  circular.me = circular;
  await assert.rejects(room.publish('hub:join', 1), { code: 'bad_request' });
  await assert.rejects(room.publish('', 1), { code: 'bad_request' });
  await assert.rejects(room.publish('m', circular), { code: 'bad_request' });
  await assert.rejects(room.publish('m', 'x'.repeat(70_000)), { code: 'frame_too_large' });
  await assert.rejects(client.room('r\n').join(), { code: 'bad_request' });
  await assert.rejects(client.room('ö'.repeat(129)).join(), { code: 'bad_request' });
  assert.throws(() => client.send('', 'm'), { code: 'bad_request' });
  const ok = [room.publish('m'), room.publish('m'), room.publish('m', 1, { id: 'same' })];
  await assert.rejects(room.publish('m', 1, { id: 'same' }), { code: 'bad_request' });
  await assert.rejects(room.publish('m'), { code: 'limit_exceeded' });
  client.close();
  for (const publish of ok) await assert.rejects(publish, { code: 'bye' });
});

test('a frame too large for the hub that was sent before its limits were known fails alone', async () => {
  const { client, connected, last } = rig();
  const big = client.room('r').publish('m', 'x'.repeat(70_000));
  const small = client.room('r').publish('m', 1);
  await connected();
  await assert.rejects(big, { code: 'frame_too_large' });
  assert.deepEqual(last().app().map((f) => f.id), [small.id]);
  client.close();
});

test('joining fills the members, and presence keeps them', async () => {
  const { client, connected, last } = rig();
  await connected();
  const room = client.room('r', { presence: true, state: { here: 1 } });
  assert.equal(client.room('r'), room);
  const order: string[] = [];
  room.on('join', () => order.push('join'));
  room.on('m', (event) => order.push(`${event.type} ${event.data} ${event.offset}`));
  room.on('presence', ({ join, leave, members }) => order.push(`+${join.length} -${leave.length} =${members.size}`));
  const joining = room.join();
  const frame = last().app()[0]!;
  assert.deepEqual(frame, { type: 'hub:join', room: 'r', id: frame.id, data: { presence: true, state: { here: 1 } } });
  const alice = { user: 'alice', sessions: 1, since: 1 };
  last().frame(reply(frame.id, { room: 'r', position: 'e.1.a', members: [alice] }));
  assert.ok(room.joined);
  last().frame({ type: 'm', room: 'r', data: 7, from: { user: 'bob' }, id: 'b', offset: 2, ts: 5 });
  last().frame({ type: 'hub:presence', room: 'r', data: { join: [{ user: 'bob', sessions: 1, since: 2 }] } });
  last().frame({ type: 'hub:presence', room: 'r', data: { leave: ['alice'] } });
  assert.deepEqual((await joining).members, [alice]);
  assert.deepEqual(order, ['+1 -0 =1', 'join', 'm 7 2', '+1 -0 =2', '+0 -1 =1']);
  assert.equal(room.position, 'e.2.b');
  assert.deepEqual([...room.members.keys()], ['bob']);
  client.close();
});

test('events reach their type, everything, and reserved names only by everything', async () => {
  const { client, connected, last } = rig();
  await connected();
  const room = client.room('r');
  const seen: string[] = [];
  room.on('m', (e) => seen.push(`m:${e.data}`));
  room.on('*', (e) => seen.push(`*:${e.type}`));
  room.on('gap', (g) => seen.push(`gap:${g.reason}`));
  room.on('presence', () => seen.push('presence'));
  last().frame({ type: 'm', room: 'r', data: 1 });
  last().frame({ type: 'presence', room: 'r', data: 1 });
  last().frame({ type: 'gap', room: 'r', data: { reason: 'fake' } });
  last().frame({ type: 'hub:gap', room: 'r', data: { reason: 'trimmed', position: 'e.9.x' } });
  last().frame({ type: 'm', room: 'other', data: 2 });
  assert.deepEqual(seen, ['m:1', '*:m', '*:presence', '*:gap', 'gap:trimmed']);
  assert.equal(client.counters.gaps, 1);
  client.close();
});

test('a handler that throws, unsubscribes or sends inside an event disturbs nothing', async () => {
  const { client, connected, last } = rig();
  await connected();
  const room = client.room('r');
  const seen: unknown[] = [];
  const errors: unknown[] = [];
  client.on('error', (e) => errors.push(e.cause));
  const off = room.on('m', ({ data }) => {
    seen.push(data);
    off();
    room.on('m', ({ data }) => seen.push(`again ${data}`));
    room.publish('answer', data);
    throw 'mine';
  });
  last().frame({ type: 'm', room: 'r', data: 1 });
  last().frame({ type: 'm', room: 'r', data: 2 });
  assert.deepEqual(seen, [1, 'again 2']);
  assert.deepEqual(errors, ['mine']);
  assert.deepEqual(last().app().map((f) => f.type), ['answer']);
  client.close();
});

test('requests are answered by their handlers, and asked with their timeouts', async () => {
  const { client, connected, last, clock } = rig();
  await connected();
  client.onRequest('add', async ({ a, b }, { from }) => ({ sum: a + b, for: from.user }));
  client.onRequest('fail', () => {
    throw new CrosspointError('forbidden', 'not you');
  });
  const from = { user: 'bob', session: 's2' };
  last().frame({ type: 'add', request: 'q1', data: { a: 1, b: 2 }, from });
  last().frame({ type: 'fail', request: 'q2', from });
  last().frame({ type: 'unheard', request: 'q3', from });
  await settle();
  const answers = new Map(last().app().map((f) => [f.request, f]));
  assert.deepEqual(answers.get('q1'), { type: 'hub:answer', request: 'q1', data: { sum: 3, for: 'bob' } });
  assert.deepEqual(answers.get('q2')!.error, { code: 'forbidden', message: 'not you' });
  assert.equal(answers.get('q3')!.error!.code, 'not_found');

  const asking = client.request('service:sfu', 'offer', 1, { timeoutMs: 2_000 });
  await settle();
  const sent = last().app().at(-1)!;
  assert.deepEqual([sent.to, sent.timeout_ms], ['service:sfu', 2_000]);
  last().frame(reply(sent.id, { sdp: 'x' }));
  assert.deepEqual(await asking, { sdp: 'x' });
  const late = client.request('session:s9', 'x', 1, { timeoutMs: 2_000 });
  late.catch(() => {});
  await clock.advance(2_000);
  await assert.rejects(late, { code: 'timeout' });
  client.close();
});

test('direct messages, and errors without id', async () => {
  const { client, connected, last } = rig();
  await connected();
  const seen: unknown[] = [];
  client.on('message', (m) => seen.push(m));
  client.on('error', (e) => seen.push(e.code));
  last().frame({ type: 'hi', data: 1, from: { user: 'bob' }, ts: 3 });
  last().frame({ type: 'hub:error', data: { code: 'forbidden', message: 'no', retry: 'never', of: 'hi' } });
  assert.deepEqual(seen, [{ type: 'hi', data: 1, from: { user: 'bob' }, ts: 3, volatile: false, bulk: false }, 'forbidden']);
  client.send('user:bob', 'hi', 2, { volatile: true });
  assert.deepEqual(last().app().at(-1), { type: 'hi', to: 'user:bob', data: 2, volatile: true });
  client.close();
});

test('close says goodbye, ends what waits, and leaves no timer', async () => {
  const { client, connected, last, clock } = rig();
  await connected();
  const states: string[] = [];
  client.on('state', ({ state, previous }) => states.push(`${previous}>${state}`));
  const publish = client.room('r').publish('m', 1);
  client.close();
  client.close();
  assert.equal(last().said, 'bye');
  assert.deepEqual(states, ['connected>closed']);
  await assert.rejects(publish, { code: 'bye' });
  await clock.advance(100_000);
  assert.equal(clock.waiting, 0);
  assert.throws(() => client.room('r').volatile('t'), { code: 'bye' });
  await assert.rejects(client.moveTo('sse'), { code: 'bye' });
});

test('the round trip is measured', async () => {
  const { client, connected, last, clock } = rig();
  const rtts: number[] = [];
  client.on('rtt', (ms) => rtts.push(ms));
  await connected();
  const ping = last().sent.map(({ frame }) => frame).find(({ type }) => type === 'hub:ping')!;
  await clock.advance(29);
  last().frame({ type: 'hub:pong', data: { received: 0, t: (ping.data as { t: number }).t } });
  assert.deepEqual(rtts, [30]);
  assert.equal(client.rtt, 30);
  client.close();
});
