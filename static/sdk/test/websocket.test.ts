import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Frame } from '../src/frame.js';
import { WebSocketLink } from '../src/links/websocket.js';
import { FakeClock } from './fakes.js';

class FakeSocket {
  static last: FakeSocket;
  readyState = 0;
  binaryType = 'blob';
  bufferedAmount = 0;
  sent: unknown[] = [];
  closes: number[] = [];
  onopen!: () => void;
  onmessage!: (event: { data: unknown }) => void;
  onclose!: (event: { code: number; reason: string }) => void;
  onerror!: () => void;

  constructor(
    readonly url: string,
    readonly protocol: string,
  ) {
    if (url === 'ws://bad') throw new SyntaxError('bad');
    FakeSocket.last = this;
  }

  send(data: unknown): void {
    this.sent.push(data);
  }

  close(code: number): void {
    this.closes.push(code);
    this.readyState = 3;
  }

  open(): void {
    this.readyState = 1;
    this.onopen();
  }
}

function bench(url = 'ws://h/ws') {
  const seen: unknown[] = [];
  const link = new WebSocketLink(url, {
    clock: new FakeClock(),
    fetch,
    WebSocket: FakeSocket as unknown as typeof WebSocket,
    WebTransport: undefined,
    postBytesMax: () => 1,
    pace: () => ({ silenceMs: 2_500, patienceMs: 2_000 }),
    posts: { factor: 1, bytesMax: Infinity },
    events: {
      frame: (frame: Frame) => seen.push(frame),
      proven: () => seen.push('proven'),
      closed: (error) => seen.push(`closed ${error.code} ${error.retry}`),
      refused: () => {},
      heard: () => seen.push('heard'),
      beat: () => seen.push('beat'),
      acked: () => {},
    },
  });
  return { link, seen };
}

test('frames wait for the socket, and go as text or binary', () => {
  const { link, seen } = bench();
  link.send({ type: 'hub:hello' });
  link.open(false);
  const socket = FakeSocket.last;
  assert.deepEqual([socket.protocol, socket.binaryType], ['crosspoint.v1', 'arraybuffer']);
  assert.deepEqual(socket.sent, []);
  socket.open();
  link.send({ type: 'file', data: Uint8Array.of(1, 2) });
  assert.equal(socket.sent[0], '{"type":"hub:hello"}');
  const binary = socket.sent[1] as Uint8Array;
  assert.deepEqual([...binary.slice(0, 2), ...binary.slice(-2)], [0, 15, 1, 2]);
  socket.onmessage({ data: '{"type":"a","data":1}' });
  socket.onmessage({ data: 'not a frame' });
  socket.onmessage({ data: binary.slice().buffer });
  assert.deepEqual(seen, ['proven', { type: 'a', data: 1 }, { type: 'file', data: Uint8Array.of(1, 2) }]);
});

test('beats go both ways', () => {
  const { link, seen } = bench();
  link.beat();
  link.open(false);
  FakeSocket.last.open();
  link.beat();
  assert.deepEqual(FakeSocket.last.sent, ['{}']);
  FakeSocket.last.onmessage({ data: '{}' });
  assert.deepEqual(seen, ['beat']);
});

test('a probe asks for a pong', () => {
  const { link, seen } = bench();
  link.open(true);
  FakeSocket.last.open();
  assert.deepEqual(FakeSocket.last.sent, ['{"type":"hub:ping","data":{"received":0}}']);
  assert.deepEqual(seen, [], 'an open socket proves nothing');
  FakeSocket.last.onmessage({ data: '{"type":"hub:pong"}' });
  assert.equal(seen[0], 'proven');
});

test('volatile frames are dropped where the socket does not keep up', () => {
  const { link } = bench();
  link.open(false);
  const socket = FakeSocket.last;
  socket.open();
  socket.bufferedAmount = 1 << 20;
  link.send({ type: 't', volatile: true });
  link.send({ type: 'm' });
  assert.deepEqual(socket.sent, ['{"type":"m"}']);
});

test('close codes become errors, once, and hub:close says more', () => {
  const plain = bench();
  plain.link.open(false);
  FakeSocket.last.onclose({ code: 4429, reason: '' });
  FakeSocket.last.onerror();
  assert.deepEqual(plain.seen, ['closed rate_limited backoff']);

  const told = bench();
  told.link.open(false);
  FakeSocket.last.onmessage({ data: '{"type":"hub:close","data":{"code":"shutdown","message":"x","retry":"now"}}' });
  FakeSocket.last.onclose({ code: 1006, reason: '' });
  assert.equal(told.seen.at(-1), 'closed shutdown now');

  const bad = bench('ws://bad');
  bad.link.open(false);
  assert.deepEqual(bad.seen, ['closed unavailable backoff']);
});

test('after close nothing comes any more; bye says so first', () => {
  const { link, seen } = bench();
  link.open(false);
  const socket = FakeSocket.last;
  socket.open();
  link.bye();
  socket.onmessage({ data: '{"type":"a"}' });
  socket.onclose({ code: 1000, reason: '' });
  link.send({ type: 'm' });
  assert.deepEqual([socket.sent, socket.closes, seen], [['{"type":"hub:bye"}'], [1000], []]);
});
