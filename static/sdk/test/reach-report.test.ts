import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CrosspointError } from '../src/codes.js';
import { rig, settle, type FakeLink } from './fakes.js';
import { laboratory, noWebSocket, person, Talk, until } from './live.js';

const { hub, behind } = laboratory();
const reports = (link: FakeLink) => link.sent.map(({ frame }) => frame).filter(({ type }) => type === 'hub:report').map(({ data }) => data);

test('each link is reported once, with its first message, to a hub that wants to know', async () => {
  const r = rig({ autoUpgrade: false });
  await r.clock.advance(40);
  r.links[0]!.fail(new CrosspointError('unavailable'));
  await r.clock.advance(60);
  const sse = r.links[1]!;
  sse.welcome({ reports: true });
  await r.clock.advance(50);
  assert.deepEqual(reports(sse), []);
  sse.frame({ type: 'hub:reply', id: 'x', data: {} });
  sse.frame({ type: 'hub:reply', id: 'y', data: {} });
  const attempts = [{ transport: 'websocket', outcome: 'unavailable', ms: 40 }, { transport: 'sse', outcome: 'won', ms: 60 }];
  assert.deepEqual(reports(sse), [{ attempts, connect_ms: 100, first_ms: 150, cause: 'connect' }]);
  assert.deepEqual(sse.sent.find(({ frame }) => frame.type === 'hub:report')!.seq, null, 'it has no number');

  const moving = r.client.moveTo('sse-poll');
  await r.clock.advance(30);
  r.last().welcome({ reports: true, received: 0, start: 3 });
  await moving;
  await r.clock.advance(4_900);
  assert.deepEqual(reports(r.last()), []);
  await r.clock.advance(100);
  assert.deepEqual(reports(r.last()), [{ attempts: [{ transport: 'sse-poll', outcome: 'won', ms: 30 }], connect_ms: 30, cause: 'manual', from: 'sse' }]);
  await r.clock.advance(8_000);
  assert.equal(reports(r.last()).length, 1);
  r.client.close();
});

test('a hub that does not ask for reports gets none', async () => {
  const r = rig();
  await settle();
  r.last().welcome();
  r.last().frame({ type: 'hub:reply', id: 'x', data: {} });
  await r.clock.advance(6_000);
  assert.deepEqual(reports(r.links[0]!), []);
  r.client.close();
});

test('metrics: how the connection was found, and how quick it is', async () => {
  const r = rig({ autoUpgrade: false });
  await r.clock.advance(40);
  r.links[0]!.fail(new CrosspointError('unavailable'));
  r.links[1]!.welcome();
  const room = r.client.room('r');
  for (const ms of [10, 20, 30, 200]) {
    const { id } = room.publish('m', 1);
    await r.clock.advance(ms);
    r.links[1]!.frame({ type: 'hub:reply', id, data: { id, ts: 1 } });
  }
  const metrics = r.client.getPerformanceMetrics();
  assert.deepEqual(metrics.latency, { count: 4, last: 200, p50: 30, p95: 200 });
  assert.deepEqual([metrics.connectMs, metrics.firstMessageMs], [40, 50]);
  assert.deepEqual(metrics.transports, {
    websocket: { attempts: 1, wins: 0, failures: 1, ms: 0 },
    sse: { attempts: 1, wins: 1, failures: 0, ms: 260 },
  });
  assert.deepEqual([metrics.sent, metrics.received, metrics.movesUp, metrics.movesDown], [4, 4, 0, 0]);
  r.client.close();
  assert.equal(r.client.getPerformanceMetrics().transports.sse!.ms, 260);
});

test('the hub shows what clients report of this network', async (t: any) => {
  const proxy = await behind({ http: [noWebSocket] });
  const ada = person(t, proxy.origin, { autoUpgrade: false });
  const bob = person(t, (await hub()).origin, { user: 'bob' });
  const talk = new Talk('reported', [ada, bob]);
  await talk.join();
  await talk.say(1);
  await talk.complete();
  await ada.moveTo('sse-poll');
  await talk.say(1);
  await talk.complete();
  const show = async () => (await fetch(`${(await hub()).origin}/metrics`)).text();
  await until(async () => /attempts[^\n]*sse-poll[^\n]* [1-9]/.test(await show()), 'the reports are counted', 10_000);
});
