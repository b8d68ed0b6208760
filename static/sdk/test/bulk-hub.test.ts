import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test, type TestContext } from 'node:test';
import type { ClientImpl } from '../src/client.js';
import type { TransportName } from '../src/links/link.js';
import type { Client, Message, Options } from '../src/types.js';
import { laboratory, person, Talk, until } from './live.js';

const PART = 32_000;
const { hub, behind } = laboratory();

/** Parts of one sender, as they came. */
class Received {
  numbers: number[] = [];
  readonly hash = createHash('sha256');
  bytes = 0;

  constructor(client: Client, from: Client) {
    client.on('message', ({ type, data, from: { session }, bulk }: Message) => {
      if (type !== 'part' || session !== from.session) return;
      assert.ok(bulk);
      this.numbers.push(new DataView(data.buffer, data.byteOffset).getUint32(0));
      this.hash.update(data);
      this.bytes += data.length;
    });
  }
}

/** Sends so many parts; resolves with their checksum when all are on their way to the receiver. */
async function transfer(from: Client, to: Client, parts: number, each: (n: number) => unknown = () => {}): Promise<string> {
  const hash = createHash('sha256');
  const sent: Promise<{ delivered: number }>[] = [];
  for (let n = 0; n < parts; n++) {
    const bytes = new Uint8Array(PART).fill(n);
    new DataView(bytes.buffer).setUint32(0, n);
    hash.update(bytes);
    sent.push(from.sendBulk(`session:${to.session}`, 'part', bytes));
    if (sent.length % 32 === 0) await Promise.all(sent);
    await each(n);
  }
  for (const { delivered } of await Promise.all(sent)) assert.equal(delivered, 1);
  return hash.digest('hex');
}

async function pair(t: TestContext, origin: string, options: Options = {}): Promise<[ClientImpl, ClientImpl]> {
  const people = [person(t, origin, { user: 'ada', backoff: { max_ms: 300 }, ...options }), person(t, origin, { user: 'bob', backoff: { max_ms: 300 }, ...options })] as const;
  for (const client of people) await client.ready();
  return [...people];
}

async function complete(received: Received, parts: number, sum: string): Promise<void> {
  await until(() => received.numbers.length >= parts, () => `all parts came: ${received.numbers.length} of ${parts}`, 60_000);
  assert.deepEqual(received.numbers, Array.from({ length: parts }, (_, n) => n), 'once each, in order');
  assert.equal(received.hash.digest('hex'), sum);
  assert.equal(received.bytes, parts * PART);
}

for (const transport of ['websocket', 'sse'] as const) {
  test(`20 MB come whole, once and in order, both ways, while people talk (${transport})`, async (t: TestContext) => {
    const { origin } = await hub();
    const [ada, bob] = await pair(t, origin, { transports: [transport] });
    const talk = new Talk(`bulk-${transport}`, [ada, bob]);
    await talk.join();
    const [atBob, atAda] = [new Received(bob, ada), new Received(ada, bob)];
    const parts = transport === 'sse' ? 150 : 640;
    let over = false;
    const talking = (async () => {
      while (!over) await talk.say(20);
    })();
    const sums = await Promise.all([transfer(ada, bob, parts), transfer(bob, ada, parts)]);
    over = true;
    await talking;
    await complete(atBob, parts, sums[0]!);
    await complete(atAda, parts, sums[1]!);
    await talk.complete();
    for (const client of [ada, bob]) assert.equal(client.counters.gaps, 0);
  });
}

test('moves and cuts in the middle of a transfer', async (t: TestContext) => {
  const proxy = await behind();
  const [ada, bob] = await pair(t, proxy.origin, { autoUpgrade: false });
  const talk = new Talk('bulk-cuts', [ada, bob]);
  await talk.join();
  const received = new Received(bob, ada);
  const route: TransportName[] = ['sse', 'websocket', 'sse-poll', 'websocket'];
  const sum = await transfer(ada, bob, 320, async (n) => {
    if (n % 40 === 10) await (n % 80 === 10 ? ada : bob).moveTo(route[Math.floor(n / 80) % route.length]!);
    if (n % 80 === 30) await proxy.cut();
    if (n % 80 === 70) bob.debug.killLink();
    if (n % 10 === 0) await talk.say(1);
  });
  await complete(received, 320, sum);
  await talk.complete();
});

test('what cannot be delivered says why', async (t: TestContext) => {
  const { origin } = await hub();
  const [ada, bob] = await pair(t, origin);
  await assert.rejects(ada.sendBulk('session:nobody', 'part', 1), { code: 'not_found' });
  await assert.rejects(ada.sendBulk(`session:${bob.session}`, 'hub:part', 1), { code: 'bad_request' });
  await assert.rejects(ada.sendBulk(`session:${bob.session}`, 'part', new Uint8Array(ada.bulkBytesMax + 2_000)), { code: 'frame_too_large' });
  const got = new Promise<Message>((resolve) => bob.on('message', resolve));
  assert.deepEqual(await ada.sendBulk(`session:${bob.session}`, 'note', { text: 'ok' }), { delivered: 1 });
  const { type, data, from, bulk } = await got;
  assert.deepEqual({ type, data, from, bulk }, { type: 'note', data: { text: 'ok' }, from: { user: 'ada', session: ada.session }, bulk: true });
  const largest = await ada.sendBulk(`session:${bob.session}`, 'part', new Uint8Array(ada.bulkBytesMax));
  assert.deepEqual(largest, { delivered: 1 });
  const session = bob.session!;
  await ada.watch(session);
  const ended = new Promise((resolve) => ada.on('ended', resolve));
  bob.close();
  await ended;
  await assert.rejects(ada.sendBulk(`session:${session}`, 'part', 1), { code: 'not_found' });
});

test('the built file loads its part for bulk from beside it', async (t: TestContext) => {
  const { origin } = await hub();
  const { connect } = await import(`file://${process.env.SDK_DIR}/dist/crosspoint.js`);
  const client: Client = connect(origin, { user: 'ada', transports: ['sse'] });
  t.after(() => client.close());
  await client.ready();
  const received = new Received(client, client);
  const sum = await transfer(client, client, 10);
  await complete(received, 10, sum);
  await assert.rejects(client.sendBulk('session:nobody', 'part'), { name: 'CrosspointError', code: 'not_found' });
});
