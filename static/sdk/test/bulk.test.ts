import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CrosspointError } from '../src/codes.js';
import type { Frame } from '../src/frame.js';
import { rig, settle, type FakeLink } from './fakes.js';

const MAIN = { bulk: true };
const BULK = { session: 'b1', resume: 'more', limits: { frame_bytes_max: 65_536, bulk_frames_max: 4, bulk_bytes_max: 40_000 } };

/** A client whose main link is welcomed, at a hub that takes bulk. */
async function begun(options = {}) {
  const all = rig(options);
  await settle();
  all.last().welcome(MAIN);
  await all.clock.advance(1);
  const [main] = all.links;
  /** The newest link, which has said hello for the bulk session. */
  const asked = async (): Promise<FakeLink> => {
    await settle();
    assert.ok(all.last().hello().bulk_for, 'a link for the bulk session');
    return all.last();
  };
  const welcomed = async (more: object = {}) => {
    const link = await asked();
    link.welcome({ ...BULK, ...more });
    await settle();
    return link;
  };
  return { ...all, main: main!, asked, welcomed };
}

const reply = (link: FakeLink, id: string | undefined) => link.frame({ type: 'hub:reply', id: id!, data: { delivered: 1 } });

test('bulk goes by a session and a link of its own, so much of it at a time', async () => {
  const { client, main, links, welcomed } = await begun();
  assert.equal(main.hello().bulk, true);
  assert.equal(client.bulkBytesMax, 48_384);
  const sent = Array.from({ length: 6 }, (_, i) => client.sendBulk('session:s2', 'chunk', i));
  const bulk = await welcomed();
  const { session, bulk_for, ticket, beat_ms } = bulk.hello();
  assert.deepEqual({ session, bulk_for, ticket, beat_ms }, { session: undefined, bulk_for: { session: 's1', resume: 'secret' }, ticket: undefined, beat_ms: undefined });
  assert.equal(bulk.transport, main.transport);
  assert.deepEqual(bulk.app().map(({ data, to }) => [data, to]), [0, 1, 2, 3].map((n) => [n, 'session:s2']));
  reply(bulk, bulk.app()[0]!.id);
  assert.deepEqual(await sent[0], { delivered: 1 });
  assert.equal(bulk.app().length, 5);
  bulk.frame({ type: 'hub:error', id: bulk.app()[1]!.id!, data: { code: 'not_found', message: 'gone', retry: 'never' } });
  await assert.rejects(sent[1]!, { code: 'not_found' });
  for (const { id } of bulk.app().slice(2)) reply(bulk, id);
  reply(bulk, bulk.app()[5]!.id);
  await Promise.all(sent.slice(2));
  assert.equal(main.app().length, 0);
  assert.equal(links.length, 2);
  client.close();
  assert.ok(bulk.closed);
});

test('bytes are bounded too, one frame alone may have more', async () => {
  const { client, welcomed } = await begun();
  const bytes = (n: number) => client.sendBulk('session:s2', 'chunk', new Uint8Array(n));
  const all = [bytes(45_000), bytes(10_000), bytes(10_000), bytes(10_000)];
  const bulk = await welcomed();
  const counts = [1, 3, 4];
  for (const [i, count] of counts.entries()) {
    assert.equal(bulk.app().length, count);
    reply(bulk, bulk.app()[i]!.id);
    await settle();
  }
  reply(bulk, bulk.app()[3]!.id);
  await Promise.all(all);
  await assert.rejects(bytes(60_000), { code: 'frame_too_large' });
  client.close();
});

test('the hub asks for the bulk session; what comes by it is a message like others, and acknowledged', async () => {
  const { client, main, welcomed, clock } = await begun();
  const seen: unknown[] = [];
  client.on('message', ({ type, data, from, bulk }) => seen.push([type, data, from.session, bulk]));
  const via: unknown[] = [];
  client.on('frame', ({ direction, frame, via: way }) => frame.type === 'chunk' && via.push([direction, way]));
  main.frame({ type: 'hub:bulk', data: {} });
  const bulk = await welcomed();
  bulk.frame({ type: 'chunk', data: 'x', from: { user: 'bob', session: 's2' }, bulk: true });
  main.frame({ type: 'chunk', data: 'y', from: { user: 'bob', session: 's2' } });
  assert.deepEqual(seen, [['chunk', 'x', 's2', true], ['chunk', 'y', 's2', false]]);
  assert.deepEqual(via, [['in', 'bulk'], ['in', 'stream']]);
  await clock.advance(1_500);
  assert.deepEqual(bulk.sent.filter(({ frame }) => frame.type === 'hub:ack').map(({ frame }) => frame.data), [{ received: 1 }]);
  client.close();
});

