import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Frame } from '../src/frame.js';
import { SsePollLink, SseStreamLink } from '../src/links/sse.js';
import { FakeClock, json, settle } from './fakes.js';

type Answer = Response | Error | null;

/** Links whose POSTs the test answers: each is `[path, body, answer]`. */
function bench(postBytesMax = 10_000) {
  const clock = new FakeClock();
  const posts: { path: string; body: any; bytes: number; aborted: () => boolean; answer(a: Answer): Promise<void> }[] = [];
  const seen: unknown[] = [];
  const fakeFetch = (url: string, init: any) =>
    new Promise<Response>((resolve, reject) => {
      init.signal.addEventListener('abort', () => reject(new DOMException('aborted', 'AbortError')));
      posts.push({
        path: new URL(url).pathname,
        body: JSON.parse(init.body),
        bytes: init.body.length,
        aborted: () => init.signal.aborted,
        async answer(a) {
          if (a instanceof Error) reject(a);
          else if (a) resolve(a);
          await settle();
        },
      });
    });
  const signs = { heard: 0, acked: [] as number[] };
  const context = {
    clock,
    fetch: fakeFetch as unknown as typeof fetch,
    WebSocket: undefined,
    WebTransport: undefined,
    postBytesMax: () => postBytesMax,
    pace: () => ({ silenceMs: 2_500, patienceMs: 2_000 }),
    posts: { factor: 1, bytesMax: Infinity },
    events: {
      frame: (frame: Frame) => seen.push(frame.type),
      proven: () => seen.push('proven'),
      closed: (error: any) => seen.push(`closed ${error.code} ${error.retry}`),
      refused: (frame: Frame, error: any) => seen.push(`refused ${frame.id} ${error.code}`),
      heard: () => (signs.heard += 1),
      beat: () => seen.push('beat'),
      acked: (received: number) => signs.acked.push(received),
    },
  };
  return { clock, posts, seen, signs, context };
}

function stream() {
  let controller!: ReadableStreamDefaultController<Uint8Array>;
  const body = new ReadableStream<Uint8Array>({ start: (c) => void (controller = c) });
  const response = new Response(body, { headers: { 'content-type': 'text/event-stream' } });
  return {
    response,
    async say(text: string) {
      controller.enqueue(new TextEncoder().encode(text));
      await settle();
    },
    async end() {
      controller.close();
      await settle();
    },
  };
}

const OPEN = 'event: open\ndata: {"link":"l1","key":"k1"}\n\n';
const WELCOME = 'data: {"type":"hub:welcome","data":{}}\n\n';
const ok = (received = 1) => json({ received });

async function openStream() {
  const b = bench();
  const link = new SseStreamLink('http://h/sse', b.context);
  const s = stream();
  link.send({ type: 'hub:hello', data: {} }, null);
  link.open(false);
  await settle();
  await b.posts[0]!.answer(s.response);
  await s.say(OPEN + WELCOME);
  return { ...b, link, s };
}

test('the hello goes with the opening request, and frames come out as they come', async () => {
  const { posts, seen, s } = await openStream();
  assert.deepEqual(posts[0]!.body, { mode: 'stream', frames: [{ type: 'hub:hello', data: {} }] });
  assert.deepEqual(seen, ['proven', 'hub:welcome']);
  await s.say('data: {"type":"a"}\n\ndata: {"ty');
  await s.say('pe":"b"}\n\n: heartbeat\n\n');
  await s.end();
  assert.deepEqual(seen.slice(2), ['a', 'b', 'closed unavailable backoff']);
});

test('comments are life, and so are answers to POSTs without frames', async () => {
  const { link, posts, signs, s } = await openStream();
  const before = signs.heard;
  await s.say(':\n\n');
  assert.equal(signs.heard, before + 1);
  link.beat();
  link.beat();
  await settle();
  assert.deepEqual(posts[1]!.body, { key: 'k1', frames: [] });
  await posts[1]!.answer(ok(0));
  assert.deepEqual(signs.acked, [0]);
  link.send({ type: 'a' }, 1);
  link.beat();
  await settle();
  await posts[2]!.answer(ok(1));
  assert.deepEqual([posts.length, signs.acked], [3, [0, 1]], 'a POST under way shows as much');
});

