import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressOf } from '../src/io/address.js';
import { pack, typeOf, unpack } from '../src/io/codec.js';
import io, { Manager, type Socket } from '../src/io/index.js';
import { RetryQueue } from '../src/io/retries.js';

/** As it goes over the wire. */
const wired = (data: unknown) => (data instanceof Uint8Array ? data : JSON.parse(JSON.stringify(data ?? null)));
const there = (...args: unknown[]) => unpack(wired(pack(args))).args;
const bytes = (value: any) => [...new Uint8Array(value)];

test('arguments arrive as they were given', () => {
  for (const args of [[], [1], ['a', 2], [null], [undefined, 1], [[]], [[1, [2]]], [{ a: [1] }], [[1], [2]], [true, {}, 'x']]) {
    assert.deepEqual(there(...args), JSON.parse(JSON.stringify(args)));
  }
  assert.deepEqual(there(new Date(0)), ['1970-01-01T00:00:00.000Z']);
});

test('one argument is plain data to others, and plain data is one argument', () => {
  assert.deepEqual(pack([{ text: 'hi' }]), { text: 'hi' });
  assert.deepEqual(pack(['hi']), 'hi');
  assert.deepEqual(pack([1, 2]), [1, 2, { $io: 1 }]);
  assert.deepEqual(unpack([1, 2]).args, [[1, 2]]);
  assert.deepEqual(unpack(null).args, []);
  assert.deepEqual(unpack([{ $io: 2 }]).args, [[{ $io: 2 }]]);
});

test('bytes arrive as bytes, alone and inside', async () => {
  const data = new Uint8Array([0, 255, 7]);
  assert.ok(pack([data]) instanceof Uint8Array);
  assert.notEqual(pack([data]), data, 'a copy');
  assert.deepEqual(bytes(there(data.buffer)[0]), [0, 255, 7]);
  const given = { file: { parts: [data, data.buffer, new DataView(data.buffer, 1, 1)] }, 'a.b': data };
  const [got, rest] = there(given, 'rest') as any[];
  assert.deepEqual(got.file.parts.map(bytes), [[0, 255, 7], [0, 255, 7], [255]]);
  assert.deepEqual(bytes(got['a.b']), [0, 255, 7]);
  assert.equal(rest, 'rest');
  assert.equal(given.file.parts[0], data, 'what was given is as it was');
  const blob = await pack([[new Blob(['ab'])], 1]);
  assert.deepEqual(bytes((unpack(wired(blob)).args as any)[0][0]), [97, 98]);
});

test('a mark that lies changes nothing else', () => {
  for (const bin of [[['__proto__', 'x']], [[0, 'constructor', 'name']], [[5]], [[]], 7, [['a', 'b']], [[0]]]) {
    assert.deepEqual(unpack([{ a: 1 }, { $io: 1, bin }]).args, [{ a: 1 }]);
  }
  assert.deepEqual(unpack(['not base64!', { $io: 1, bin: [[0]] }]).args, ['not base64!']);
});

test('names that no frame can have are escaped', () => {
  assert.deepEqual(typeOf('join room'), { type: 'join room' });
  for (const name of ['', 'hub:join', 'io:join', 'a\nb', 'x'.repeat(129)]) assert.deepEqual(typeOf(name), { type: 'io:event', ev: name });
  const { type, ...meta } = typeOf('hub:join');
  assert.deepEqual([type, unpack(wired(pack([1], meta))).meta.ev], ['io:event', 'hub:join']);
});

test('addresses', () => {
  const of = (uri: string, path?: string) => addressOf(uri, path);
  assert.deepEqual(of('https://host:1/chat?a=b'), { base: 'https://host:1', nsp: '/chat', query: { a: 'b' } });
  assert.deepEqual(of('ws://host'), { base: 'http://host', nsp: '/', query: {} });
  assert.equal(of('host:3000').base, 'http://host:3000');
  assert.equal(of('https://host', '/socket.io/').base, 'https://host');
  assert.equal(of('https://host', '/hub/').base, 'https://host/hub');
  assert.throws(() => addressOf(undefined, undefined), TypeError);
});

const nowhere = { fetch: (async () => { throw new TypeError('no network'); }) as typeof fetch, reconnectionDelay: 20, reconnectionDelayMax: 20 };
const event = (emitter: any, name: string) =>
  new Promise<any[]>((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`no ${name}`)), 10_000);
    emitter.once(name, (...args: any[]) => (clearTimeout(late), resolve(args)));
  });

