import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { isCounted, type Frame } from '../src/frame.js';
import { Machine } from '../src/session/machine.js';
import type { Input, Output } from '../src/session/types.js';
import { keyOf } from '../src/tabs/key.js';
import { Seat } from '../src/tabs/seat.js';
import { REPLICATED } from '../src/tabs/shared.js';
import { Shares } from '../src/tabs/shares.js';
import { Watch } from '../src/tabs/watch.js';
import { FakeClock } from './fakes.js';

const folder = `${process.env.SDK_DIR}/../../tests/vectors/client`;
const names: string[] = readdirSync(folder).filter((name: string) => name.endsWith('.jsonl'));

/** What tabs without the link see of a machine's outputs. */
const seen = (outputs: Output[]) => outputs.filter(({ op }) => ['event', 'welcomed', 'rejoined', 'rejoin_failed', 'lost'].includes(op));

function run(machine: Machine, now: number, input: Input): Output[] {
  machine.handle(now, structuredClone(input));
  const outputs: Output[] = [];
  for (let o = machine.poll(); o; o = machine.poll()) outputs.push(o);
  return outputs;
}

/** What has to be the same in all tabs. */
function state(machine: Machine): unknown {
  const { identity, received, ids, up, rooms } = machine.snapshot();
  const { kept, acked } = up as { kept: { frame: Frame; answered: boolean }[]; acked: number };
  return structuredClone({ identity, received, ids, rooms, acked, frames: kept.map(({ frame, answered }) => [frame, answered]) });
}

for (const [i, name] of names.entries()) {
  test(`a machine that adopts another's state, and is told what counts, stays the same: ${name}`, () => {
    const [first, ...steps] = readFileSync(`${folder}/${name}`, 'utf8').trimEnd().split('\n').map((line: string) => JSON.parse(line));
    const leader = new Machine(first.config);
    let follower = new Machine(first.config);
    const from = Math.floor((steps.length * (i % 4)) / 4);
    steps.forEach((step: { now: number; in: Input }, n: number) => {
      if (n === from) {
        follower = new Machine(first.config);
        follower.adopt(step.now, structuredClone(leader.snapshot()));
      }
      const told = run(leader, step.now, step.in);
      if (n < from) return;
      const input = step.in;
      const shared = REPLICATED.has(input.op) && (input.op !== 'send' || isCounted(input.frame));
      const heard = shared ? run(follower, step.now, input) : [];
      for (const o of told) if (o.op === 'close') run(follower, step.now, { op: 'closed', link: o.link });
      const where = `line ${n + 2}: ${JSON.stringify(input)}`;
      assert.deepEqual(seen(heard), seen(told), where);
      assert.deepEqual(state(follower), state(leader), where);
    });
  });
}

test('who inherits a session goes on from what the hub has, even if it is more than was known', () => {
  const machine = new Machine({});
  const data = { version: 1, session: 's', resume: 'r', user: 'u', resumed: false, received: 0, start: 1, heartbeat_ms: 10_000, resume_ms: 60_000, ack_every: 32, ack_delay_ms: 1_000 };
  run(machine, 0, { op: 'hello', link: 1, cause: 'connect', auth: {} });
  run(machine, 0, { op: 'frame', link: 1, frame: { type: 'hub:welcome', data } });
  run(machine, 0, { op: 'send', frame: { type: 'm', room: 'r', id: 'a' } });
  machine.inherit();
  run(machine, 1, { op: 'send', frame: { type: 'm', to: 'user:x' } });
  run(machine, 1, { op: 'send', frame: { type: 'm', room: 'r', id: 'b' } });
  run(machine, 1, { op: 'hello', link: 2, cause: 'lost', auth: {} });
  const out = run(machine, 1, { op: 'frame', link: 2, frame: { type: 'hub:welcome', data: { ...data, resumed: true, received: 3 } } });
  // Two frames of the last leader are not known here: one may have been that to x.
  assert.deepEqual(out.filter(({ op }) => op === 'lost'), [{ op: 'lost', frames: 1 }]);
  const sent = out.filter((o): o is Output & { op: 'transmit' } => o.op === 'transmit');
  assert.deepEqual(sent.map(({ seq, frame }) => [seq, frame.id]), [[4, 'b']]);
  machine.forget();
  const [hello] = run(machine, 2, { op: 'hello', link: 3, cause: 'lost', auth: {} }).filter(({ op }) => op === 'transmit') as (Output & { op: 'transmit' })[];
  assert.equal((hello!.frame.data as { session?: string; received: number }).session, undefined);
  assert.equal((hello!.frame.data as { received: number }).received, 0);
});

