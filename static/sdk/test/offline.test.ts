import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CrosspointError } from '../src/codes.js';
import type { Frame } from '../src/frame.js';
import type { Options } from '../src/types.js';
import { rig, settle, type FakeLink } from './fakes.js';
import { SharedDisk, type MemoryStore } from './stores.js';

const reply = (id: string | undefined, data: unknown = {}): Frame => ({ type: 'hub:reply', id: id!, data });
const refusal = (id: string | undefined, code: string): Frame => ({ type: 'hub:error', id: id!, data: { code, message: code, retry: 'never' } });
const sent = (link: FakeLink) => link.app().map(({ type, data }) => (type.startsWith('hub:') ? type : data));

/** A further link says hello; the hub begins a new session with it. */
async function renewed({ links, clock }: Pick<ReturnType<typeof rig>, 'links' | 'clock'>, user: string): Promise<FakeLink> {
  const there = () => links.filter((one) => !one.closed && one.hello()).at(-1);
  // It may be between two attempts.
  for (let i = 0; !there() && i < 400; i++) await clock.advance(100);
  const link = there()!;
  link.welcome({ session: `s${links.length}`, resumed: false, start: 1, user });
  await clock.advance(1);
  return link;
}

/** A page with a client whose queue is on the disk. */
async function page(disk: SharedDisk, options: Options = {}, at = 0) {
  const store = disk.store();
  const it = rig({ ...options, offline: { store, ...options.offline } });
  it.clock.time += at;
  const seen: string[] = [];
  const errors: CrosspointError[] = [];
  it.client.on('status', ({ id, status, error }) => seen.push(`${id} ${status}${error ? ` ${error.code}` : ''}`));
  it.client.on('error', (error) => errors.push(error));
  await settle();
  return { ...it, store, seen, errors };
}

/** The link answers the newest join. */
function joined(link: FakeLink, position?: string): void {
  const join = link.app().filter(({ type }) => type === 'hub:join').at(-1)!;
  link.frame(reply(join.id, position ? { room: join.room, position } : { room: join.room }));
}

test('what is published before the first link waits in order, joins between publishes too', async () => {
  const { client, connected, last } = rig();
  const room = client.room('r');
  void room.join();
  room.publish('m', 1);
  client.sendToUser('bob', 'm', 2).catch(() => {});
  client.send('user:bob', 'm', 3);
  room.publish('m', 4);
  assert.deepEqual(client.queue.list().map(({ room, to, data, status }) => [room ?? to, data, status]), [
    ['r', 1, 'queued'], ['user:bob', 2, 'queued'], ['r', 4, 'queued'],
  ]);
  await connected();
  assert.deepEqual(sent(last()), ['hub:join', 1, 2, 3, 4]);
  assert.deepEqual(client.queue.list().map(({ status }) => status), ['sending', 'sending', 'sending']);
  for (const { id } of last().app()) last().frame(reply(id, { id, ts: 1, delivered: 1 }));
  assert.equal(client.queue.size, 0);
  client.close();
});

test('more than may be due at once go one by one as replies come', async () => {
  const { client, connected, last } = rig();
  const room = client.room('r');
  for (let i = 0; i < 200; i++) room.publish('m', i, { id: `p${i}` });
  await connected();
  assert.equal(last().app().length, 64);
  last().frame(reply('p0'));
  assert.deepEqual(last().app().at(-1)!.data, 64);
  for (let i = 1; i < 200; i++) last().frame(reply(`p${i}`));
  assert.deepEqual(sent(last()), Array.from({ length: 200 }, (_, i) => i));
  assert.equal(client.queue.size, 0);
  client.close();
});

