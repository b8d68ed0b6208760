import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Backoff } from '../src/backoff.js';
import { fromBase64, toBase64 } from '../src/base64.js';
import { CrosspointError, codeOfClose, retryOf } from '../src/codes.js';
import { Emitter } from '../src/emitter.js';
import { decode, encode, encodeText, isCounted, utf8Length, type Frame } from '../src/frame.js';
import { addressOf, baseUrl } from '../src/negotiate.js';

test('the codes are those of the protocol page', () => {
  const page = readFileSync(`${process.env.SDK_DIR}/../../docs/protocol.md`, 'utf8') as string;
  const rows = [...page.matchAll(/^\| `(\w+)` \| (\d+) \| [\d–]+ \| (\w+) \|/gm)];
  assert.ok(rows.length > 20);
  for (const [, code, close, retry] of rows) {
    assert.equal(retryOf(code!), retry, code);
    if (code !== 'bye') assert.equal(codeOfClose(Number(close)), code);
  }
  assert.equal(codeOfClose(1006), 'unavailable');
  assert.equal(retryOf('from_the_future'), 'backoff');
});

test('an error says what the hub said, and has the table for the rest', () => {
  const e = CrosspointError.from({ code: 'shutdown', message: 'soon', retry: 'backoff', retry_after_ms: 70 });
  assert.deepEqual([e.code, e.message, e.retry, e.retryAfterMs], ['shutdown', 'soon', 'backoff', 70]);
  assert.ok(e instanceof Error);
  for (const odd of [null, 7, [], { code: 3, retry: 'maybe', retry_after_ms: -1 }]) {
    const { code, retry } = CrosspointError.from(odd);
    assert.deepEqual([code, retry], ['internal', 'backoff']);
  }
});

test('waits grow to a bound, are spread over it, and are never nothing', () => {
  for (const [chance, expected] of [
    [0, [20, 20, 20, 20, 20, 20]],
    [1 - 1e-12, [200, 400, 800, 1000, 1000, 1000]],
  ] as const) {
    const backoff = new Backoff({ min_ms: 200, max_ms: 1000 }, () => chance);
    assert.deepEqual(expected.map(() => Math.round(backoff.next())), expected);
  }
  const backoff = new Backoff({}, () => 0.999999);
  for (let i = 0; i < 5000; i++) assert.ok(backoff.next() <= 20_000);
  assert.ok(backoff.next(5_000) >= 5_000, 'the hub may ask for more');
  backoff.reset();
  assert.ok(backoff.next() <= 200);
});

test('handlers may come and go while an event is told, and may throw', () => {
  const reports: unknown[] = [];
  const emitter = new Emitter<{ e: number }>((error) => reports.push(error));
  const calls: string[] = [];
  const second = () => calls.push('second');
  emitter.on('e', () => {
    calls.push('first');
    emitter.off('e', second);
    emitter.on('e', () => calls.push('added'));
    throw new Error('mine');
  });
  emitter.on('e', second);
  emitter.once('e', () => {
    calls.push('once');
    emitter.emit('e', 2);
  });
  emitter.emit('e', 1);
  assert.deepEqual(calls, ['first', 'once', 'first', 'added']);
  assert.equal(reports.length, 2);
});

test('a rejected promise of a handler is reported, too', async () => {
  const reports: unknown[] = [];
  const emitter = new Emitter<{ e: number }>((error) => reports.push(error));
  emitter.on('e', async () => {
    throw new Error('later');
  });
  emitter.emit('e', 1);
  await new Promise((resolve) => setTimeout(resolve, 0));
  assert.equal(reports.length, 1);
});

test('binary payloads pass as binary frames and as base64', () => {
  const data = Uint8Array.from({ length: 70_000 }, (_, i) => i * 7);
  const frame: Frame = { type: 'file', room: 'räume', data };
  assert.deepEqual(decode(encode(frame)), frame);
  assert.deepEqual(decode(encodeText(frame)), frame);
  assert.deepEqual(decode((encode(frame) as Uint8Array).slice().buffer as ArrayBuffer), frame);
  assert.deepEqual(fromBase64(toBase64(data)), data);
});

test('what is not a frame is nothing', () => {
  for (const bad of ['', 'x', '[]', '{}', 'null', '{"type":1}', '{"type":"m","data64":"*"}', '{"type":"m","data64":1}']) {
    assert.equal(decode(bad), null, bad);
  }
  assert.equal(decode(new Uint8Array([0])), null);
  assert.equal(decode(new Uint8Array([255, 255, 123, 125])), null);
});

test('a frame is encoded as it was when it was sent', () => {
  const data = { n: 1 };
  const frame = { type: 'm', data };
  encodeText(frame);
  data.n = 2;
  assert.equal(encodeText(frame), '{"type":"m","data":{"n":1}}');
});

test('link frames and volatile frames have no number', () => {
  assert.ok(isCounted({ type: 'm' }) && isCounted({ type: 'hub:join' }));
  assert.ok(!isCounted({ type: 'm', volatile: true }) && !isCounted({ type: 'hub:ack' }));
});

test('lengths are those of UTF-8', () => {
  for (const text of ['', 'abc', 'äöü', '€', '😀x', 'a😀']) assert.equal(utf8Length(text), new TextEncoder().encode(text).length, text);
});

test('addresses', () => {
  assert.equal(baseUrl('ws://h:1/'), 'http://h:1');
  assert.equal(baseUrl('https://h/hub/?x=1#y'), 'https://h/hub');
  const offer = { url: '/ws', head_start_ms: 0, deadline_ms: 1, upgrade: false, hashes: [] };
  assert.equal(addressOf('https://h/hub', { ...offer, name: 'websocket' }), 'wss://h/hub/ws');
  assert.equal(addressOf('http://h:1', { ...offer, name: 'webtransport', url: '/webtransport' }), 'https://h:1/webtransport');
  assert.equal(addressOf('http://h', { ...offer, name: 'sse', url: 'https://other/sse' }), 'https://other/sse');
});
