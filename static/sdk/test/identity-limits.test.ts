import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CrosspointError } from '../src/codes.js';
import type { Frame } from '../src/frame.js';
import type { Options } from '../src/types.js';
import { rig, settle, type FakeLink } from './fakes.js';

const reply = (id: string | undefined, data: unknown = {}): Frame => ({ type: 'hub:reply', id: id!, data });
const limited = (id: string | undefined, ms?: number): Frame => ({ type: 'hub:error', id: id!, data: { code: 'rate_limited', message: 'too fast', retry: 'backoff', ...(ms !== undefined && { retry_after_ms: ms }) } });
const sent = (link: FakeLink) => link.app().filter(({ type }) => type === 'm').map(({ data }) => data);

async function publishing(n: number, options: Options = {}) {
  const it = rig(options);
  const link = await it.connected();
  const all = Array.from({ length: n }, (_, i) => it.client.room('r').publish('m', i));
  return { ...it, link, all, first: all[0]! };
}

test('publishes that came too fast go again when the hub says, one by one, in order and as fast as the hub took them, others at once', async () => {
  const { client, link, all, clock, live } = await publishing(4);
  const states: string[] = [];
  all[1]!.onStatus((status) => states.push(status));
  link.frame(reply(all[0]!.id));
  for (const publish of all.slice(1)) link.frame(limited(publish.id, 2_000));
  const late = client.room('r').publish('m', 'late');
  void client.room('other').publish('m', 'other');
  assert.deepEqual(sent(link), [0, 1, 2, 3, 'other']);
  await clock.advance(1_900);
  assert.equal(sent(link).length, 5);
  await clock.advance(500);
  assert.deepEqual(sent(link).slice(5), [1]);
  link.frame(reply(all[1]!.id));
  assert.deepEqual(sent(link).slice(5), [1, 2]);
  link.frame(limited(all[2]!.id, 1_000));
  await clock.advance(1_200);
  assert.deepEqual(sent(link).slice(5), [1, 2, 2]);
  link.frame(reply(all[2]!.id));
  // One in 1.3 s is what the hub takes.
  assert.deepEqual(sent(link).slice(8), []);
  await live(1_500);
  assert.deepEqual(sent(link).slice(8), [3]);
  link.frame(reply(all[3]!.id));
  await live(1_500);
  assert.deepEqual(sent(link).slice(8), [3, 'late']);
  link.frame(reply(late.id));
  await Promise.all([...all, late]);
  // The next ones go one by one, too, for a while.
  const more = [1, 2].map((n) => client.room('r').publish('m', n));
  assert.equal(sent(link).length, 11);
  link.frame(reply(more[0]!.id));
  assert.equal(sent(link).length, 12);
  link.frame(reply(more[1]!.id));
  assert.deepEqual(states, ['sending', 'queued', 'sending', 'stored']);
  client.close();
});

test('without a time it goes again every few seconds; after a minute it fails', async () => {
  const { client, link, first, live } = await publishing(1);
  let error: CrosspointError | null = null;
  first.catch((e) => (error = e));
  let answered = 0;
  for (let i = 0; i < 1_000 && !error; i++) {
    if (sent(link).length > answered) link.frame(limited(link.app().filter(({ type }) => type === 'm')[answered++]!.id));
    await live(100);
  }
  assert.equal((error as CrosspointError | null)?.code, 'rate_limited');
  assert.ok(answered > 5 && answered < 40, `${answered} times`);
  client.close();
});

test('what would have to wait too long fails at once, and says when to come again', async () => {
  const { client, link, first } = await publishing(1);
  link.frame(limited(first.id, 600_000));
  await assert.rejects(first, (e: CrosspointError) => e.code === 'rate_limited' && e.retryAfterMs === 600_000);
  const next = client.room('r').publish('m', 'next');
  assert.equal(next.status, 'sending');
  client.close();
});

test('rateLimited: fail', async () => {
  const { client, link, first } = await publishing(1, { rateLimited: 'fail' });
  link.frame(limited(first.id, 100));
  await assert.rejects(first, { code: 'rate_limited', retryAfterMs: 100 });
  const joining = client.room('r').join();
  link.frame(limited(link.app().at(-1)!.id, 100));
  await assert.rejects(joining, { code: 'rate_limited', retryAfterMs: 100 });
  client.close();
});

test('a publish that waits can be taken back, and one that is cancelled holds up nobody', async () => {
  const { client, link, all, clock } = await publishing(3);
  for (const publish of all) link.frame(limited(publish.id, 1_000));
  assert.equal(client.queue.cancel(all[0]!.id), true);
  await assert.rejects(all[0]!, { code: 'bye' });
  await clock.advance(1_200);
  assert.deepEqual(sent(link), [0, 1, 2, 1]);
  client.close();
  await assert.rejects(all[2]!, { code: 'bye' });
});

