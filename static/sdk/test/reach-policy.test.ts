import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CrosspointError } from '../src/codes.js';
import { json, offer, rig, settle, type FakeLink } from './fakes.js';

const cut = () => new CrosspointError('unavailable', 'reset by a proxy');
const MINUTE = 60_000;

/** Lets time pass while the hub is heard on whatever link there is. */
async function live({ clock, links }: ReturnType<typeof rig>, ms: number): Promise<void> {
  for (let t = 0; t < ms; t += 1_000) {
    await clock.advance(Math.min(1_000, ms - t));
    for (const link of links.slice(-4)) if (!link.closed && link.hello()) link.frame({ type: 'hub:ping', data: { received: 0 } });
  }
}

/** Waits for the next hello, welcomes it, and returns how long it took. */
async function back(r: ReturnType<typeof rig>): Promise<{ link: FakeLink; ms: number }> {
  const began = r.clock.time;
  for (;;) {
    const link = r.links.find((l) => !l.closed && l.hello());
    if (link) {
      link.welcome();
      return { link, ms: r.clock.time - began };
    }
    await r.clock.advance(10);
  }
}

test('WebSocket opens and answers after the deadline: the late answer changes nothing', async () => {
  const r = rig({ transports: ['websocket'] });
  await settle();
  await r.clock.advance(3_000);
  const [late] = r.links;
  assert.ok(late!.closed);
  late!.context.events.frame({ type: 'hub:welcome', data: { session: 'late' } });
  late!.context.events.proven();
  const { link } = await back(r);
  assert.notEqual(link, late);
  assert.equal(r.client.session, 's1');
  r.client.close();
});

test('WebSocket is cut at 60 s, again and again: it is resumed at once, on WebSocket', async () => {
  const r = rig();
  await settle();
  r.last().welcome();
  for (let i = 0; i < 20; i++) {
    await live(r, MINUTE);
    r.last().fail(cut());
    const { link, ms } = await back(r);
    assert.equal(link.transport, 'websocket');
    assert.ok(ms <= 210, `${ms} ms without a link`);
  }
  assert.equal(r.asked.length, 1, 'no negotiation was needed');
  r.client.close();
});

test('WebSocket is cut after two seconds, always: the session lives on SSE, and is moved up ever more rarely', async () => {
  const r = rig();
  await settle();
  r.last().welcome();
  let linkless = 0;
  let ups = 0;
  let since = r.clock.time;
  const end = r.clock.time + 10 * MINUTE;
  while (r.clock.time < end) {
    await live(r, 100);
    const carrier = r.links.find((l) => !l.closed && l.hello());
    const probe = r.links.find((l) => !l.closed && l.opened === 'probe' && !l.hello());
    if (probe?.transport === 'websocket') {
      probe.prove();
      probe.welcome();
      ups += 1;
      since = r.clock.time;
    } else if (carrier?.transport === 'websocket' && r.clock.time - since >= 2_000) {
      carrier.fail(cut());
      linkless += (await back(r)).ms;
      since = r.clock.time;
    }
  }
  assert.ok(ups >= 2 && ups <= 8, `${ups} moves up in 10 minutes`);
  assert.ok(linkless < 4_000, `${linkless} ms without a link`);
  r.client.close();
});

test('links that live three seconds cost no long waits', async () => {
  const r = rig();
  await settle();
  r.last().welcome();
  for (let i = 0; i < 30; i++) {
    await live(r, 3_000);
    r.links.find((l) => !l.closed && l.hello())!.fail(cut());
    const { ms } = await back(r);
    assert.ok(ms <= 6_000, `${ms} ms after link ${i}`);
  }
  r.client.close();
});

