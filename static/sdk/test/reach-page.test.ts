import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CrosspointError } from '../src/codes.js';
import { offer, rig, settle, type FakeLink } from './fakes.js';
import { fakeWindow } from './window.js';

const MINUTE = 60_000;
const down = () => new CrosspointError('unavailable', 'the network is gone');
const greeted = (links: FakeLink[]) => links.find((l) => !l.closed && l.hello());
const pings = (link: FakeLink) => link.types().filter((type) => type === 'hub:ping').length;

test('offline and online in quick turns: an attempt that has begun is left alone, and gets through', async () => {
  const page = fakeWindow();
  const late: (() => void)[] = [];
  const r = rig({}, () => new Promise((resolve) => late.push(() => resolve(offer()))));
  for (let i = 0; i < 20; i++) {
    page.fire(i % 2 ? 'online' : 'offline');
    await r.clock.advance(60);
  }
  assert.equal(late.length, 1, 'one negotiation, not twenty');
  late[0]!();
  await r.clock.advance(10);
  r.last().welcome();
  assert.equal(r.client.state, 'connected');
  for (let i = 0; i < 20; i++) {
    page.fire(i % 2 ? 'online' : 'offline');
    await r.clock.advance(60);
  }
  assert.equal(r.client.state, 'connected', 'a link that works is not left for what the browser thinks');
  r.client.close();
  assert.equal(page.listeners(), 0);
});

test('offline and online in quick turns while nothing works: no tight loop', async () => {
  const page = fakeWindow();
  let n = 0;
  const r = rig({}, () => {
    n += 1;
    throw new TypeError('no network');
  });
  for (let t = 0; t < MINUTE; t += 100) {
    page.fire('offline');
    page.fire('online');
    await r.clock.advance(100);
  }
  assert.ok(n >= 30 && n <= 80, `${n} attempts in a minute`);
  r.client.close();
});

test('while the browser says offline nobody hammers, but it may be wrong: the client gets in', async () => {
  const page = fakeWindow();
  let works = false;
  const r = rig({ autoUpgrade: false }, () => {
    if (!works) throw new TypeError('no network');
    return offer();
  });
  page.fire('offline');
  await r.clock.advance(10 * MINUTE);
  const attempts = r.asked.length;
  assert.ok(attempts > 30 && attempts < 90, `${attempts} attempts in ten minutes`);
  works = true;
  for (let t = 0; t < 15_000 && !greeted(r.links); t += 100) await r.clock.advance(100);
  greeted(r.links)!.welcome();
  assert.equal(r.client.state, 'connected', 'although the browser still says offline');
  await r.clock.advance(8_000);
  greeted(r.links)!.fail(down());
  await r.clock.advance(200);
  assert.equal(r.client.state, 'reconnecting');
  greeted(r.links)!.welcome();
  assert.equal(r.client.state, 'connected', 'the first attempt after a loss does not wait either');
  r.client.close();
});

test('online: the link is asked for a sign of life, and better transports are looked for at once', async () => {
  const page = fakeWindow();
  const r = rig();
  await settle();
  r.links[0]!.fail(down());
  const sse = r.links[1]!;
  sse.welcome();
  await r.clock.advance(10);
  const before = pings(sse);
  page.fire('online');
  assert.equal(pings(sse), before + 1);
  await r.clock.advance(1_000);
  const probe = r.last();
  assert.deepEqual([probe.transport, probe.opened], ['websocket', 'probe']);
  probe.prove();
  probe.welcome();
  assert.equal(r.client.transport, 'websocket');
  r.client.close();
});

test('waking up reconnects at once, whatever wait was due', async () => {
  const page = fakeWindow();
  let works = false;
  const r = rig({ backoff: { min_ms: 60_000, max_ms: 60_000 } }, () => {
    if (!works) throw new TypeError('no network');
    return offer();
  });
  await r.clock.advance(100);
  works = true;
  page.fire('pageshow', { persisted: true });
  await r.clock.advance(200);
  assert.equal(r.asked.length, 2);
  r.client.close();
});

test('a frozen page that comes back in the same second still reconnects', async () => {
  const page = fakeWindow();
  const r = rig();
  await settle();
  r.last().welcome();
  for (let i = 0; i < 3; i++) {
    page.fire('pagehide', { persisted: true });
    await r.clock.advance(20);
    page.fire('pageshow', { persisted: true });
    await r.clock.advance(250);
    greeted(r.links)!.welcome();
    assert.equal(r.client.state, 'connected');
  }
  r.client.close();
});

test('a background tab whose timers come once a minute: no false deaths, but a dead link is left', async () => {
  const r = rig({ autoUpgrade: false });
  await settle();
  r.links[0]!.welcome({ beat_ms: 2_500 });
  await r.clock.advance(10);
  r.clock.throttle = MINUTE;
  const [link] = r.links;
  // What comes from the network isn't throttled.
  for (let t = 0; t < 30 * MINUTE; t += 2_500) {
    await r.clock.advance(2_500);
    link!.context.events.beat();
  }
  assert.deepEqual([link!.closed, r.client.counters.reconnects], [false, 0]);
  let silent = 0;
  for (; silent < 10 * MINUTE && !link!.closed; silent += 1_000) await r.clock.advance(1_000);
  assert.ok(silent <= 4 * MINUTE, `left after ${silent} ms`);
  r.client.close();
});