test('a lost link changes nothing of the wait', async () => {
  const { client, link, first, live, greeted } = await publishing(1);
  link.frame(limited(first.id, 9_000));
  client.debug.killLink();
  const next = await greeted();
  next.welcome({ received: 1 });
  await live(3_000);
  assert.deepEqual(sent(next), []);
  await live(8_000);
  assert.deepEqual(sent(next), [0]);
  client.close();
});

test('a message to a user waits like a publish', async () => {
  const { client, connected, clock } = rig();
  const link = await connected();
  const message = client.sendToUser('bob', 'm', 1);
  link.frame(limited(link.app()[0]!.id, 1_000));
  await clock.advance(1_200);
  assert.deepEqual(link.app().map(({ to }) => to), ['user:bob', 'user:bob']);
  link.frame(reply(link.app()[1]!.id, { delivered: 1 }));
  assert.deepEqual(await message, { delivered: 1 });
  client.close();
});

test('a join that came too fast goes again, and what was published behind it waits for that', async () => {
  const { client, connected, clock } = rig();
  const link = await connected();
  const room = client.room('r');
  const joining = room.join();
  const publish = room.publish('m', 'x');
  const [join] = link.app();
  link.frame(limited(join!.id, 1_000));
  link.frame({ type: 'hub:error', id: publish.id, data: { code: 'not_joined', message: 'no', retry: 'never' } });
  assert.equal(publish.status, 'queued');
  await clock.advance(2_000);
  const again = link.app().filter(({ type }) => type === 'hub:join').at(-1)!;
  assert.notEqual(again.id, join!.id);
  link.frame(reply(again.id, { room: 'r', position: 'e.0.' }));
  await joining;
  await settle();
  assert.deepEqual(sent(link), ['x', 'x']);
  client.close();
});

test('rooms that a new session may not join so fast are joined later', async () => {
  const { client, connected, clock, greeted } = rig();
  const link = await connected();
  const joining = client.room('r').join();
  link.frame(reply(link.app()[0]!.id, { room: 'r', position: 'e.3.c' }));
  await joining;
  client.debug.killLink();
  const next = await greeted();
  next.welcome({ session: 's2', resumed: false, start: 1 });
  await clock.advance(1);
  next.frame(limited(next.app()[0]!.id, 500));
  await clock.advance(2_000);
  const again = next.app().at(-1)!;
  assert.deepEqual([again.type, again.data], ['hub:join', { since: 'e.3.c' }]);
  next.frame(reply(again.id, { room: 'r', position: 'e.3.c', recovered: true }));
  assert.ok(client.room('r').joined);
  client.close();
});

test('an application that goes on publishing twice as fast as the hub takes it is refused a few times only', async () => {
  const { client, connected, clock, live } = rig({ queueMax: 2_000 });
  const link = await connected();
  const room = client.room('r');
  let [tokens, at, seen, refused] = [10, clock.time, 0, 0];
  const taken: unknown[] = [];
  for (let i = 0; i < 3_000; i++) {
    if (i % 5 === 0 && i < 2_000) room.publish('m', i / 5).catch(() => {});
    await live(10);
    tokens = Math.min(10, tokens + (clock.time - at) / 100);
    at = clock.time;
    const frames = link.app().filter(({ type }) => type === 'm');
    for (; seen < frames.length; seen++) {
      const { id, data } = frames[seen]!;
      if (tokens >= 1) {
        tokens -= 1;
        taken.push(data);
        link.frame(reply(id));
      } else {
        refused += 1;
        link.frame(limited(id, Math.ceil((1 - tokens) * 100)));
      }
    }
  }
  assert.ok(taken.length > 250, `${taken.length} taken`);
  assert.deepEqual(taken, [...taken].sort((a, b) => (a as number) - (b as number)));
  assert.ok(refused < 20, `${refused} refused`);
  client.close();
});

test('rooms that can not all be joined at once are joined one after the other', async () => {
  const { client, connected, clock, live } = rig();
  const link = await connected();
  const all = Array.from({ length: 40 }, (_, i) => client.room(`r${i}`).join());
  let [tokens, at, seen, refused] = [5, clock.time, 0, 0];
  for (let i = 0; i < 2_000 && seen < 10_000; i++) {
    await live(10);
    tokens = Math.min(5, tokens + (clock.time - at) / 200);
    at = clock.time;
    const frames = link.app().filter(({ type }) => type === 'hub:join');
    for (; seen < frames.length; seen++) {
      const { id, room } = frames[seen]!;
      if (tokens >= 1) {
        tokens -= 1;
        link.frame(reply(id, { room }));
      } else {
        refused += 1;
        link.frame(limited(id, Math.ceil((1 - tokens) * 200)));
      }
    }
  }
  await Promise.all(all);
  assert.ok(refused < 50, `${refused} refused`);
  client.close();
});
