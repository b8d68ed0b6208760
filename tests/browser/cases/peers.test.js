import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Hub } from '../lib/hub.js';
import { PeerPage } from '../lib/peer.js';
import { until } from '../lib/process.js';

const RATE = 100;
const CUTS = 10;
let hub;
const open = [];

before(async () => {
  hub = await Hub.start();
});
after(async () => {
  await leave();
  await hub?.stop();
});

const comes = async (name, room, more) => {
  const page = await PeerPage.open(hub.origin, { name, room, ...more });
  open.push(page);
  return page;
};
const leave = async () => {
  for (const page of open.splice(0)) await page.close();
};

test('two people talk directly, and each message says so', async () => {
  const ada = await comes('Ada', 'two');
  const bob = await comes('Bob', 'two');
  await ada.reaches({ Bob: 'direct' });
  await bob.reaches({ Ada: 'direct' });
  const sent = await ada.ask(() => Promise.all([
    window.peer.peers.send({ text: 'hello' }),
    window.peer.peers.send(new Uint8Array([1, 2, 3]), { to: 'user:Bob' }),
    window.peer.peers.send('fleeting', { volatile: true }),
  ]));
  assert.deepEqual(sent, [{ delivered: 1 }, { delivered: 1 }, { delivered: 1 }]);
  await until(() => bob.ask(() => window.peer.messages.length === 3), () => bob.story('has three messages'));
  const messages = await bob.ask(() => window.peer.messages);
  assert.deepEqual(messages.filter(({ volatile }) => !volatile), [
    { data: { text: 'hello' }, from: 'Ada', via: 'direct', volatile: false },
    { data: [1, 2, 3], from: 'Ada', via: 'direct', volatile: false },
  ]);
  assert.deepEqual(messages.find(({ volatile }) => volatile), { data: 'fleeting', from: 'Ada', via: 'direct', volatile: true });
  assert.equal(await ada.ask(() => window.peer.peers.send('x', { to: 'user:Nobody' }).catch((error) => error.code)), 'not_found');
  assert.equal(await ada.ask(() => window.peer.peers.send('x'.repeat(70_000)).catch((error) => `${error.code}: ${error.message}`)).then((text) => /^limit_exceeded: .* file$/.test(text)), true);
  for (const page of [ada, bob]) page.assertQuiet();
  await leave();
});

test(`the direct path is cut and comes back ${CUTS} times: nothing is lost, doubled or out of order`, async () => {
  const ada = await comes('Ada', 'cuts');
  const bob = await comes('Bob', 'cuts');
  await Promise.all([ada.reaches({ Bob: 'direct' }), bob.reaches({ Ada: 'direct' })]);
  await Promise.all([ada.start(RATE), bob.start(RATE)]);
  for (let i = 0; i < CUTS; i++) {
    await Promise.all([ada.hears('Bob', 30, 'direct'), bob.hears('Ada', 30, 'direct')]);
    await [ada, bob][i % 2].cut();
    await Promise.all([ada.hears('Bob', 5), bob.hears('Ada', 5)]);
  }
  await Promise.all([ada.hears('Bob', 30, 'direct'), bob.hears('Ada', 30, 'direct')]);
  const [fromAda, fromBob] = await Promise.all([ada.stop(), bob.stop()]);
  await ada.heardAll('Bob', fromBob);
  await bob.heardAll('Ada', fromAda);
  for (const page of [ada, bob]) {
    const log = await page.ask(() => window.peer.log.filter((line) => line.includes('path')));
    assert.ok(log.filter((line) => line.includes('-> hub')).length >= CUTS, `${page.name} went through the hub each time:\n${log.join('\n')}`);
    assert.deepEqual(await page.ask(() => window.peer.log.filter((line) => /error|not sent|leave/.test(line))), []);
    page.assertQuiet();
  }
  await leave();
});

test('three people make a mesh; who wants no more than one direct path reaches the others through the hub', async () => {
  const ada = await comes('Ada', 'three');
  const bob = await comes('Bob', 'three');
  const cleo = await comes('Cleo', 'three', { peers: { max: 1 } });
  await ada.reaches({ Bob: 'direct', Cleo: 'direct' });
  await cleo.reaches({ Ada: 'direct', Bob: 'hub' });
  await bob.reaches({ Ada: 'direct', Cleo: 'hub' });
  await Promise.all([ada, bob, cleo].map((page) => page.start(RATE)));
  await cleo.hears('Bob', 30, 'hub');
  await cleo.hears('Ada', 30, 'direct');
  await ada.page.close({ runBeforeUnload: true });
  // The place is free now.
  await Promise.all([cleo.reaches({ Bob: 'direct' }), bob.reaches({ Cleo: 'direct' })]);
  await cleo.hears('Bob', 30, 'direct');
  const [fromBob, fromCleo] = await Promise.all([bob.stop(), cleo.stop()]);
  await bob.heardAll('Cleo', fromCleo);
  await cleo.heardAll('Bob', fromBob);
  await leave();
});