test('a hello that is said in the same turn still goes with the opening request', async () => {
  const { context, posts } = bench();
  const link = new SsePollLink('http://h/sse', context);
  link.open(false);
  link.send({ type: 'hub:hello', data: {} }, null);
  await settle();
  assert.deepEqual(posts.map(({ body }) => body.frames.length), [1]);
  const given = new SsePollLink('http://h/sse', context);
  given.open(false);
  given.close();
  await settle();
  assert.equal(posts.length, 1, 'one that is given up at once asks for nothing');
});

test('a probe carries no frame; its hello is posted to the link', async () => {
  const { context, posts, seen } = bench();
  const link = new SseStreamLink('http://h/sse', context);
  link.open(true);
  await settle();
  assert.deepEqual(posts[0]!.body.frames, []);
  const s = stream();
  await posts[0]!.answer(s.response);
  await s.say(OPEN);
  assert.deepEqual(seen, ['proven']);
  link.send({ type: 'hub:hello', data: { x: 1 } }, null);
  await settle();
  assert.equal(posts[1]!.path, '/sse/l1');
  assert.deepEqual(posts[1]!.body, { key: 'k1', frames: [{ type: 'hub:hello', data: { x: 1 } }] });
  await posts[1]!.answer(json({ error: { code: 'unauthorized', message: 'no', retry: 'refresh' } }, 401));
  assert.deepEqual(seen.slice(1), ['closed unauthorized refresh']);
});

test('one POST at a time, batched, with the number of its first counted frame', async () => {
  const { posts, link } = await openStream();
  link.send({ type: 'hub:ack', data: { received: 1 } }, null);
  link.send({ type: 'm', data: 1 }, 5);
  link.send({ type: 't', data: 1, room: 'r', volatile: true }, null);
  link.send({ type: 'm', data: 2 }, 6);
  await settle();
  assert.equal(posts.length, 2);
  assert.equal(posts[1]!.body.start, 5);
  assert.equal(posts[1]!.body.frames.length, 4);
  link.send({ type: 't', data: 2, room: 'r', volatile: true }, null);
  link.send({ type: 'm', data: 3 }, 7);
  link.send({ type: 't', data: 3, room: 'r', volatile: true }, null);
  link.send({ type: 't', data: 4, room: 'r', volatile: 'other' }, null);
  await settle();
  assert.equal(posts.length, 2, 'the first is under way');
  await posts[1]!.answer(ok());
  assert.equal(posts[2]!.body.start, 7);
  assert.deepEqual(posts[2]!.body.frames.map((f: Frame) => f.data), [3, 3, 4], 'the newest per key');
});

test('a POST that fails is repeated as it was, one that hangs once; then the link is given up for a fresh one', async () => {
  const { posts, link, clock, seen, context } = await openStream();
  link.send({ type: 'm', data: 1 }, 1);
  await settle();
  link.send({ type: 'm', data: 2 }, 2);
  await posts[1]!.answer(new TypeError('reset'));
  await clock.advance(200);
  assert.deepEqual(posts[2]!.body, posts[1]!.body);
  await clock.advance(1_600);
  assert.ok(posts[2]!.aborted(), 'that is long where opening took no time');
  assert.deepEqual(posts[3]!.body, posts[1]!.body);
  await posts[3]!.answer(ok());
  assert.equal(posts[4]!.body.start, 2);
  await clock.advance(4_700);
  assert.equal(posts.length, 6);
  assert.equal(seen.at(-1), 'closed timeout backoff');
  assert.equal(context.posts.factor, 2, 'the fresh one gets twice as long');
  assert.equal(clock.waiting, 0);
});

