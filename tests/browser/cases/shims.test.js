// The Socket.IO-shaped client and the plain one, beside clients of other kinds.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { after, before, test } from 'node:test';
import { Server } from '../../../static/sdk/dist/crosspoint-io-server.js';
import { launch, openPage } from '../lib/browser.js';
import { Hub } from '../lib/hub.js';
import { until } from '../lib/process.js';
import { FaultProxy } from '../lib/proxy.js';

let hub, browser;
const open = [];

before(async () => {
  hub = await Hub.start();
  browser = await launch();
});
after(async () => {
  for (const end of open.reverse()) await end();
  await browser?.close();
  await hub?.stop();
});

/** A page of the hub's origin, in which the tests load what they need. */
async function page(origin = hub.origin) {
  const { page } = await openPage(browser);
  await page.goto(`${origin}/healthz`);
  return page;
}

async function server(options, install) {
  const io = new Server(hub.origin, options);
  open.push(() => io.close());
  install(io);
  await io.ready();
  return io;
}

const proxyOf = async () => {
  const proxy = await FaultProxy.start(hub.address);
  open.push(() => proxy.stop());
  return proxy;
};

/** Makes `io(url, options)` of a page, and notes its events in `globalThis.seen`. */
const socket = (page, options) => page.evaluate(async (options) => {
  const { io } = await import('/sdk/crosspoint-io.js');
  globalThis.seen = [];
  globalThis.socket = io(options);
  socket.onAny((...args) => seen.push(args));
  socket.on('connect', () => seen.push(['connect', socket.recovered]));
  socket.on('disconnect', (reason) => seen.push(['disconnect', reason]));
  socket.on('connect_error', (error) => seen.push(['connect_error', error.message]));
}, options);

const seen = (page) => page.evaluate(() => globalThis.seen);
const sees = (page, entry) => until(async () => (await seen(page)).some((e) => JSON.stringify(e) === JSON.stringify(entry)),
  async () => `${JSON.stringify(entry)} among ${JSON.stringify(await seen(page))}`);

test('a room without a service: Socket.IO-shaped, plain and native clients talk', async () => {
  const [a, b, c] = await Promise.all([page(), page(), page()]);
  await Promise.all([a, b].map((p) => socket(p, { room: 'chat:mixed' })));
  await Promise.all([a, b].map((p) => sees(p, ['connect', false])));
  await c.evaluate(async () => {
    const { connect } = await import('/sdk/crosspoint.js');
    const { createClient } = await import('/sdk/crosspoint-plain.js');
    globalThis.seen = [];
    globalThis.room = connect('/', { user: 'native' }).room('chat:mixed');
    room.on('*', ({ type, data, from }) => seen.push(['native', type, data instanceof Uint8Array ? [...data] : data, from.user]));
    await room.join();
    globalThis.plain = createClient({ url: '/', room: 'chat:mixed', user: 'plain' });
    plain.on('*', (data, { type, room }) => seen.push(['plain', type, data instanceof Uint8Array ? [...data] : data, room]));
    await plain.connect();
  });
  const stored = await a.evaluate(() => socket.emitWithAck('note', { text: 'one' }));
  assert.equal(typeof stored.offset, 'number');
  await a.evaluate(() => socket.emit('bytes', new Uint8Array([1, 2])));
  await a.evaluate(() => socket.emit('two', 1, 'b'));
  await c.evaluate(() => plain.send('hi', { from: 'plain' }));
  await c.evaluate(() => room.publish('list', [1, 2]));
  await sees(b, ['note', { text: 'one' }]);
  await sees(b, ['two', 1, 'b']);
  await sees(b, ['hi', { from: 'plain' }]);
  await sees(b, ['list', [1, 2]]);
  const user = (await seen(c)).find(([, type]) => type === 'note')[3];
  await until(async () => (await seen(c)).length === 9, async () => JSON.stringify(await seen(c)));
  const by = async (client) => (await seen(c)).filter(([who]) => who === client).map(([, ...rest]) => rest);
  assert.deepEqual(await by('native'), [
    ['note', { text: 'one' }, user], ['bytes', [1, 2], user], ['two', [1, 'b', { $io: 1 }], user],
    ['hi', { from: 'plain' }, 'plain'], ['list', [1, 2], 'native'],
  ]);
  assert.deepEqual(await by('plain'), [
    ['note', { text: 'one' }, 'chat:mixed'], ['bytes', [1, 2], 'chat:mixed'], ['two', [1, 'b', { $io: 1 }], 'chat:mixed'],
    ['list', [1, 2], 'chat:mixed'],
  ]);
  assert.deepEqual((await seen(a)).map(([event]) => event), ['connect', 'hi', 'list'], 'no events of its own');
});