test('a lost link, and a hub that forgets everything, leave the direct path alone', async () => {
  const ada = await comes('Ada', 'outage');
  const bob = await comes('Bob', 'outage');
  await Promise.all([ada.reaches({ Bob: 'direct' }), bob.reaches({ Ada: 'direct' })]);
  await Promise.all([ada.start(RATE), bob.start(RATE)]);
  await ada.ask(() => window.peer.client.debug.killLink());
  await Promise.all([ada.hears('Bob', 30, 'direct'), bob.hears('Ada', 30, 'direct')]);
  const before = await ada.session();
  await hub.stop();
  await Promise.all([ada.hears('Bob', 50, 'direct'), bob.hears('Ada', 50, 'direct')]);
  await hub.run();
  for (const page of [ada, bob]) await until(() => page.ask(() => window.peer.client.state === 'connected'), () => page.story('is connected'));
  assert.notEqual(await ada.session(), before);
  const session = await ada.session();
  await until(async () => (await bob.ask(() => window.peer.peers.list.map(({ session }) => session))).includes(session), () => bob.story('knows the new session'));
  await Promise.all([ada.hears('Bob', 50, 'direct'), bob.hears('Ada', 50, 'direct')]);
  const [fromAda, fromBob] = await Promise.all([ada.stop(), bob.stop()]);
  await ada.heardAll('Bob', fromBob);
  await bob.heardAll('Ada', fromAda);
  for (const page of [ada, bob]) {
    assert.equal(await page.ask(() => window.peer.connections.length), 1, 'nothing was negotiated again');
    assert.deepEqual(await page.ask(() => window.peer.log.filter((line) => /path|signaling/.test(line) && /-> hub/.test(line))), []);
  }
  await leave();
});

test('numbers go through the hub where there is no direct path, and survive its links and its end', async () => {
  const [ada, bob] = [await comes('Ada', 'hub', { peers: { max: 0 } }), await comes('Bob', 'hub', { peers: { max: 0 } })];
  await Promise.all([ada.start(RATE), bob.start(RATE)]);
  for (let i = 0; i < 3; i++) {
    await Promise.all([ada.hears('Bob', 30, 'hub'), bob.hears('Ada', 30, 'hub')]);
    await [ada, bob][i % 2].ask(() => window.peer.client.debug.killLink());
  }
  await Promise.all([ada.hears('Bob', 30, 'hub'), bob.hears('Ada', 30, 'hub')]);
  await hub.restart();
  await Promise.all([ada.hears('Bob', 30, 'hub'), bob.hears('Ada', 30, 'hub')]);
  const [fromAda, fromBob] = await Promise.all([ada.stop(), bob.stop()]);
  await ada.heardAll('Bob', fromBob);
  await bob.heardAll('Ada', fromAda);
  assert.deepEqual(await ada.ask(() => window.peer.connections.length), 0);
  await leave();
});

test('a browser that dies holds nobody up, and gives way to whoever can be reached', async () => {
  const ada = await comes('Ada', 'crash');
  const bob = await comes('Bob', 'crash', { peers: { max: 1 } });
  await Promise.all([ada.reaches({ Bob: 'direct' }), bob.reaches({ Ada: 'direct' })]);
  const cleo = await comes('Cleo', 'crash');
  await cleo.reaches({ Ada: 'direct', Bob: 'hub' });
  await Promise.all([bob.start(RATE), cleo.start(RATE)]);
  // It says no goodbye.
  await ada.close();
  open.splice(open.indexOf(ada), 1);
  await bob.reaches({ Ada: 'hub', Cleo: 'direct' }, 30_000);
  const [fromBob, fromCleo] = await Promise.all([bob, cleo].map((page) => page.ask(() => window.peer.halt())));
  const refusal = () => bob.ask(async () => {
    const big = 'x'.repeat(60_000);
    let refused = null;
    for (let i = 0; i < 100 && !refused; i++) {
      window.peer.peers.send(big, { to: 'user:Ada' }).catch((error) => (refused = error.code));
      await null;
    }
    await new Promise((resolve) => setTimeout(resolve));
    return refused;
  });
  await until(async () => (await refusal()) === 'limit_exceeded', () => bob.story('has sent Ada too much'));
  const toAll = () => bob.ask(() => window.peer.peers.send('x'.repeat(60_000)).catch((error) => error.code));
  await until(async () => (await toAll())?.delivered === 1, () => bob.story('speaks to Cleo'));
  assert.ok(await bob.ask(() => window.peer.log.some((line) => /leave Ada slow_consumer/.test(line))));
  await bob.heardAll('Cleo', fromCleo);
  await cleo.heardAll('Bob', fromBob);
  await leave();
});