test('502 and 503 from something in between are tried again for five seconds', async () => {
  const { posts, link, clock, seen } = await openStream();
  link.send({ type: 'm', data: 1 }, 1);
  await settle();
  let n = 1;
  while (seen.length < 3 && n < 50) {
    if (posts[n]) await posts[n++]!.answer(new Response('bad gateway', { status: n % 2 ? 502 : 503 }));
    await clock.advance(100);
  }
  assert.ok(n > 3 && n < 25, `${n} POSTs`);
  assert.ok(clock.time - 1_000 > 5_000 && clock.time - 1_000 < 8_000, `${clock.time}`);
  assert.equal(seen.at(-1), 'closed unavailable backoff');
});

test('Retry-After is kept, in seconds or as a date, and such waits end no link', async () => {
  const { posts, link, clock, seen } = await openStream();
  const answer = (value: string) => new Response('slow down', { status: 429, headers: { 'retry-after': value } });
  link.send({ type: 'm', data: 1 }, 1);
  await settle();
  await posts[1]!.answer(answer('7'));
  await clock.advance(6_999);
  assert.equal(posts.length, 2);
  await clock.advance(101);
  assert.equal(posts.length, 3);
  await posts[2]!.answer(answer(new Date(clock.date() + 9_000).toUTCString()));
  await clock.advance(7_900);
  assert.equal(posts.length, 3);
  await clock.advance(1_400);
  assert.equal(posts.length, 4);
  await posts[3]!.answer(ok());
  assert.equal(seen.length, 2, 'the link lives');
});

test('a link that the hub no longer knows is left at once; the session goes on by another', async () => {
  const { posts, link, seen } = await openStream();
  link.send({ type: 'm' }, 1);
  await settle();
  await posts[1]!.answer(json({ error: { code: 'not_found', message: 'gone', retry: 'never' } }, 404));
  assert.deepEqual(seen.slice(2), ['closed not_found now']);
  assert.ok(posts[0]!.aborted());
});

test('bodies stay below the limit, and are halved where a proxy wants less', async () => {
  const { posts, link } = await openStream();
  for (let i = 1; i <= 30; i++) link.send({ type: 'm', data: 'x'.repeat(1_000) }, i);
  await settle();
  assert.ok(posts[1]!.bytes <= 10_000 && posts[1]!.bytes > 8_000, `${posts[1]!.bytes}`);
  await posts[1]!.answer(new Response('too large', { status: 413 }));
  const bytes = posts[2]!.bytes;
  assert.ok(bytes <= 5_100, `${bytes}`);
  let next = 1;
  for (let i = 2; i < posts.length; i++) {
    assert.equal(posts[i]!.body.start, next);
    next += posts[i]!.body.frames.length;
    await posts[i]!.answer(ok());
  }
  assert.equal(next, 31);
});

test('where connections break after some bytes, smaller bodies get through', async () => {
  const { posts, link, clock, seen } = await openStream();
  for (let i = 1; i <= 30; i++) link.send({ type: 'm', data: 'x'.repeat(1_000) }, i);
  await settle();
  let next = 1;
  for (let i = 1; i < posts.length || next <= 30; i++) {
    while (!posts[i]) await clock.advance(50);
    const { body, bytes } = posts[i]!;
    assert.equal(body.start, next);
    if (bytes < 4_000) next += body.frames.length;
    await posts[i]!.answer(bytes < 4_000 ? ok() : new TypeError('reset'));
  }
  assert.ok(posts.length < 40, `${posts.length} POSTs`);
  assert.equal(seen.length, 2, 'the link lives');
});

test('a frame that is too large alone fails alone: an empty one takes its number', async () => {
  const { posts, link, seen } = await openStream();
  link.send({ type: 'm', data: 'x'.repeat(3_000), room: 'r', id: 'big' }, 1);
  link.send({ type: 'm', data: 'y'.repeat(3_000), to: 'user:b' }, 2);
  link.send({ type: 'm', data: 'small', room: 'r', id: 'small' }, 3);
  await settle();
  const taken: Frame[] = [];
  for (let i = 1; i < posts.length; i++) {
    const { body, bytes } = posts[i]!;
    if (bytes <= 1_000) taken.push(...body.frames);
    if (bytes <= 1_000) assert.equal(body.start + body.frames.length - 1, taken.length);
    await posts[i]!.answer(bytes > 1_000 ? new Response('', { status: 413 }) : ok());
  }
  assert.deepEqual(taken, [
    { type: 'hub:void', id: 'big' },
    { type: 'hub:answer', request: '-' },
    { type: 'm', data: 'small', room: 'r', id: 'small' },
  ]);
  assert.deepEqual(seen.slice(2), ['refused big frame_too_large', 'refused undefined frame_too_large']);
});

