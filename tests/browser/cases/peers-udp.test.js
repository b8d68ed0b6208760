import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { addresses, Namespace } from '../../networks/lib/namespace.js';
import { launch } from '../lib/browser.js';
import { acceptFile, has, received, sendFile, sent, sumOf } from '../lib/files.js';
import { Hub } from '../lib/hub.js';
import { PEER_FLAGS, PeerPage } from '../lib/peer.js';

const run = promisify(execFile);
const RATE = 100;
/** After its last use by a laboratory of networks. */
const NUMBER = 60;
const skip = (await Namespace.missing()) ?? (await routeless());
const ends = [];
let space;
let hub;

before(async () => {
  if (skip) return;
  await Namespace.sweep();
  space = await Namespace.make(NUMBER);
  ends.push(() => space.stop());
  await run('ip', ['-n', space.name, 'route', 'add', 'default', 'via', addresses(NUMBER).near]);
  hub = await Hub.start({ host: addresses(NUMBER).near, args: ['--dev-insecure-listen'] });
  ends.push(() => hub.stop());
});
after(async () => {
  for (const end of ends.reverse()) await end();
});

/** Browsers gather candidates on the interface of their default route, until a page may use the microphone. */
async function routeless() {
  const { stdout } = await run('ip', ['route', 'show', 'default']);
  return stdout.trim() === '' && 'there is no default route';
}

/** A browser whose only cable is the one that the firewall sits on. */
function launchInside() {
  const folder = mkdtempSync(join(tmpdir(), 'crosspoint-inside-'));
  ends.push(() => rmSync(folder, { recursive: true }));
  const executablePath = join(folder, 'chromium');
  writeFileSync(executablePath, `#!/bin/sh\nexec ${space.exec.join(' ')} ${process.env.CHROMIUM ?? '/usr/bin/chromium'} "$@"\n`, { mode: 0o755 });
  return launch(PEER_FLAGS, { executablePath });
}

test('a firewall drops UDP, and lets it pass again, in the middle of a conversation', { skip }, async () => {
  const ada = await PeerPage.open(hub.origin, { name: 'Ada', room: 'udp', browser: await launchInside() });
  ends.push(() => ada.close());
  const bob = await PeerPage.open(hub.origin, { name: 'Bob', room: 'udp' });
  ends.push(() => bob.close());
  await Promise.all([ada.reaches({ Bob: 'direct' }), bob.reaches({ Ada: 'direct' })]);
  await Promise.all([ada.start(RATE), bob.start(RATE)]);
  for (let i = 0; i < 3; i++) {
    await Promise.all([ada.hears('Bob', 50, 'direct'), bob.hears('Ada', 50, 'direct')]);
    await space.rules({ udp: 'drop' });
    await Promise.all([ada.hears('Bob', 50, 'hub'), bob.hears('Ada', 50, 'hub')]);
    await space.rules({ udp: 'pass' });
    await Promise.all([ada.hears('Bob', 50, 'direct', 60_000), bob.hears('Ada', 50, 'direct', 60_000)]);
  }
  const [fromAda, fromBob] = await Promise.all([ada.stop(), bob.stop()]);
  await ada.heardAll('Bob', fromBob);
  await bob.heardAll('Ada', fromAda);
  for (const page of [ada, bob]) page.assertQuiet();
});

test('where UDP never passes, all goes through the hub until it does', { skip }, async () => {
  await space.rules({ udp: 'drop' });
  const ada = await PeerPage.open(hub.origin, { name: 'Ada', room: 'closed', browser: await launchInside() });
  ends.push(() => ada.close());
  const bob = await PeerPage.open(hub.origin, { name: 'Bob', room: 'closed' });
  ends.push(() => bob.close());
  await Promise.all([ada.start(RATE), bob.start(RATE)]);
  await Promise.all([ada.hears('Bob', 500, 'hub'), bob.hears('Ada', 500, 'hub')]);
  assert.deepEqual([await ada.ways(), await bob.ways()], [{ Bob: 'hub' }, { Ada: 'hub' }]);
  await space.rules({ udp: 'pass' });
  await Promise.all([ada.hears('Bob', 50, 'direct', 60_000), bob.hears('Ada', 50, 'direct', 60_000)]);
  const [fromAda, fromBob] = await Promise.all([ada.stop(), bob.stop()]);
  await ada.heardAll('Bob', fromBob);
  await bob.heardAll('Ada', fromAda);
});

test('a firewall drops UDP in the middle of a file: it arrives through the hub', { skip }, async () => {
  await space.rules({ udp: 'pass' });
  const ada = await PeerPage.open(hub.origin, { name: 'Ada', room: 'file', browser: await launchInside() });
  ends.push(() => ada.close());
  const bob = await PeerPage.open(hub.origin, { name: 'Bob', room: 'file' });
  ends.push(() => bob.close());
  await Promise.all([ada.reaches({ Bob: 'direct' }), bob.reaches({ Ada: 'direct' })]);
  await Promise.all([ada.start(RATE), bob.start(RATE)]);
  await sendFile(ada, { size: 50_000_000 });
  await acceptFile(bob);
  await has(bob, 0.3);
  await space.rules({ udp: 'drop' });
  const got = await received(bob);
  assert.equal(got.sum, await sumOf(ada), JSON.stringify(got));
  assert.ok(got.took.direct > 0 && got.took.hub > 0, JSON.stringify(got.took));
  assert.deepEqual(await sent(ada), { Bob: 'delivered' });
  const [fromAda, fromBob] = await Promise.all([ada.stop(), bob.stop()]);
  await ada.heardAll('Bob', fromBob);
  await bob.heardAll('Ada', fromAda);
});