test('the bulk link follows the main one, and nothing is sent twice or left out', async () => {
  const { client, links, last, welcomed } = await begun();
  const sent = [1, 2, 3].map((n) => client.sendBulk('session:s2', 'chunk', n));
  const first = await welcomed();
  const moving = client.moveTo('sse');
  await settle();
  const main = last();
  assert.equal(main.transport, 'sse');
  main.welcome({ ...MAIN, resumed: true });
  await moving;
  await settle();
  const second = last();
  assert.deepEqual([second.transport, second.hello().session, second.hello().bulk_for.session], ['sse', 'b1', 's1']);
  assert.ok(!first.closed, 'the old one is used until the new one is welcomed');
  second.welcome({ ...BULK, received: 1 });
  assert.ok(first.closed);
  assert.deepEqual(second.app().map(({ data }) => data), [2, 3]);
  for (const { id } of first.app()) reply(second, id);
  assert.deepEqual(await Promise.all(sent), sent.map(() => ({ delivered: 1 })));
  assert.equal(links.length, 4);
  client.close();
});

test('a bulk link that dies comes back beside the main one', async () => {
  const { client, links, main, welcomed, clock } = await begun();
  const sent = client.sendBulk('session:s2', 'chunk', 1);
  const first = await welcomed();
  first.fail(new CrosspointError('unavailable'));
  await clock.advance(300);
  const second = await welcomed();
  assert.notEqual(second, first);
  assert.equal(second.hello().session, 'b1');
  reply(second, second.app()[0]!.id);
  await sent;
  assert.ok(!main.closed);
  assert.equal(links.length, 3);
  client.close();
});

test('a lost main link takes the bulk link with it; a new main session gets a new one, which begins with what was open', async () => {
  const { client, main, links, last, welcomed, clock } = await begun();
  const sent = [1, 2].map((n) => client.sendBulk('session:s2', 'chunk', n));
  const bulk = await welcomed();
  reply(bulk, bulk.app()[0]!.id);
  await sent[0];
  main.fail(new CrosspointError('unavailable'));
  assert.ok(bulk.closed);
  await clock.advance(300);
  const again = links.filter((link: FakeLink) => !link.hello()?.bulk_for).at(-1)!;
  again.welcome({ ...MAIN, session: 's9', resume: 'other', resumed: false, start: 1 });
  await settle();
  const { session, bulk_for } = last().hello();
  assert.deepEqual([session, bulk_for], [undefined, { session: 's9', resume: 'other' }]);
  last().welcome({ ...BULK, session: 'b2' });
  await settle();
  assert.deepEqual(last().app().map(({ data }) => data), [2]);
  reply(last(), last().app()[0]!.id);
  await sent[1];
  client.close();
});

test('what is cancelled, or left when the client closes, fails; a hub without bulk is told at once', async () => {
  const { client, welcomed } = await begun();
  const stop = new AbortController();
  const sent = Array.from({ length: 5 }, (_, i) => client.sendBulk('session:s2', 'chunk', i, i > 2 ? { signal: stop.signal } : {}));
  for (const one of sent) one.catch(() => {});
  const bulk = await welcomed();
  stop.abort();
  for (const one of sent.slice(3)) await assert.rejects(one, { code: 'bye' });
  await assert.rejects(client.sendBulk('session:s2', 'chunk', 1, { signal: stop.signal }), { code: 'bye' });
  reply(bulk, bulk.app()[0]!.id);
  await sent[0];
  assert.equal(bulk.app().length, 4, 'the one that waited is not sent');
  client.close();
  for (const one of sent.slice(1, 3)) await assert.rejects(one, { code: 'bye' });
  await assert.rejects(client.sendBulk('session:s2', 'chunk'), { code: 'bye' });

  const old = rig();
  await old.connected();
  await assert.rejects(old.client.sendBulk('session:s2', 'chunk'), { code: 'unavailable', retry: 'never' });
  old.client.close();
});

test('a hub that refuses the bulk session says why; a later one is tried again', async () => {
  const { client, asked, welcomed } = await begun();
  const sent = client.sendBulk('session:s2', 'chunk', 1);
  const close = { code: 'limit_exceeded', message: 'no', retry: 'never' };
  (await asked()).frame({ type: 'hub:close', data: close });
  await assert.rejects(sent, { code: 'limit_exceeded' });
  const next = client.sendBulk('session:s2', 'chunk', 2);
  const bulk = await welcomed();
  reply(bulk, bulk.app().at(-1)!.id);
  await next;
  client.close();
});

test('a link that nothing needs is closed, and opened again when the hub asks', async () => {
  const { client, main, welcomed, clock, links } = await begun();
  const sent = client.sendBulk('session:s2', 'chunk', 1);
  const first = await welcomed();
  reply(first, first.app()[0]!.id);
  await sent;
  const until = clock.time + 70_000;
  while (clock.time < until) {
    await clock.advance(5_000);
    for (const link of [main, first]) link.frame({ type: 'hub:ping', data: { received: link === first ? 1 : 0 } });
  }
  assert.ok(first.closed);
  assert.equal(links.length, 2);
  main.frame({ type: 'hub:bulk', data: {} } satisfies Frame);
  const second = await welcomed({ received: 1 });
  assert.equal(second.hello().session, 'b1');
  client.close();
});