test('the session joins for the first tab, watches presence for the first that wants it, and leaves after the last', () => {
  const shares = new Shares();
  const told: Frame[] = [];
  const act = (op: Parameters<Shares['apply']>[0]) => {
    told.push(...shares.plan(op, () => 'e.7.x'));
    shares.apply(op);
    return told.splice(0);
  };
  for (const tab of ['a', 'b', 'c']) act({ op: 'come', tab });
  assert.deepEqual(act({ op: 'enter', tab: 'a', room: 'r', id: '1', presence: false, state: { s: 1 } }), [
    { type: 'hub:join', room: 'r', id: '1', data: { state: { s: 1 } } },
  ]);
  assert.equal(shares.table.rooms.get('r')!.joining, '1');
  assert.deepEqual(shares.observe({ type: 'hub:reply', id: '1' }, 'a'), { room: 'r', id: '1', good: true });
  assert.deepEqual(act({ op: 'enter', tab: 'b', room: 'r', id: '2', presence: false }), []);
  assert.deepEqual(act({ op: 'enter', tab: 'c', room: 'r', id: '3', presence: true }), [
    { type: 'hub:join', room: 'r', id: '3+', data: { presence: true, since: 'e.7.x' } },
  ]);
  assert.deepEqual(act({ op: 'exit', tab: 'a', room: 'r', id: '4' }), []);
  assert.deepEqual(act({ op: 'gone', tab: 'b' }), []);
  assert.deepEqual(act({ op: 'gone', tab: 'c' }), [{ type: 'hub:leave', room: 'r' }]);
  assert.equal(shares.table.rooms.size, 0);
  act({ op: 'enter', tab: 'a', room: 'r', id: '5', presence: false });
  assert.equal(shares.observe({ type: 'hub:error', id: '5' }, 'a')!.good, false);
  assert.equal(shares.table.rooms.size, 0);
});

test('a request goes to the tab that handles its type; a tab that goes leaves an answer', () => {
  const shares = new Shares();
  for (const tab of ['a', 'b']) shares.apply({ op: 'come', tab });
  shares.apply({ op: 'handle', tab: 'b', type: 'sum', on: true });
  shares.observe({ type: 'sum', request: '1' }, 'a');
  shares.observe({ type: 'other', request: '2' }, 'a');
  shares.observe({ type: 'sum', request: '3' }, 'a');
  assert.deepEqual([...shares.table.requests], [['1', 'b'], ['2', 'a'], ['3', 'b']]);
  shares.sent({ type: 'hub:answer', request: '1' });
  assert.deepEqual(shares.plan({ op: 'gone', tab: 'b' }, () => null).map(({ type, request, error }) => [type, request, error!.code]), [
    ['hub:answer', '3', 'not_found'],
  ]);
  shares.apply({ op: 'gone', tab: 'b' });
  assert.deepEqual([...shares.table.requests.keys()], ['2']);
  shares.observe({ type: 'sum', request: '4' }, 'a');
  assert.equal(shares.table.requests.get('4'), 'a');
});

