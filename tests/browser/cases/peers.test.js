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