test('the plain client: requests, losses, metrics', async () => {
  const proxy = await proxyOf();
  await server({ service: 'calc' }, (io) => {
    // A service of any kind answers requests; this one happens to be at hand.
    io.sockets.client.onRequest('add', ([x, y]) => x + y);
    io.sockets.client.onRequest('fail', () => Promise.reject(new Error('no')));
  });
  const p = await page(proxy.origin);
  await p.evaluate(async () => {
    const { createClient } = await import('/sdk/crosspoint-plain.js');
    globalThis.client = createClient({ service: 'calc' });
    globalThis.seen = [];
    for (const type of ['connect', 'disconnect']) client.on(type, (about) => seen.push([type, about.resumed ?? null]));
    await client.connect();
  });
  assert.equal(await p.evaluate(() => client.request('add', [1, 2])), 3);
  assert.equal(await p.evaluate(() => client.request('fail').catch(({ code }) => code)), 'internal');
  await until(() => p.evaluate(() => client.client.transport === 'websocket'), 'a WebSocket');
  await proxy.cut();
  await sees(p, ['connect', true]);
  assert.deepEqual(await seen(p), [['connect', false], ['disconnect', null], ['connect', true]]);
  assert.equal(await p.evaluate(() => client.request('add', [3, 4])), 7);
  const metrics = await p.evaluate(() => client.getPerformanceMetrics());
  assert.ok(metrics.connectionTime > 0 && metrics.messageLatency > 0, JSON.stringify(metrics));
  assert.deepEqual([metrics.reconnects, metrics.messagesOut, metrics.messagesIn], [1, 3, 2]);
  await p.evaluate(() => client.disconnect());
  assert.equal(await p.evaluate(() => client.connected), false);
  assert.equal(await p.evaluate(() => client.send('x').catch(({ code }) => code)), 'unavailable');
});

test('what is volatile is dropped while away; what waits for its acknowledgement is not', async () => {
  const proxy = await proxyOf();
  const heard = [];
  let answer;
  await server({ service: 'away' }, (io) => io.on('connection', (socket) => {
    socket.onAny((event) => heard.push(event));
    socket.on('slow question', (done) => {
      answer = done;
    });
  }));
  const p = await page(proxy.origin);
  await socket(p, { service: 'away' });
  await sees(p, ['connect', false]);
  await p.evaluate(() => void socket.timeout(30_000).emitWithAck('slow question').then((data) => seen.push(['answered', data])));
  await until(() => answer, 'the question');
  await proxy.set({ accept: 'refuse' });
  await proxy.cut();
  await sees(p, ['disconnect', 'transport close']);
  await p.evaluate(() => {
    socket.volatile.emit('dropped');
    socket.emit('kept');
  });
  answer('late');
  await proxy.set({});
  await sees(p, ['answered', 'late']);
  await until(() => heard.includes('kept'), 'what was kept');
  assert.deepEqual(heard, ['slow question', 'kept']);
  assert.deepEqual((await seen(p)).filter(([what]) => what === 'connect'), [['connect', false], ['connect', true]]);
});

test('volatile events go to the room while there is a link', async () => {
  await server({ service: 'vol' }, (io) => io.on('connection', (socket) => {
    socket.join('cursors');
    socket.on('cursor', (x) => socket.broadcast.volatile.emit('cursor', x));
  }));
  const [a, b] = await Promise.all([page(), page()]);
  await Promise.all([a, b].map((p) => socket(p, { service: 'vol' })));
  await Promise.all([a, b].map((p) => sees(p, ['connect', false])));
  // A volatile event may get lost, so it is sent until one arrives.
  await until(async () => {
    await a.evaluate(() => void socket.volatile.emit('cursor', 7));
    return (await seen(b)).some(([event]) => event === 'cursor');
  }, 'a cursor');
  assert.deepEqual((await seen(a)).map(([event]) => event), ['connect']);
});