test('the goodbye takes along what waits', async () => {
  const { posts, link, clock } = await openStream();
  link.send({ type: 'm', data: 1 }, 1);
  await settle();
  link.send({ type: 'm', data: 2 }, 2);
  link.bye(false);
  await settle();
  assert.deepEqual(posts[2]!.body, { key: 'k1', start: 1, frames: [{ type: 'm', data: 1 }, { type: 'm', data: 2 }, { type: 'hub:bye' }] });
  assert.equal(posts[0]!.aborted(), false, 'the stream ends after the goodbye');
  await posts[2]!.answer(ok());
  assert.ok(posts[0]!.aborted());
  assert.equal(clock.waiting, 0);
});

test('what is not an event stream is no link', async () => {
  const { context, posts, seen } = bench();
  new SseStreamLink('http://h/sse', context).open(true);
  await settle();
  await posts[0]!.answer(new Response('<html>log in</html>', { headers: { 'content-type': 'text/html' } }));
  assert.deepEqual(seen, ['closed unavailable backoff']);
});

test('hub:close is what the link ended with', async () => {
  const { s, seen } = await openStream();
  await s.say('data: {"type":"hub:close","data":{"code":"shutdown","message":"soon","retry":"now"}}\n\n');
  await s.end();
  assert.deepEqual(seen.slice(2), ['hub:close', 'closed shutdown now']);
});

test('polls name the last batch, are repeated when lost, and a repeated batch counts once', async () => {
  const { context, posts, seen, clock } = bench();
  const link = new SsePollLink('http://h/sse', context);
  link.send({ type: 'hub:hello', data: {} }, null);
  link.open(false);
  await settle();
  assert.deepEqual(posts[0]!.body, { mode: 'poll', frames: [{ type: 'hub:hello', data: {} }] });
  await posts[0]!.answer(json({ link: 'l', key: 'k', batch: 1, received: 0, frames: [{ type: 'hub:welcome', data: {} }] }));
  assert.deepEqual(posts[1]!.body, { key: 'k', poll: { batch: 1, wait_ms: 2_500 } });
  link.send({ type: 'm' }, 1);
  await settle();
  assert.deepEqual(posts[2]!.body, { key: 'k', start: 1, frames: [{ type: 'm' }] }, 'the uplink runs beside a poll');
  await posts[1]!.answer(new TypeError('reset'));
  await clock.advance(500);
  assert.deepEqual(posts[3]!.body, posts[1]!.body);
  await posts[3]!.answer(json({ received: 1, batch: 2, frames: [{ type: 'a' }] }));
  await posts[4]!.answer(json({ received: 1, batch: 2, frames: [{ type: 'a' }] }));
  await posts[5]!.answer(json({ received: 1, batch: 3, frames: [] }));
  assert.deepEqual(seen, ['proven', 'hub:welcome', 'a']);
  await posts[6]!.answer(json({ error: { code: 'not_found', message: 'over', retry: 'never' } }, 404));
  assert.equal(seen.at(-1), 'closed not_found now');
  await posts[2]!.answer(ok());
  assert.equal(clock.waiting, 0);
});

test('a poll that hangs ends the link: the next one may go better', async () => {
  const { context, posts, seen, clock } = bench();
  const link = new SsePollLink('http://h/sse', context);
  link.open(false);
  await settle();
  await posts[0]!.answer(json({ link: 'l', key: 'k', batch: 1, received: 0, frames: [] }));
  await clock.advance(4_499);
  assert.equal(seen.length, 1);
  await clock.advance(1);
  assert.equal(seen.at(-1), 'closed timeout backoff');
  assert.equal(posts.length, 2);
});