test('a new session repeats what the hub still knows by its id, and what it has not got', () => {
  const shares = new Shares();
  const publish: Frame = { type: 'm', room: 'r', id: 'p' };
  shares.given(1_000, publish);
  shares.given(50_000, publish);
  shares.given(1_000, { type: 'm', to: 'user:u', id: 'u' });
  shares.given(1_000, { type: 'm', room: 'r', id: 'answered' });
  shares.given(1_000, { type: 'hub:join', room: 'r', id: 'j' });
  shares.observe({ type: 'hub:reply', id: 'answered' }, 'a');
  assert.deepEqual([...shares.table.given.keys()], ['p', 'u']);
  assert.equal(shares.mayRepeat(100_000, publish, false), true);
  assert.equal(shares.mayRepeat(100_000, { type: 'm', to: 'user:u', id: 'u' }, false), false);
  assert.equal(shares.mayRepeat(10_000_000, publish, true), true);
  assert.equal(shares.mayRepeat(10_000_000, { type: 'hub:join', room: 'r', id: 'j' }, false), true);
  assert.equal(shares.mayRepeat(120_000, publish, false), false);
});

test('a seat holds what comes until its tab is in, then passes what is newer', () => {
  const seat = new Seat('r', '1', {});
  const event = (offset: number): Frame => ({ type: 'm', room: 'r', offset, id: `i${offset}` });
  for (const frame of [event(3), event(4), { type: 'v', volatile: true } as Frame]) assert.equal(seat.takes(frame), false);
  assert.deepEqual(seat.open({ epoch: 'e', offset: 3, id: 'i3' }).filter((frame) => seat.takes(frame)), [event(4)]);
  assert.equal(seat.takes(event(4)), false);
  assert.equal(seat.takes(event(5)), true);
  assert.equal(seat.text, 'e.5.i5');
  assert.equal(seat.takes({ type: 'hub:presence', room: 'r' }), false);
  assert.equal(seat.takes({ type: 'hub:gap', room: 'r', data: { position: 'f.2.x', reason: 'history_lost' } }), true);
  assert.equal(seat.takes(event(2)), false);
  assert.equal(seat.takes(event(3)), true);
});

test('a leader that answers is left alone; one that does not is taken for dead, unless this tab slept', async () => {
  const clock = new FakeClock();
  const log: string[] = [];
  let answers = true;
  const watch = new Watch(clock, {
    ping: () => {
      log.push('ping');
      if (answers) watch.heard();
    },
    rank: () => 0,
    dead: () => log.push(`dead ${clock.time}`),
  });
  watch.start();
  await clock.advance(5_000);
  assert.ok(log.length >= 4 && !log.some((line) => line.startsWith('dead')));
  answers = false;
  const from = clock.time;
  await clock.advance(2_500);
  const dead = Number(log.find((line) => line.startsWith('dead'))!.slice(5)) - from;
  assert.ok(dead >= 1_000 && dead <= 2_000, `${dead}`);
  watch.stop();
  log.length = 0;
  await clock.advance(5_000);
  assert.deepEqual(log, []);

  watch.start();
  await clock.advance(600);
  // All timers are late at once: nobody can tell.
  clock.time += 60_000;
  await clock.advance(0);
  assert.equal(log.some((line) => line.startsWith('dead')), false);
});

test('tabs share only with tabs of the same user, the same grant and the same wishes', async () => {
  const token = (claims: object) => `h.${btoa(JSON.stringify(claims))}.s`;
  const base = 'http://hub.test';
  const key = await keyOf(base, {}, token({ sub: 'a', exp: 1, iat: 1 }));
  assert.equal(await keyOf(base, {}, token({ iat: 2, sub: 'a', exp: 2 })), key);
  const others = [
    keyOf(base, {}, token({ sub: 'b' })),
    keyOf(base, {}, token({ sub: 'a', join: ['x'] })),
    keyOf(base, {}, null),
    keyOf(base, {}, 'opaque'),
    keyOf('http://other.test', {}, token({ sub: 'a' })),
    keyOf(base, { transports: ['sse'] }, token({ sub: 'a' })),
  ];
  assert.equal(new Set([key, ...(await Promise.all(others))]).size, others.length + 1);
});