test('attempts are counted, and end where the page wants', async () => {
  const socket = io('http://127.0.0.1:9', { ...nowhere, reconnectionAttempts: 2 });
  const seen: unknown[] = [];
  for (const name of ['error', 'reconnect_attempt', 'reconnect_error', 'reconnect_failed'] as const) {
    socket.io.on(name, (value?: unknown) => seen.push(value instanceof Error ? name : [name, value]));
  }
  socket.on('connect_error', (error) => seen.push(`connect_error ${error instanceof Error}`));
  await event(socket.io, 'reconnect_failed');
  await new Promise((resolve) => setTimeout(resolve));
  const tried = (n: number) => [['reconnect_attempt', n], 'error', 'connect_error true'];
  assert.deepEqual(seen, ['error', 'connect_error true', ...tried(1), 'reconnect_error', ...tried(2), ['reconnect_failed', undefined], 'reconnect_error']);
  assert.equal(socket.connected, false);
});

test('without reconnection one attempt is made; connect() makes another', async () => {
  const socket = io('http://127.0.0.1:9', { ...nowhere, reconnection: false, forceNew: true });
  let errors = 0;
  socket.on('connect_error', () => (errors += 1));
  await event(socket, 'connect_error');
  assert.equal(socket.io.client, null);
  socket.connect();
  await event(socket, 'connect_error');
  assert.equal(errors, 2);
});

test('emits wait for the connection, but for volatile ones and those whose time is over', async () => {
  const socket = io('http://127.0.0.1:9', { ...nowhere, autoConnect: false, forceNew: true });
  assert.equal(socket.active, false);
  socket.emit('a', 1).emit('b');
  socket.volatile.emit('c');
  const late = socket.timeout(1).emitWithAck('d');
  assert.deepEqual(socket.sendBuffer.map(({ event }) => event), ['a', 'b', 'd']);
  await assert.rejects(late, { message: 'operation has timed out' });
  assert.deepEqual(socket.sendBuffer.map(({ event }) => event), ['a', 'b']);
  assert.throws(() => socket.emit('connect'), /reserved/);
});

test('listeners', () => {
  const socket = io('http://127.0.0.1:9', { ...nowhere, autoConnect: false, forceNew: true });
  const heard: string[] = [];
  const first = () => heard.push('first');
  const tell = (name: string) => (socket as any).tell(name);
  socket.on('x', () => void socket.off('x', first)).on('x', first).once('x', () => heard.push('once'));
  tell('x');
  tell('x');
  // Who was there when the event came is told, as in socket.io.
  assert.deepEqual(heard, ['first', 'once']);
  assert.equal(socket.listeners('x').length, 1);
  assert.equal(socket.off('x').hasListeners('x'), false);
  assert.equal(socket.prependAny(first).onAny(tell).listenersAny()[0], first);
  assert.deepEqual(socket.offAny().listenersAny(), []);
});

test('with retries, emits go one after another until they are acknowledged', () => {
  const sent: [unknown, (error: Error | null, answer?: unknown) => void][] = [];
  let connected = false;
  const queue = new RetryQueue<object>(1, () => connected, (args) => sent.push([args[0], args.at(-1) as any]));
  const results: unknown[] = [];
  queue.add(['a', (error: Error | null, answer: unknown) => results.push(['a', error?.message, answer])], {});
  queue.add(['b', (error: Error | null) => results.push(['b', error?.message])], {});
  assert.equal(sent.length, 0);
  connected = true;
  queue.drain(true);
  sent[0]![1](new Error('lost'));
  sent[1]![1](null, 'ok');
  assert.deepEqual(results, [['a', undefined, 'ok']]);
  sent[2]![1](new Error('lost'));
  sent[3]![1](new Error('lost again'));
  assert.deepEqual([sent.map(([name]) => name), results[1]], [['a', 'a', 'b', 'b'], ['b', 'lost again']]);
});

test('namespaces of one hub share a session; the shapes of events are typed', () => {
  interface FromServer {
    note: (text: string, at: number) => void;
  }
  interface ToServer {
    ask: (what: string, done: (answer: number) => void) => void;
  }
  const manager = new Manager('http://127.0.0.1:9', { ...nowhere, autoConnect: false });
  const socket: Socket<FromServer, ToServer> = manager.socket('/');
  socket.on('note', (text, at) => text.length + at);
  socket.on('disconnect', (reason) => reason === 'transport close');
  socket.emit('ask', 'why', (answer) => answer + 1);
  assert.equal(manager.socket('/'), socket);
  assert.equal(manager.socket('/chat').io, manager);
  assert.notEqual(manager.socket('/', { room: 'a' }), manager.socket('/', { room: 'b' }));
  const again = { ...nowhere, autoConnect: false };
  const [one, two] = [io('http://127.0.0.1:7/a', again), io('http://127.0.0.1:7/b', again)];
  assert.equal(one.io, two.io);
  assert.notEqual(io('http://127.0.0.1:7/a', again).io, one.io);
});
