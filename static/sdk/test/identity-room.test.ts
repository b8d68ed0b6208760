import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CrosspointError } from '../src/codes.js';
import type { Frame } from '../src/frame.js';
import type { JoinOptions, Removed } from '../src/types.js';
import { rig, settle, type FakeLink } from './fakes.js';

const reply = (id: string | undefined, data: unknown = {}): Frame => ({ type: 'hub:reply', id: id!, data });
const refusal = (id: string | undefined, code: string, more: object = {}): Frame => ({ type: 'hub:error', id: id!, data: { code, message: code, retry: 'never', ...more } });
const removed = (reason: string, more: object = {}): Frame => ({ type: 'hub:removed', room: 'r', data: { reason, code: 'forbidden', message: reason, ...more } });
const joins = (link: FakeLink) => link.app().filter(({ type }) => type === 'hub:join');

/** A client that is in the room `r` at `e.1.a`. */
async function inside(options: JoinOptions) {
  const it = rig();
  const link = await it.connected();
  const room = it.client.room('r', options);
  const joining = room.join();
  await settle();
  link.frame(reply(joins(link)[0]!.id, { room: 'r', position: 'e.1.a' }));
  await joining;
  const events: Removed[] = [];
  room.on('removed', (event) => events.push(event));
  return { ...it, link, room, events };
}

/** Another session takes the first one's place. */
async function another({ client, clock, greeted }: Awaited<ReturnType<typeof inside>>): Promise<FakeLink> {
  client.debug.killLink();
  const link = await greeted();
  link.welcome({ session: 's2', resumed: false, start: 1 });
  await clock.advance(1);
  return link;
}

for (const reason of ['kicked', 'banned', 'revoked', 'backend', 'hook', 'token']) {
  test(`taken out of a room (${reason}): that is told, and a new session stays out`, async () => {
    const it = await inside({ token: 'fixed' });
    const told: unknown[] = [];
    it.client.on('removed', ({ room }) => told.push(room));
    it.link.frame(removed(reason, { until_ms: 1_800_000_000_000 }));
    assert.deepEqual([it.room.joined, it.room.removed?.reason, it.events.length, told], [false, reason, 1, ['r']]);
    assert.deepEqual([it.events[0]!.returning, it.events[0]!.until], [false, 1_800_000_000_000]);
    assert.equal(it.client.state, 'connected');
    const link = await another(it);
    await it.live(60_000);
    assert.deepEqual(joins(link), []);
    const again = it.room.join();
    await settle();
    link.frame(reply(joins(link)[0]!.id, { room: 'r', position: 'e.5.x' }));
    await again;
    assert.deepEqual([it.room.joined, it.room.removed], [true, null]);
    it.client.close();
  });
}

test('the other rooms go on', async () => {
  const it = await inside({});
  const other = it.client.room('other');
  const joining = other.join();
  it.link.frame(reply(joins(it.link)[1]!.id, { room: 'other' }));
  await joining;
  it.link.frame(removed('kicked'));
  assert.ok(other.joined && !it.room.joined);
  const link = await another(it);
  assert.deepEqual(joins(link).map(({ room }) => room), ['other']);
  it.client.close();
});

test('a room token that ended is fetched again, and the room joined where it was; publishes wait', async () => {
  let n = 0;
  const it = await inside({ history: 5, presence: true, token: async () => `room${++n}` });
  assert.deepEqual(joins(it.link)[0]!.data, { history: 5, presence: true, token: 'room1' });
  it.link.frame({ type: 'm', room: 'r', id: 'b', offset: 2, data: 1 });
  const early = it.room.publish('m', 'early');
  it.link.frame(removed('token'));
  assert.equal(it.events[0]!.returning, true);
  const late = it.room.publish('m', 'late');
  await settle();
  // What was under way was refused meanwhile.
  it.link.frame(refusal(early.id, 'not_joined'));
  assert.deepEqual([early.status, late.status], ['queued', 'queued']);
  const [, back] = joins(it.link);
  assert.deepEqual(back!.data, { presence: true, since: 'e.2.b', token: 'room2' });
  it.link.frame(reply(back!.id, { room: 'r', position: 'e.3.c', recovered: true }));
  await settle();
  assert.ok(it.room.joined);
  const sent = () => it.link.app().filter(({ type }) => type === 'm').map(({ data }) => data);
  assert.deepEqual(sent(), ['early', 'early']);
  it.link.frame(reply(early.id, { id: early.id, ts: 1 }));
  await settle();
  assert.deepEqual(sent(), ['early', 'early', 'late']);
  it.client.close();
});

