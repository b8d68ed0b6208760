import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { acceptFile, has, part, received, sendFile, sent, sumOf } from '../lib/files.js';
import { Hub } from '../lib/hub.js';
import { PeerPage } from '../lib/peer.js';
import { until } from '../lib/process.js';
import { FaultProxy } from '../lib/proxy.js';

const SIZE = 100_000_000;
const RATE = 50;
let hub;
const open = [];

before(async () => {
  hub = await Hub.start({ args: ['--set', 'namespaces=[{prefix="lean:",files=false},{prefix="",files_bytes_per_s=0}]'] });
});
afterEach(async () => {
  for (const page of open.splice(0)) await page.close();
});
after(() => hub?.stop());

const comes = async (name, room, { origin = hub.origin, ...more } = {}) => {
  const page = await PeerPage.open(origin, { name, room, ...more });
  open.push(page);
  return page;
};
/** Two people who can reach each other directly, or only through the hub. */
const pair = async (room, { direct = true, origins = [] } = {}) => {
  const peers = direct ? {} : { max: 0 };
  const ada = await comes('Ada', room, { peers, origin: origins[0] });
  const bob = await comes('Bob', room, { peers, origin: origins[1] });
  await ada.reaches({ Bob: direct ? 'direct' : 'hub' });
  await bob.reaches({ Ada: direct ? 'direct' : 'hub' });
  return [ada, bob];
};

/** All that was said meanwhile has come. */
const talked = async (ada, bob) => {
  const [fromAda, fromBob] = await Promise.all([ada.stop(), bob.stop()]);
  await ada.heardAll('Bob', fromBob);
  await bob.heardAll('Ada', fromAda);
  for (const page of [ada, bob]) page.assertQuiet();
};

test('100 MB directly: the connection is cut at 60 %, and the transfer goes on through the hub and back', async () => {
  const [ada, bob] = await pair('direct');
  await Promise.all([ada.start(RATE), bob.start(RATE)]);
  await sendFile(ada, { name: 'große Datei.bin', size: SIZE, seed: 7 });
  assert.deepEqual(await acceptFile(bob), { name: 'große Datei.bin', type: 'application/x-test', size: SIZE, held: 0, from: 'Ada' });
  await has(bob, 0.6);
  await ada.cut();
  const got = await received(bob);
  assert.equal(got.sum, await sumOf(ada), JSON.stringify(got));
  assert.deepEqual([got.name, got.type, got.size], ['große Datei.bin', 'application/x-test', SIZE]);
  assert.deepEqual(await sent(ada), { Bob: 'delivered' });
  assert.ok(got.took.direct > SIZE / 2, JSON.stringify(got.took));
  assert.deepEqual((await ada.ask(() => window.peer.seen)).slice(0, 2), ['direct', 'hub'], 'both ways were taken');
  await talked(ada, bob);
});

test('100 MB through the hub: every connection of both is cut at 60 %', async () => {
  const proxies = await Promise.all([FaultProxy.start(hub.address), FaultProxy.start(hub.address)]);
  try {
    const [ada, bob] = await pair('hub', { direct: false, origins: proxies.map(({ origin }) => origin) });
    await Promise.all([ada.start(RATE), bob.start(RATE)]);
    await sendFile(ada, { size: SIZE, seed: 8 });
    await acceptFile(bob);
    await has(bob, 0.6);
    await Promise.all(proxies.map((proxy) => proxy.cut()));
    const got = await received(bob);
    assert.equal(got.sum, await sumOf(ada), JSON.stringify(got));
    assert.deepEqual(Object.keys(got.took), ['hub']);
    assert.deepEqual(await sent(ada), { Bob: 'delivered' });
    await talked(ada, bob);
  } finally {
    await Promise.all(proxies.map((proxy) => proxy.stop()));
  }
});

test('the receiver reloads at 60 %: the offer comes again, and the transfer goes on with what is there', async () => {
  const [ada, bob] = await pair('reload');
  await sendFile(ada, { size: SIZE / 2, seed: 9, meta: { about: 'holidays' } });
  await acceptFile(bob);
  await has(bob, 0.6);
  await bob.reload();
  const { held } = await acceptFile(bob);
  assert.ok(held >= SIZE / 4 && held < SIZE / 2, `${held} bytes were kept`);
  assert.deepEqual(await bob.ask(() => window.peer.download.meta), { about: 'holidays' });
  const got = await received(bob);
  assert.equal(got.sum, await sumOf(ada), JSON.stringify(got));
  assert.deepEqual(await sent(ada), { Bob: 'delivered' });
  for (const page of [ada, bob]) page.assertQuiet();
});

test('the hub dies in the middle, and comes back: both go on with new sessions, directly and through the hub', async () => {
  for (const direct of [true, false]) {
    const [ada, bob] = await pair(`restart-${direct}`, { direct });
    await sendFile(ada, { size: 20_000_000, seed: 11 });
    await acceptFile(bob);
    await has(bob, 0.4);
    const before = await bob.session();
    await hub.process.stop('SIGKILL');
    await hub.run();
    const got = await received(bob);
    assert.equal(got.sum, await sumOf(ada), JSON.stringify(got));
    assert.deepEqual(await sent(ada), { Bob: 'delivered' });
    if (!direct) assert.notEqual(await bob.session(), before);
    for (const page of [ada, bob]) page.assertQuiet();
  }
});