test('a service that ends and comes back gets its clients back', async () => {
  const begin = () => server({ service: 'phoenix' }, (io) => io.on('connection', (socket) => socket.emit('life')));
  const first = await begin();
  const p = await page();
  await socket(p, { service: 'phoenix', reconnectionDelayMax: 300 });
  await sees(p, ['life']);
  await first.close();
  await sees(p, ['disconnect', 'transport close']);
  await until(async () => (await seen(p)).some(([what]) => what === 'connect_error'), 'nobody there');
  await begin();
  await until(async () => (await seen(p)).filter(([what]) => what === 'life').length === 2, async () => JSON.stringify(await seen(p)));
  assert.equal(await p.evaluate(() => socket.recovered), false);
});

test('a session that the backend ends', async () => {
  await server({ service: 'ends' }, (io) => io.on('connection', () => {}));
  const p = await page();
  await socket(p, { service: 'ends' });
  await sees(p, ['connect', false]);
  const id = await p.evaluate(() => socket.id);
  assert.equal((await fetch(`${hub.origin}/api/v1/sessions/${id}`, { method: 'DELETE' })).status, 200);
  await sees(p, ['disconnect', 'io server disconnect']);
  assert.deepEqual(await p.evaluate(() => [socket.active, socket.connected, socket.id ?? null]), [false, false, null]);
  await p.evaluate(() => void socket.connect());
  await until(async () => (await seen(p)).filter(([what]) => what === 'connect').length === 2, 'a new session');
  assert.notEqual(await p.evaluate(() => socket.id), id);
});

test('a client that may not join the rooms gets their events all the same; others are left out', async () => {
  const SECRET = 'a secret of at least thirty-two bytes';
  const strict = await Hub.start({ env: { CROSSPOINT_AUTH__JWT_SECRET: SECRET } });
  open.push(() => strict.stop());
  const sign = (claims) => {
    const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const text = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`;
    return `${text}.${createHmac('sha256', SECRET).update(text).digest('base64url')}`;
  };
  const io = new Server(strict.origin, { token: sign({ sub: 'backend', services: ['io'], publish_unjoined: true }) });
  open.push(() => io.close());
  io.on('connection', (socket) => {
    socket.join('board');
    socket.on('post', (text, done) => {
      io.to('board').emit('posted', text, socket.handshake.user);
      io.except(socket.id).emit('for others', text);
      io.to(['board', 'no such room']).emit('once', text);
      done();
    });
  });
  await io.ready();
  const p = await page(strict.origin);
  const join = async (claims) => {
    const q = await page(strict.origin);
    await socket(q, { auth: { token: sign(claims) } });
    await sees(q, ['connect', false]);
    return q;
  };
  const a = await join({ sub: 'ada' });
  const b = await join({ sub: 'bob', join: [], publish: [] });
  await a.evaluate(() => socket.emitWithAck('post', 'x'));
  for (const q of [a, b]) {
    await sees(q, ['once', 'x']);
    await q.evaluate(() => socket.emitWithAck('post', 'y'));
  }
  for (const [q, posts, others] of [[a, 3, 1], [b, 3, 2]]) {
    await until(async () => (await seen(q)).filter(([e]) => e === 'once').length >= posts, async () => JSON.stringify(await seen(q)));
    const count = async (event) => (await seen(q)).filter(([e]) => e === event).length;
    assert.deepEqual([await count('posted'), await count('for others'), await count('once')], [posts, others, posts]);
  }
  await socket(p, { auth: { token: sign({ sub: 'eve', exp: 1 }) } });
  await until(async () => (await seen(p)).some(([what]) => what === 'connect_error'), 'a refusal');
  await socket(p, { auth: { token: `${sign({ sub: 'eve' }).slice(0, -4)}AAAA` }, forceNew: true });
  await sees(p, ['connect_error', 'Authentication error: Invalid token']);
  assert.equal(await p.evaluate(() => socket.active), false);
});