const BROKEN: [what: string, answer: () => Response, then?: (link: FakeLink) => void][] = [
  ['the negotiation throws', () => { throw new TypeError('refused'); }],
  ['the negotiation is answered 502', () => new Response('bad gateway', { status: 502 })],
  ['the negotiation is answered 404 by a proxy, and nothing else works', () => new Response('nothing here', { status: 404 }), (link) => link.fail(cut())],
  ['each link fails at once', offer, (link) => link.fail(cut())],
  ['each hello is refused', offer, (link) => link.hello() && link.frame({ type: 'hub:close', data: { code: 'internal', message: 'oh', retry: 'backoff' } })],
  ['each hello is answered "now"', offer, (link) => link.hello() && link.frame({ type: 'hub:close', data: { code: 'shutdown', message: 'oh', retry: 'now' } })],
  ['each link is welcomed and dies', offer, (link) => link.hello() && (link.welcome(), link.fail(cut()))],
];

for (const [what, answer, then] of BROKEN) {
  test(`an error during connect keeps the backoff: ${what}`, async () => {
    const r = rig({ autoUpgrade: false }, answer);
    const at: number[] = [];
    r.client.on('error', () => at.push(r.clock.time));
    r.client.on('state', ({ state }) => state === 'reconnecting' && at.push(r.clock.time));
    const end = r.clock.time + 5 * MINUTE;
    let seen = 0;
    while (r.clock.time < end) {
      await r.clock.advance(50);
      for (; seen < r.links.length; seen++) then?.(r.links[seen]!);
      for (const link of r.links) if (!link.closed && link.hello()) then?.(link);
    }
    assert.ok(at.length >= 10 && at.length <= 40, `${at.length} rounds in five minutes`);
    const gaps = at.slice(1).map((t, i) => t - at[i]!);
    assert.ok(gaps.slice(10).every((gap) => gap > 2_000), `${gaps}`);
    r.client.close();
    await r.clock.advance(MINUTE);
    assert.equal(r.clock.waiting, 0);
  });
}

test('a negotiation that hangs is repeated after three seconds, and then done without', async () => {
  const r = rig({ token: 'jwt' }, () => new Promise(() => {}));
  // A fetch that hears its signal.
  (r.client as any).core.connector.directory.options.fetch = (_: string, { signal }: any) =>
    new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('aborted'))));
  await r.clock.advance(6_500);
  assert.deepEqual(r.links.map((l) => [l.transport, l.url])[0], ['websocket', 'ws://hub.test/ws']);
  assert.equal(r.links[0]!.hello().token, 'jwt');
  r.links[0]!.welcome();
  assert.equal(r.client.state, 'connected');
  r.client.close();
});

test('"come back in n ms" is obeyed, whoever says it, and whatever the browser thinks', async () => {
  const r = rig();
  await settle();
  r.last().welcome();
  await live(r, 5_000);
  r.last().frame({ type: 'hub:close', data: { code: 'shutdown', message: 'restart', retry: 'now', retry_after_ms: 8_000 } });
  const before = r.links.length;
  await r.clock.advance(4_000);
  (r.client as any).core.online(true);
  await r.clock.advance(3_990);
  assert.equal(r.links.length, before);
  assert.equal(r.asked.length, 1);
  await r.clock.advance(410);
  assert.ok(r.asked.length > 1);
  r.client.close();
});

test('503 with Retry-After at the negotiation: nobody knocks before', async () => {
  let n = 0;
  const r = rig({}, () => (n++ ? offer() : new Response('full', { status: 503, headers: { 'retry-after': '12' } })));
  await r.clock.advance(11_990);
  assert.equal(n, 1);
  await r.clock.advance(300);
  assert.equal(n, 2);
  r.client.close();
});

for (const [what, answer, code] of [
  ['404 from the hub', () => json({ error: { code: 'not_found', message: 'no hub here', retry: 'never' } }, 404), 'not_found'],
  ['413', () => new Response('too large', { status: 413 }), 'frame_too_large'],
  ['401 to a fixed token', () => json({ error: { code: 'unauthorized', message: 'no', retry: 'refresh' } }, 401), 'unauthorized'],
] as const) {
  test(`the negotiation is answered ${what}: the client ends, and says why`, async () => {
    const r = rig({ token: 'fixed' }, answer);
    await assert.rejects(r.client.ready(), { code });
    await r.clock.advance(MINUTE);
    assert.deepEqual([r.asked.length, r.client.state, r.clock.waiting], [1, 'closed', 0]);
  });
}