test('the newest fails at once where the queue is full, in number or bytes; what waits stays', async () => {
  const { client, connected, last } = rig({ offline: { max: 3, maxBytes: 1_000 } });
  const room = client.room('r');
  const kept = [room.publish('m', 1), room.publish('m', 'x'.repeat(600))];
  await assert.rejects(room.publish('m', 'x'.repeat(600)), { code: 'limit_exceeded' });
  kept.push(room.publish('m', 3));
  await assert.rejects(room.publish('m', 4), { code: 'limit_exceeded' });
  await assert.rejects(client.sendToUser('bob', 'm', 4), { code: 'limit_exceeded' });
  void room.join().catch(() => {});
  await connected();
  assert.equal(last().app().length, 4, 'a full queue does not keep the session from joining');
  last().frame(reply(kept[0]!.id));
  assert.equal(room.publish('m', 5).status, 'sending');
  client.close();
});

test('what waited too long fails, each in its time', async () => {
  const { client, clock } = rig({ offline: { maxAgeMs: 60_000 } });
  const room = client.room('r');
  const old = room.publish('m', 'old');
  await clock.advance(40_000);
  const young = room.publish('m', 'young');
  await clock.advance(30_000);
  await assert.rejects(old, { code: 'timeout' });
  assert.equal(young.status, 'queued');
  await clock.advance(31_000);
  await assert.rejects(young, { code: 'timeout' });
  client.close();
  await settle();
  assert.equal(clock.waiting, 0);
});

test('cancel and clear take back what has not left', async () => {
  const { client, connected, last } = rig();
  const room = client.room('r');
  const first = room.publish('m', 1);
  const second = room.publish('m', 2);
  assert.equal(client.queue.cancel(first.id), true);
  assert.equal(client.queue.cancel(first.id), false);
  await assert.rejects(first, { code: 'bye' });
  await connected();
  assert.deepEqual(sent(last()), [2]);
  assert.equal(client.queue.cancel(second.id), false, 'it is on its way');
  client.debug.killLink();
  room.publish('m', 3);
  client.queue.clear();
  assert.deepEqual(client.queue.list().map(({ data, status }) => [data, status]), [[2, 'queued']]);
  client.close();
});

test('a reload: what was queued goes first, with its ids, once the page joins the room', async () => {
  const disk = new SharedDisk();
  const before = await page(disk);
  const ids = [1, 2, 3].map((n) => before.client.room('r').publish('m', n).id);
  before.client.sendToUser('bob', 'm', 'hi', { id: 'direct' }).catch(() => {});
  before.client.room('other').publish('m', 'elsewhere', { id: 'else' });
  await before.client.queue.saved();
  assert.deepEqual(disk.ids(), [...ids, 'direct', 'else']);
  before.store.crash();

  const after = await page(disk, { user: 'alice' });
  assert.deepEqual(after.client.queue.list().map(({ id, room, to, data }) => [id, room ?? to, data]), [
    ...ids.map((id, i) => [id, 'r', i + 1]), ['direct', 'user:bob', 'hi'], ['else', 'other', 'elsewhere'],
  ]);
  assert.deepEqual(after.seen, [...ids, 'direct', 'else'].map((id) => `${id} queued`));
  const room = after.client.room('r');
  void room.join();
  room.publish('m', 'newer');
  await after.connected();
  await settle();
  assert.deepEqual(sent(after.last()), ['hi', 'hub:join'], 'nothing overtakes them');
  joined(after.last());
  await settle();
  assert.deepEqual(sent(after.last()), ['hi', 'hub:join', 1, 2, 3, 'newer']);
  assert.deepEqual(after.last().app().slice(2, 5).map(({ id }) => id), ids);
  for (const { id } of after.last().app()) after.last().frame(reply(id));
  assert.ok(after.seen.includes(`${ids[0]} stored`));
  await after.client.queue.saved();
  assert.deepEqual(disk.ids(), ['else'], 'its room was not joined: it waits');
  after.client.close();
});

test('without a join they go before the first publish, and a refusal for want of a join is not the end', async () => {
  const disk = new SharedDisk();
  const before = await page(disk);
  before.client.room('r').publish('m', 1, { id: 'a' });
  await before.client.queue.saved();
  before.store.crash();

  const { client, connected, last } = await page(disk);
  const room = client.room('r');
  await connected();
  await settle();
  const newer = room.publish('m', 2);
  await settle();
  assert.deepEqual(sent(last()), [1, 2]);
  for (const { id } of last().app()) last().frame(refusal(id, 'not_joined'));
  await assert.rejects(newer, { code: 'not_joined' });
  assert.deepEqual(client.queue.list().map(({ id, status }) => [id, status]), [['a', 'queued']]);
  void room.join();
  await settle();
  joined(last());
  await settle();
  assert.deepEqual(sent(last()), [1, 2, 'hub:join', 1]);
  client.close();
});