test('to everybody, declined, cancelled from both ends, or too much: each receiver has an end of their own', async () => {
  const [ada, bob] = await pair('all');
  const cleo = await comes('Cleo', 'all');
  await until(() => ada.ask(() => window.peer.peers.list.length === 2), () => ada.story('sees both'));
  await sendFile(ada, { size: 3_000_000 });
  await acceptFile(bob);
  await until(() => cleo.ask(() => window.peer.offers.length === 1), () => cleo.story('is offered it'));
  await cleo.ask(() => window.peer.offers.shift().decline('no, thank you'));
  assert.equal((await received(bob)).sum, await sumOf(ada));
  assert.deepEqual(await sent(ada), { Bob: 'delivered', Cleo: 'declined' });
  assert.equal(await ada.ask(() => window.peer.uploads.find(({ error }) => error).error.message), 'no, thank you');

  await sendFile(ada, { size: SIZE, to: 'user:Bob' });
  await acceptFile(bob);
  await until(async () => (await part(bob)) > 0, 'it has begun');
  await bob.ask(() => window.peer.download.cancel());
  assert.equal((await received(bob)).code, 'cancelled');
  assert.deepEqual(await sent(ada), { Bob: 'cancelled' });

  await sendFile(ada, { size: SIZE, to: ['user:Bob'] });
  await acceptFile(bob);
  await until(async () => (await part(bob)) > 0, 'it has begun');
  await ada.ask(() => window.peer.uploads[0].cancel('a wrong file'));
  assert.deepEqual(await received(bob), { code: 'cancelled', message: 'a wrong file' });
  assert.deepEqual(await sent(ada), { Bob: 'cancelled' });

  const codes = await ada.ask(async () => {
    const { files } = window.peer.room;
    const code = (options) => files.send(new Uint8Array(3), options).then(() => 'sent', ({ code }) => code);
    return [await code({ to: 'user:Nobody' }), await code({ name: 'n'.repeat(256) }), await code({ meta: 'm'.repeat(5_000) }), await code({ signal: AbortSignal.abort() })];
  });
  assert.deepEqual(codes, ['not_found', 'limit_exceeded', 'limit_exceeded', 'cancelled']);
  assert.deepEqual(await ada.ask(() => window.peer.room.files.list.length), 0);
  for (const page of [ada, bob, cleo]) page.assertQuiet();
});

test('a file of no bytes, one that a stream to the disk takes, and one whose sink fails', async () => {
  const [ada, bob] = await pair('sinks', { direct: false });
  await sendFile(ada, { size: 0 });
  await acceptFile(bob);
  assert.equal((await received(bob)).sum, await sumOf(ada));
  assert.deepEqual(await sent(ada), { Bob: 'delivered' });

  await sendFile(ada, { size: 5_000_001, seed: 3 });
  await acceptFile(bob, async () => {
    const root = await navigator.storage.getDirectory();
    window.peer.handle = await root.getFileHandle('mine.bin', { create: true });
    return { sink: await window.peer.handle.createWritable() };
  });
  assert.equal((await received(bob)).file, null);
  const sum = await bob.ask(async () => window.peer.digest(await window.peer.handle.getFile()));
  assert.equal(sum, await sumOf(ada));
  assert.deepEqual(await sent(ada), { Bob: 'delivered' });

  await sendFile(ada, { size: 1_000_000 });
  await acceptFile(bob, () => {
    const sink = { write: () => Promise.reject(new Error('the disk is on fire')), close: () => {}, abort: (reason) => (window.peer.aborted = reason.code) };
    return { sink };
  });
  assert.equal((await received(bob)).code, 'unwritable');
  assert.deepEqual(await sent(ada), { Bob: 'unwritable' });
  await until(() => bob.ask(() => window.peer.aborted === 'unwritable'), 'the sink is told');
});

test('bytes that change on the way are found out, and a file that changes under the sender, too', async () => {
  const [ada, bob] = await pair('wrong');
  await ada.ask(() => {
    const { send } = RTCDataChannel.prototype;
    let n = 0;
    RTCDataChannel.prototype.send = function (data) {
      if (this.label === 'crosspoint-file' && ++n === 3) data[data.length - 1] ^= 1;
      return send.call(this, data);
    };
  });
  await sendFile(ada, { size: 1_000_000 });
  await acceptFile(bob);
  assert.equal((await received(bob)).code, 'checksum');
  assert.deepEqual(await sent(ada), { Bob: 'checksum' });

  await ada.ask(async () => {
    const root = await navigator.storage.getDirectory();
    const handle = await root.getFileHandle('draft.txt', { create: true });
    const write = async (text) => {
      const stream = await handle.createWritable();
      await stream.write(text);
      await stream.close();
    };
    await write('first version');
    window.peer.uploads = await window.peer.room.files.send(await handle.getFile());
    await write('another version');
  });
  await acceptFile(bob);
  assert.equal((await received(bob)).code, 'unreadable');
  assert.deepEqual(await sent(ada), { Bob: 'unreadable' });
});

test('where the hub relays no files and there is no direct path, a transfer fails, and chat does not', async () => {
  const [ada, bob] = await pair('lean:1', { direct: false });
  await sendFile(ada, { size: 100_000 });
  await acceptFile(bob);
  assert.equal((await received(bob)).code, 'forbidden');
  assert.deepEqual(await sent(ada), { Bob: 'forbidden' });
  await Promise.all([ada.start(RATE), bob.start(RATE)]);
  await ada.hears('Bob');
  await talked(ada, bob);
});