test('who reloads is somebody new, and who leaves is gone', async () => {
  const ada = await comes('Ada', 'reload');
  const bob = await comes('Bob', 'reload');
  await ada.reaches({ Bob: 'direct' });
  const before = await bob.session();
  await bob.page.close({ runBeforeUnload: true });
  await ada.reaches({});
  const again = await comes('Bob', 'reload');
  await Promise.all([ada.reaches({ Bob: 'direct' }), again.reaches({ Ada: 'direct' })]);
  assert.notEqual(await again.session(), before);
  await again.ask(() => window.peer.peers.leave());
  await ada.reaches({});
  assert.deepEqual(await again.ask(() => window.peer.peers.list), []);
  await again.ask(() => window.peer.peers.join());
  await Promise.all([ada.reaches({ Bob: 'direct' }), again.reaches({ Ada: 'direct' })]);
  await again.ask(() => window.peer.room.leave());
  await ada.reaches({});
  assert.equal(await again.ask(() => window.peer.peers.send('x').catch((error) => error.code)), 'not_joined');
  for (const page of [ada, again]) page.assertQuiet();
  await leave();
});

test('of tabs that share a session, the one that came last is the peer', async () => {
  const bob = await comes('Bob', 'tabs');
  const options = { tabs: 'shared' };
  const ada = await comes('Ada', 'tabs', { options });
  await Promise.all([ada.reaches({ Bob: 'direct' }), bob.reaches({ Ada: 'direct' })]);
  const second = await comes('Ada', 'tabs', { options, context: ada.page.context() });
  assert.equal(await second.session(), await ada.session());
  await Promise.all([second.reaches({ Bob: 'direct' }), bob.reaches({ Ada: 'direct' }), ada.reaches({})]);
  assert.equal(await ada.ask(() => window.peer.peers.joined), false);
  assert.deepEqual(await bob.ask(() => window.peer.peers.send('for one of you')), { delivered: 1 });
  assert.deepEqual(await second.ask(() => window.peer.messages.map(({ data }) => data)), ['for one of you']);
  assert.deepEqual(await ada.ask(() => window.peer.messages), []);
  await ada.ask(() => window.peer.peers.join());
  await Promise.all([ada.reaches({ Bob: 'direct' }), bob.reaches({ Ada: 'direct' }), second.reaches({})]);
  for (const page of [ada, second, bob]) page.assertQuiet();
  await leave();
});

test('signals reach members of the room only, and nonsense among them disturbs nobody', async () => {
  const ada = await comes('Ada', 'inside');
  const bob = await comes('Bob', 'inside');
  const eve = await comes('Eve', 'outside');
  await Promise.all([ada.reaches({ Bob: 'direct' }), bob.reaches({ Ada: 'direct' })]);
  const signal = (page, room, session, data) =>
    page.ask(({ room, session, data }) => window.peer.client.core.call({ type: 'hub:signal', room, to: `session:${session}`, data }).then(() => 'taken', (error) => error.code), { room, session, data });
  const session = await bob.session();
  const offer = { type: 'sdp', g: 99, i: 'eve', description: { type: 'offer', sdp: 'v=0' } };
  assert.equal(await signal(eve, 'inside', session, offer), 'not_joined');
  assert.equal(await signal(eve, 'outside', session, offer), 'not_found');
  await Promise.all([ada.start(RATE), bob.start(RATE)]);
  // Eve comes in, and says what makes no sense.
  await eve.ask(() => window.peer.client.room('inside').join());
  for (const data of [offer, null, 7, [], { type: 'm' }, { type: 'ice', g: 'x', i: 4, candidates: {} }, { type: 'm', i: 'e', n: 1, a: 0, t: '', data: 'from Eve' }]) {
    assert.equal(await signal(eve, 'inside', session, data), 'taken');
  }
  // So does Ada's page, in whose name it can.
  const { i, j } = await ada.ask(() => {
    const [link] = window.peer.room.near.rtc.faces.peers.mesh.links.values();
    return { i: link.local, j: link.remote };
  });
  for (const data of [{ ...offer, i, j }, { type: 'sdp', i, j, g: 1, description: { type: 'answer', sdp: 'x' } }, { type: 'ice', i, j, g: 1, candidates: [{ candidate: 'nonsense' }, null, 5] }, { type: 'm', i, j, n: 'x', a: {}, t: 3 }, { type: 'want', i, j, g: 1e6 }]) {
    assert.equal(await signal(ada, 'inside', session, data), 'taken');
  }
  await Promise.all([ada.hears('Bob', 200), bob.hears('Ada', 200)]);
  await Promise.all([ada.reaches({ Bob: 'direct' }), bob.reaches({ Ada: 'direct' })]);
  const [fromAda, fromBob] = await Promise.all([ada.stop(), bob.stop()]);
  await ada.heardAll('Bob', fromBob);
  await bob.heardAll('Ada', fromAda);
  assert.deepEqual(await bob.ask(() => window.peer.messages), []);
  for (const page of [ada, bob]) {
    page.assertQuiet();
    assert.deepEqual(await page.ask(() => window.peer.log.filter((line) => /error/.test(line))), []);
  }
  await leave();
});