test('another user never gets the queue; its own does, on whatever page', async () => {
  const disk = new SharedDisk();
  const alice = await page(disk);
  await alice.connected();
  await settle();
  alice.client.debug.killLink();
  alice.client.sendToUser('carol', 'm', 'from alice', { id: 'a' }).catch(() => {});
  await alice.client.queue.saved();
  alice.store.crash();

  const bob = await page(disk);
  assert.equal(bob.client.queue.size, 1, 'until the hub says otherwise, it is the last user again');
  await settle();
  bob.last().welcome({ user: 'bob' });
  await bob.clock.advance(1);
  assert.equal(bob.client.queue.size, 0);
  const mine = bob.client.sendToUser('carol', 'm', 'from bob', { id: 'b' });
  mine.catch(() => {});
  await settle();
  assert.deepEqual(sent(bob.last()), ['from bob']);
  await bob.client.queue.saved();
  bob.store.crash();

  const again = await page(disk, { user: 'alice' });
  await again.connected();
  await settle();
  assert.deepEqual(sent(again.last()), ['from alice']);
  again.client.close();
});

test('a user who changes within a page leaves the queue to the first one', async () => {
  const { client, connected, clock, links } = rig();
  await connected();
  void client.sendToUser('carol', 'm', 'sent as alice').catch(() => {});
  client.debug.killLink();
  void client.sendToUser('carol', 'm', 'queued as alice').catch(() => {});
  await clock.advance(1_000);
  assert.deepEqual(sent(await renewed({ links, clock }, 'bob')), []);
  assert.equal(client.queue.size, 0);
  client.debug.killLink();
  await clock.advance(1_000);
  assert.deepEqual(sent(await renewed({ links, clock }, 'alice')), ['sent as alice', 'queued as alice']);
  client.close();
});

test('what was sent is repeated as long as the hub surely knows its id, or the room has a history', async () => {
  const disk = new SharedDisk();
  const before = await page(disk);
  await before.connected();
  await settle();
  for (const name of ['plain', 'kept']) before.client.room(name).publish('m', name, { id: name });
  before.client.sendToUser('bob', 'm', 'hi', { id: 'direct' }).catch(() => {});
  before.client.debug.killLink();
  before.client.room('plain').publish('m', 'never sent', { id: 'fresh' });
  await before.client.queue.saved();
  before.store.crash();

  const after = await page(disk, { user: 'alice' }, 600_000);
  assert.deepEqual(after.seen.filter((line) => line.includes('failed')), ['direct failed timeout']);
  for (const name of ['plain', 'kept']) void after.client.room(name).join();
  await after.connected();
  await settle();
  joined(after.last());
  await settle();
  joined(after.last(), 'e.5.x');
  await settle();
  assert.deepEqual(after.seen.filter((line) => line.includes('failed')), ['direct failed timeout', 'plain failed timeout']);
  assert.deepEqual(sent(after.last()), ['hub:join', 'never sent', 'hub:join', 'kept']);
  after.client.close();
});

test('a session that could not be resumed does not repeat what the hub may have forgotten', async () => {
  const { client, connected, clock, links } = rig();
  await connected();
  const sentLongAgo = client.room('r').publish('m', 'doubtful');
  client.debug.killLink();
  const queued = client.room('r').publish('m', 'fresh');
  await clock.advance(300_000);
  const link = await renewed({ links, clock }, 'alice');
  assert.equal(sentLongAgo.status, 'failed');
  await assert.rejects(sentLongAgo, { code: 'timeout' });
  assert.deepEqual(sent(link), ['fresh']);
  assert.equal(queued.status, 'sending');
  client.close();
});

