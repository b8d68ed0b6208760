import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { CrosspointError } from '../src/codes.js';
import { MemoryStore } from '../src/rtc/files/memory.js';
import { Reader, Source } from '../src/rtc/files/source.js';
import { SEGMENT_BYTES, Segments, Sunk, type Manifest, type TargetHooks } from '../src/rtc/files/store.js';
import { chunk, chunkOf } from '../src/rtc/files/wire.js';
import { random } from './hub.js';

const bytes = (length: number, seed: number): Uint8Array<ArrayBuffer> => {
  const dice = random(seed);
  return Uint8Array.from({ length }, () => dice() * 256);
};
const manifest = (size: number, t = 't'): Manifest => ({ t, name: 'f.bin', type: 'text/x', size, hub: 'http://h', room: 'r', from: 'a', to: 'b', since: 0 });
const content = async (blob: Blob) => new Uint8Array(await blob.arrayBuffer());
const digest = (data: Uint8Array) => createHash('sha256').update(data).digest('hex');

function watched(): TargetHooks & { count: number; error: unknown } {
  const hooks = {
    count: 0,
    error: null as unknown,
    settled: (count: number) => (hooks.count = count),
    failed: (error: unknown) => (hooks.error ??= error),
  };
  return hooks;
}

test('pieces of any size become a file; after an interruption the whole segments are there', async () => {
  for (const [size, stop] of [[0, 0], [1, 0], [SEGMENT_BYTES, 0], [SEGMENT_BYTES * 2 + 5, SEGMENT_BYTES + 77], [SEGMENT_BYTES * 2, SEGMENT_BYTES * 2 - 1]] as const) {
    const data = bytes(size, size + 1);
    const store = new MemoryStore();
    const dice = random(size + 2);
    const write = (target: Segments, from: number, to: number) => {
      for (let at = from; at < to; ) {
        const next = Math.min(to, at + 1 + Math.floor(dice() * 70_000));
        target.write(data.subarray(at, next));
        at = next;
      }
    };
    const first = new Segments(await store.open(manifest(size)), manifest(size), watched());
    assert.equal(await first.replay(() => assert.fail('nothing is there')), 0);
    write(first, 0, stop);
    first.leave();
    await new Promise((resolve) => setTimeout(resolve, 0));
    const held = Math.floor(stop / SEGMENT_BYTES) * SEGMENT_BYTES;
    assert.deepEqual((await store.list()).map(({ held }) => held), [held]);
    const hooks = watched();
    const second = new Segments(await store.open(manifest(size)), manifest(size), hooks);
    const again: Uint8Array[] = [];
    assert.equal(await second.replay((part) => again.push(part)), held);
    assert.deepEqual(Buffer.concat(again), Buffer.from(data.subarray(0, held)));
    write(second, held, size);
    const file = await second.finish();
    assert.deepEqual([file.name, file.type, file.size], ['f.bin', 'text/x', size]);
    assert.ok(Buffer.from(await content(file)).equals(Buffer.from(data)));
    assert.equal(hooks.error, null);
    if (size > held) assert.equal(hooks.count, size);
    assert.deepEqual(await store.list(), []);
  }
});

test('memory has a limit, and gives up what nobody has in hand', async () => {
  const store = new MemoryStore();
  const half = 128 << 20;
  const a = await store.open(manifest(half, 'a'));
  await store.open(manifest(half, 'b'));
  await assert.rejects(store.open(manifest(1, 'c')), ({ code }: CrosspointError) => code === 'limit_exceeded');
  a.release();
  await store.open(manifest(1, 'c'));
  assert.deepEqual(await store.list(), []);
  await assert.rejects(store.open(manifest((256 << 20) + 1, 'd')), ({ code }: CrosspointError) => code === 'limit_exceeded');
});

test('while a segment is being written only one more fills', async () => {
  const size = SEGMENT_BYTES * 4;
  const writes: (() => void)[] = [];
  const kept = {
    segments: async () => [],
    put: () => new Promise<void>((resolve) => writes.push(resolve)),
    finish: async () => {},
    remove: async () => {},
    release: () => {},
  };
  const hooks = watched();
  const target = new Segments(kept, manifest(size), hooks);
  const settle = () => new Promise((resolve) => setTimeout(resolve, 0));
  target.write(new Uint8Array(SEGMENT_BYTES + 100));
  await settle();
  assert.equal(hooks.count, SEGMENT_BYTES + 100);
  target.write(new Uint8Array(SEGMENT_BYTES));
  await settle();
  assert.equal(hooks.count, SEGMENT_BYTES + 100, 'two segments wait');
  writes.shift()!();
  await settle();
  assert.equal(hooks.count, SEGMENT_BYTES * 2 + 100);
});

test('a sink gets the bytes one after the other, and hears why it is given up', async () => {
  const got: number[] = [];
  let aborted: unknown = null;
  const hooks = watched();
  const sink = {
    write: async (part: Uint8Array) => {
      await new Promise((resolve) => setTimeout(resolve, part[0] === 1 ? 20 : 0));
      got.push(...part);
    },
    close: () => {},
    abort: (reason: unknown) => (aborted = reason),
  };
  const target = new Sunk(sink, hooks);
  const shared = new Uint8Array([1, 2]);
  target.write(shared);
  shared.fill(9);
  target.write(new Uint8Array([3]));
  assert.equal(await target.finish(), null);
  assert.deepEqual([got, hooks.count], [[1, 2, 3], 3]);
  const error = new CrosspointError('checksum');
  target.drop(error);
  await new Promise((resolve) => setTimeout(resolve, 0));
  assert.equal(aborted, error);
});

test('what is read is digested in passing, whoever reads where', async () => {
  const data = bytes(3_500_001, 5);
  const source = new Source(new Blob([data]));
  const readers = [new Reader(source), new Reader(source)];
  const at = [0, 0];
  const dice = random(9);
  while (at[0]! < data.length) {
    const which = dice() < 0.6 ? 0 : 1;
    if (dice() < 0.05) at[which] = Math.floor(dice() * at[which]!);
    const part = await readers[which]!.read(at[which]!, 60_000);
    assert.ok(Buffer.from(part).equals(Buffer.from(data.subarray(at[which], at[which]! + part.length))));
    assert.ok(part.length > 0 || at[which] === data.length);
    at[which]! += part.length;
  }
  assert.equal(await source.digest(), digest(data));
  const unread = new Source(new Blob([data]));
  await new Reader(unread).read(2_000_000, 10);
  assert.equal(await unread.digest(), digest(data), 'also what nobody has read');
});

test('a piece names its transfer and its place', () => {
  const t = 'ff00112233445566778899aabbccddee';
  for (const offset of [0, 1, 2 ** 32 - 1, 2 ** 32, 2 ** 40 + 12_345, Number.MAX_SAFE_INTEGER - 3]) {
    assert.deepEqual(chunkOf(chunk(t, offset, new Uint8Array([1, 2, 3]))), { t, offset, bytes: new Uint8Array([1, 2, 3]) });
  }
  assert.equal(chunkOf(new Uint8Array(23)), null);
});
