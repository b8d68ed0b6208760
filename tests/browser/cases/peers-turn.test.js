import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Hub } from '../lib/hub.js';
import { freePort } from '../lib/ports.js';
import { PeerPage } from '../lib/peer.js';

const RATE = 100;
const ends = [];
let hub;

before(async () => {
  const ice = `127.0.0.1:${await freePort()}`;
  hub = await Hub.start({ args: ['--set', `ice.addr=${ice}`, '--set', 'ice.turn.enabled=true', '--set', 'ice.turn.allow_peers=["127.0.0.0/8"]'] });
  ends.push(() => hub.stop());
});
after(async () => {
  for (const end of ends.reverse()) await end();
});

test('peers that may use TURN only are reached by it, and through the hub while the relay is gone', async () => {
  const peers = { iceTransportPolicy: 'relay' };
  const [ada, bob] = [await PeerPage.open(hub.origin, { name: 'Ada', room: 'relay', peers }), await PeerPage.open(hub.origin, { name: 'Bob', room: 'relay', peers })];
  ends.push(() => ada.close(), () => bob.close());
  await Promise.all([ada.reaches({ Bob: 'relay' }), bob.reaches({ Ada: 'relay' })]);
  await Promise.all([ada.start(RATE), bob.start(RATE)]);
  await Promise.all([ada.hears('Bob', 50, 'relay'), bob.hears('Ada', 50, 'relay')]);
  // The relay is the hub's, and forgets its allocations with it.
  await hub.restart();
  await Promise.all([ada.hears('Bob', 50, 'hub'), bob.hears('Ada', 50, 'hub')]);
  await Promise.all([ada.hears('Bob', 50, 'relay', 60_000), bob.hears('Ada', 50, 'relay', 60_000)]);
  const [fromAda, fromBob] = await Promise.all([ada.stop(), bob.stop()]);
  await ada.heardAll('Bob', fromBob);
  await bob.heardAll('Ada', fromAda);
  const kinds = await ada.ask(async () => {
    const stats = await window.peer.connections.at(-1).getStats();
    return [...stats.values()].filter(({ type }) => type === 'local-candidate').map(({ candidateType }) => candidateType);
  });
  assert.deepEqual([...new Set(kinds)], ['relay'], 'it gives no address of its own away');
  for (const page of [ada, bob]) page.assertQuiet();
});