for (const status of [403, 404, 405, 409]) {
  test(`the negotiation is answered ${status} by something in between: it is asked again, then done without`, async () => {
    const r = rig({}, () => new Response('<html>', { status }));
    await r.clock.advance(2_000);
    const [link] = r.links;
    assert.deepEqual([r.asked.length, link?.transport, link?.hello() !== undefined], [2, 'websocket', true]);
    link!.welcome();
    assert.equal(r.client.state, 'connected');
    r.client.close();
  });
}

for (const status of [429, 500, 502, 503, 504]) {
  test(`the negotiation is answered ${status} by something in between: nothing else is tried, and the backoff kept`, async () => {
    const r = rig({}, () => new Response('<html>', { status }));
    await r.clock.advance(30_000);
    assert.equal(r.links.length, 0);
    assert.ok(r.asked.length >= 5 && r.asked.length <= 10, `${r.asked.length}`);
    r.client.close();
  });
}

const elsewhere = (address: string, retry = 'now') => ({ error: { code: 'unavailable', message: 'go there', retry, address } });

test('the hub says where to go; where that fails twice, the way leads back', async () => {
  const r = rig({}, (_body) => {
    const { url } = r.asked.at(-1);
    if (url.startsWith('http://hub.test')) return r.asked.length === 1 ? json(elsewhere('http://other.test/base/'), 503) : offer();
    throw new TypeError('nobody there');
  });
  await r.clock.advance(2_000);
  assert.deepEqual(r.asked.map(({ url }) => url), [
    'http://hub.test/negotiate', 'http://other.test/base/negotiate', 'http://other.test/base/negotiate', 'http://hub.test/negotiate',
  ]);
  const { link } = await back(r);
  link.frame({ type: 'hub:close', data: { code: 'shutdown', message: 'x', retry: 'now', address: 'http://third.test' } });
  await r.clock.advance(4_000);
  assert.ok(r.asked.some(({ url }) => url === 'http://third.test/negotiate'), 'a link that is closed says so too');
  r.client.close();
});

test('a client goes only where it may', async () => {
  for (const [redirect, address] of [
    [false, 'http://other.test'],
    [(url: string) => url.includes('good'), 'http://other.test'],
    [() => { throw new Error('mine'); }, 'http://other.test'],
    [true, 'ftp://other.test'],
    [true, '/relative'],
    [true, 'http://'],
  ] as const) {
    const r = rig({ redirect }, () => json(elsewhere(address, 'backoff'), 503));
    await r.clock.advance(3_000);
    assert.ok(r.asked.length > 1 && r.asked.every(({ url }) => url === 'http://hub.test/negotiate'), address);
    r.client.close();
  }
});

test('a redirect never leads from https to http', async () => {
  const { Directory } = await import('../src/directory.js');
  const options = { base: 'https://hub.test', redirect: true } as any;
  const directory = new Directory(options, {} as any, {} as any, {} as any);
  assert.equal(directory.redirect('http://hub.test'), false);
  assert.equal(directory.redirect('https://other.test'), true);
  assert.equal(directory.base, 'https://other.test');
});

test('links that refer to each other make no loop', async () => {
  const r = rig({}, () => {
    const here = r.asked.at(-1).url.includes('hub.test');
    return json(elsewhere(here ? 'http://other.test' : 'http://hub.test'), 503);
  });
  await r.clock.advance(MINUTE);
  assert.ok(r.asked.length > 4 && r.asked.length < 20, `${r.asked.length} negotiations in a minute`);
  r.client.close();
});