test('a room token that is not to be had is asked for a few times; then it is said', async () => {
  let n = 0;
  const it = await inside({
    token: () => {
      n += 1;
      if (n > 1) throw new Error('down');
      return 'room1';
    },
  });
  it.link.frame(removed('token'));
  const waiting = it.room.publish('m', 1);
  await it.live(120_000);
  assert.ok(n > 5 && n < 40, `${n} times`);
  assert.deepEqual(it.events.map(({ reason, returning }) => [reason, returning]), [['token', true], ['token', false]]);
  const sent = it.link.app().find(({ id }) => id === waiting.id)!;
  it.link.frame(refusal(sent.id, 'not_joined'));
  await assert.rejects(waiting, { code: 'not_joined' });
  it.client.close();
});

test('leaving while on the way back ends that', async () => {
  let n = 0;
  const it = await inside({ token: async () => `room${++n}` });
  it.room.on('removed', () => void it.room.leave().catch(() => {}));
  it.link.frame(removed('token'));
  await it.live(60_000);
  it.link.frame(refusal(joins(it.link)[1]!.id, 'unauthorized', { retry: 'refresh' }));
  await it.live(60_000);
  assert.equal(joins(it.link).length, 2);
  it.client.close();
});

test('a new session whose room token is over gets another', async () => {
  let n = 0;
  const it = await inside({ token: async () => `room${++n}` });
  const link = await another(it);
  assert.deepEqual(joins(link)[0]!.data, { since: 'e.1.a', token: 'room1' });
  link.frame(refusal(joins(link)[0]!.id, 'token_expired', { retry: 'refresh' }));
  await settle();
  assert.deepEqual(joins(link)[1]!.data, { since: 'e.1.a', token: 'room2' });
  link.frame(reply(joins(link)[1]!.id, { room: 'r', position: 'e.1.a', recovered: true }));
  await settle();
  assert.ok(it.room.joined);
  it.client.close();
});

test('put into a room by a backend', async () => {
  const { client, connected, last } = rig();
  await connected();
  const told: string[] = [];
  client.on('added', ({ room }) => {
    told.push(room);
    client.room(room).on('m', ({ data }) => told.push(data));
  });
  last().frame({ type: 'hub:added', room: 'r', data: { room: 'r', position: 'e.4.d', members: [{ user: 'bob', sessions: 1, since: 1 }] } });
  last().frame({ type: 'm', room: 'r', id: 'e', offset: 5, data: 'hello' });
  const room = client.room('r');
  assert.deepEqual([told, room.joined, room.position, [...room.members.keys()]], [['r', 'hello'], true, 'e.5.e', ['bob']]);
  client.close();
});

test('moderation is a frame each, and what is done is told', async () => {
  const it = await inside({});
  const { moderation } = it.room;
  const seen: unknown[] = [];
  it.room.on('moderated', (event) => seen.push(event));
  const muted = moderation.mute('bob', { forMs: 60_000, reason: 'caps' });
  const frame = it.link.app().at(-1)!;
  assert.deepEqual({ ...frame, id: 0 }, { type: 'hub:moderate', room: 'r', id: 0, data: { action: 'mute', user: 'bob', for_ms: 60_000, reason: 'caps' } });
  it.link.frame({ type: 'hub:moderated', room: 'r', data: { action: 'mute', user: 'bob', by: 'alice', until_ms: 99, reason: 'caps' } });
  it.link.frame(reply(frame.id, { until_ms: 99 }));
  assert.deepEqual(await muted, { until: 99 });
  assert.deepEqual(seen, [{ action: 'mute', user: 'bob', by: 'alice', until: 99, reason: 'caps' }]);
  for (const action of ['unmute', 'kick', 'ban', 'unban'] as const) {
    moderation[action]('bob').catch(() => {});
    assert.deepEqual(JSON.parse(JSON.stringify(it.link.app().at(-1)!.data)), { action, user: 'bob' });
  }
  const list = moderation.list();
  it.link.frame(reply(it.link.app().at(-1)!.id, { users: [{ user: 'bob', action: 'mute', until_ms: 5, by: 'alice' }] }));
  assert.deepEqual(await list, [{ user: 'bob', action: 'mute', until: 5, by: 'alice' }]);
  const refused = it.room.publish('m', 1);
  it.link.frame(refusal(refused.id, 'muted', { retry_after_ms: 77 }));
  await assert.rejects(refused, (e: CrosspointError) => e.code === 'muted' && e.retryAfterMs === 77);
  it.client.close();
});
