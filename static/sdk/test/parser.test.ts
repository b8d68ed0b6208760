import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SseParser, type SseEvent } from '../src/links/sse-parser.js';

function parse(...pieces: string[]): SseEvent[] {
  const events: SseEvent[] = [];
  const parser = new SseParser((event) => events.push(event));
  for (const piece of pieces) parser.push(piece);
  return events;
}

const STREAM =
  '\ufeffevent: open\r\ndata: {"link":"l"}\r\n\r\n: heartbeat\r\rid: e1.4.m\ndata: one\ndata:two\ndata\n\nevent: x\n\nretry: 5\ndata:  three\r\n\r\n';
const EVENTS = [
  { event: 'open', data: '{"link":"l"}' },
  { event: 'message', data: 'one\ntwo\n' },
  { event: 'message', data: ' three' },
];

test('a stream is read by the rules of WHATWG HTML 9.2', () => {
  assert.deepEqual(parse(STREAM), EVENTS);
});

test('it does not matter where the stream is cut', () => {
  assert.deepEqual(parse(...STREAM), EVENTS, 'after each character');
  for (let at = 0; at <= STREAM.length; at++) assert.deepEqual(parse(STREAM.slice(0, at), STREAM.slice(at)), EVENTS, `at ${at}`);
});

test('an event without an empty line after it has not come', () => {
  assert.deepEqual(parse('data: a\n'), []);
  assert.deepEqual(parse('data: a\n', '\n'), [{ event: 'message', data: 'a' }]);
});

test('an event that never ends is refused', () => {
  const parser = new SseParser(() => {});
  assert.throws(() => {
    for (let i = 0; i < 40; i++) parser.push('x'.repeat(1024 * 1024));
  });
});