test('nothing of an earlier time is sent before the store knows that it is', async () => {
  const disk = new SharedDisk();
  const it = await page(disk);
  const publish = it.client.room('r').publish('m', 1, { id: 'a' });
  await it.client.queue.saved();
  it.store.held = [];
  await it.connected();
  await settle();
  assert.deepEqual([sent(it.last()), publish.status], [[], 'queued']);
  assert.equal(disk.rows.get('a')!.tried, null);
  const { held } = it.store;
  it.store.held = null;
  held.forEach((go) => go());
  await settle();
  assert.deepEqual(sent(it.last()), [1]);
  assert.notEqual(disk.rows.get('a')!.tried, null);
  it.last().frame(reply('a'));
  await it.client.queue.saved();
  assert.deepEqual(disk.ids(), []);
  it.client.close();
});

test('a store that refuses or is full is said once, and the queue works in memory', async () => {
  for (const when of ['open', 'write']) {
    const disk = new SharedDisk();
    const store: MemoryStore = disk.store();
    store.broken = when === 'open';
    const { client, connected, last } = rig({ offline: { store } });
    const errors: CrosspointError[] = [];
    client.on('error', (error) => errors.push(error));
    await settle();
    store.broken = true;
    const room = client.room('r');
    room.publish('m', 1);
    room.publish('m', 2);
    await connected();
    await settle();
    assert.deepEqual(sent(last()), [1, 2], when);
    assert.deepEqual(errors.map(({ code }) => code), ['unavailable']);
    assert.match(errors[0]!.message, when === 'open' ? /refused/ : /full/);
    client.close();
  }
});

test('what a tab leaves that is closed goes to one of the others', async () => {
  const disk = new SharedDisk();
  const one = await page(disk);
  const two = await page(disk);
  for (const { connected } of [one, two]) await connected();
  await settle();
  one.client.debug.killLink();
  one.client.sendToUser('carol', 'm', 'left', { id: 'a' }).catch(() => {});
  await one.client.queue.saved();
  assert.deepEqual(sent(two.last()), [], 'a living tab keeps its own');
  one.store.crash();
  await settle();
  assert.deepEqual(sent(two.last()), ['left']);
  two.client.close();
});

test('a closed client leaves what waits to the next one of the user, and says what becomes of it', async () => {
  const disk = new SharedDisk();
  const first = await page(disk);
  await first.connected();
  await settle();
  first.client.debug.killLink();
  const publish = first.client.room('r').publish('m', 1, { id: 'a' });
  await first.client.queue.saved();
  first.client.close();
  await assert.rejects(publish, { code: 'bye' });
  assert.deepEqual(first.seen, [], 'it has not failed');
  await settle();
  const second = await page(disk);
  assert.deepEqual(second.client.queue.list().map(({ id }) => id), ['a']);
  second.client.close();
});

test('what a page alone shall keep never gets to the store, and keeps its place', async () => {
  const disk = new SharedDisk();
  const { client, connected, last, store } = await page(disk);
  const room = client.room('r');
  room.publish('m', 1, { id: 'a' });
  room.publish('m', 2, { id: 'b', keep: false });
  room.publish('m', 3, { id: 'c' });
  await client.queue.saved();
  assert.deepEqual(disk.ids(), ['a', 'c']);
  assert.deepEqual(client.queue.list().map(({ id }) => id), ['a', 'b', 'c']);
  await connected();
  await settle();
  assert.deepEqual(sent(last()), [1, 2, 3]);
  const { writes } = store;
  for (const id of ['b']) last().frame(reply(id));
  await client.queue.saved();
  assert.equal(store.writes, writes);
  const alone = room.publish('m', 4, { keep: false });
  client.close();
  await assert.rejects(alone, { code: 'bye' });
  assert.equal(alone.status, 'failed');
});

test('many writes become few', async () => {
  const disk = new SharedDisk();
  const { client, store } = await page(disk);
  for (let i = 0; i < 1_000; i++) client.room('r').publish('m', i);
  await client.queue.saved();
  assert.equal(disk.rows.size, 1_000);
  assert.ok(store.writes <= 3, `${store.writes} writes`);
  client.close();
});
