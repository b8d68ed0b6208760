import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CrosspointError } from '../src/codes.js';
import { Pair, type Packet, type Way } from '../src/rtc/pair.js';
import { Path } from '../src/rtc/path.js';
import { random } from './hub.js';

const ENDS = ['a', 'b'] as const;
type End = (typeof ENDS)[number];
const other = (end: End): End => (end === 'a' ? 'b' : 'a');

/** Two pairs, a hub between them that refuses and loses, and a channel that comes and goes. */
class World {
  now = 0;
  readonly pairs = { a: new Pair(), b: new Pair() };
  readonly got = { a: [] as unknown[], b: [] as unknown[] };
  readonly done = { a: [] as unknown[], b: [] as unknown[] };
  readonly ways = new Set<Way>();
  made = { a: 0, b: 0 };
  refusing = 0;
  losing = 0;
  private events: { at: number; order: number; fn: () => void }[] = [];
  private order = 0;
  /** When the last packet of a way arrives: what follows is not quicker. */
  private last: Record<string, number> = {};
  /** What was on a channel that is gone never arrives. */
  private channel = 0;
  open = false;

  constructor(readonly random: () => number) {}

  after(ms: number, fn: () => void): void {
    this.events.push({ at: this.now + ms, order: this.order++, fn });
  }

  say(from: End): void {
    const n = ++this.made[from];
    this.pairs[from].send(this.now, { topic: 't', data: n, bytes: 10, done: (error) => this.done[from].push(error ?? n) });
    this.work(from);
  }

  work(end: End): void {
    const pair = this.pairs[end];
    for (let output = pair.poll(); output; output = pair.poll()) {
      if (output.op === 'message') {
        this.ways.add(output.way);
        this.got[end].push(output.data);
      } else {
        this.carry(end, output.way, output.packet, output.round);
      }
    }
  }

  private carry(from: End, way: Way, packet: Packet, round: number): void {
    if (way === 'direct' && !this.open) return;
    const { channel } = this;
    const key = `${way} ${from}`;
    const at = Math.max(this.last[key] ?? 0, this.now + 1 + this.random() * (way === 'hub' ? 200 : 30));
    this.last[key] = at;
    const refused = way === 'hub' && this.random() < this.refusing;
    const lost = way === 'hub' && this.random() < this.losing;
    this.after(at - this.now, () => {
      if (way === 'direct' && channel !== this.channel) return;
      if (refused) this.pairs[from].refused(this.now, round);
      else if (!lost) this.pairs[other(from)].came(this.now, way, JSON.parse(JSON.stringify(packet)));
      for (const end of ENDS) this.work(end);
    });
  }

  /** The ends hear of the channel at different times. */
  direct(open: boolean): void {
    if (!open) this.channel += 1;
    this.open = open;
    const { channel } = this;
    for (const end of ENDS) {
      this.after(this.random() * 400, () => {
        if (open && channel !== this.channel) return;
        this.pairs[end].use(this.now, open ? 'direct' : 'hub');
        this.work(end);
      });
    }
  }

  async run(ms: number): Promise<void> {
    const until = this.now + ms;
    for (;;) {
      const event = this.events.sort((x, y) => x.at - y.at || x.order - y.order)[0];
      const due = Math.min(this.pairs.a.deadline(), this.pairs.b.deadline());
      const next = Math.min(event?.at ?? Infinity, due);
      if (next > until) break;
      this.now = Math.max(this.now, next);
      if (event && event.at <= next) {
        this.events.shift();
        event.fn();
      }
      for (const end of ENDS) {
        if (this.pairs[end].deadline() <= this.now) this.pairs[end].tick(this.now);
        this.work(end);
      }
    }
    this.now = until;
  }

  complete(): void {
    for (const end of ENDS) {
      const all = Array.from({ length: this.made[end] }, (_, i) => i + 1);
      assert.deepEqual(this.got[other(end)], all, `what ${end} said came once and in order`);
      assert.deepEqual(this.done[end], all, `${end} knows that`);
      assert.equal(this.pairs[end].waiting, 0);
    }
  }
}

for (let seed = 1; seed <= 300; seed++) {
  test(`numbers arrive once and in order while the ways come and go (seed ${seed})`, async () => {
    const chance = random(seed * 7919);
    const world = new World(chance);
    for (let step = 0; step < 120; step++) {
      const what = chance();
      if (what < 0.6) for (const end of ENDS) for (let i = chance() * 8; i > 0; i--) world.say(end);
      else if (what < 0.7) world.direct(true);
      else if (what < 0.82) world.direct(false);
      else if (what < 0.88) world.refusing = chance() < 0.5 ? 0 : chance() * 0.6;
      else if (what < 0.91) world.losing = chance() < 0.7 ? 0 : chance() * 0.3;
      else if (what < 0.96) {
        const end = ENDS[Math.floor(chance() * 2)]!;
        const linked = chance() < 0.5;
        world.pairs[end].link(world.now, linked);
        world.work(end);
        world.after(chance() * 3_000, () => (world.pairs[end].link(world.now, true), world.work(end)));
      } else {
        for (const end of ENDS) (world.pairs[end].begin(world.now), world.work(end));
      }
      await world.run(chance() * 150);
    }
    world.refusing = world.losing = 0;
    await world.run(200_000);
    world.complete();
    assert.ok(world.got.a.length > 50);
  });
}

test('a cut at any point of a burst loses and doubles nothing', async () => {
  for (let at = 0; at <= 120; at++) {
    const world = new World(random(at + 1));
    world.direct(true);
    await world.run(500);
    for (let i = 0; i < 60; i++) for (const end of ENDS) world.say(end);
    await world.run(at / 2);
    world.direct(false);
    await world.run(10_000);
    world.complete();
    world.direct(true);
    await world.run(500);
    for (const end of ENDS) world.say(end);
    await world.run(2_000);
    world.complete();
    assert.equal(world.ways.has('direct'), true);
  }
});

function lone() {
  const pair = new Pair();
  const sent: any[] = [];
  const drain = () => {
    for (let output = pair.poll(); output; output = pair.poll()) sent.push(output);
    return sent;
  };
  const outcome: (CrosspointError | null)[] = [];
  const say = (bytes = 10) => pair.send(0, { topic: '', data: 'x', bytes, done: (error) => outcome.push(error) });
  return { pair, sent, drain, outcome, say };
}

test('what may wait is bounded', () => {
  const { pair, say, outcome } = lone();
  for (let i = 0; i < 4_000; i++) say();
  assert.throws(() => say(), { code: 'limit_exceeded' });
  pair.close(new CrosspointError('bye'));
  assert.equal(outcome.filter((error) => error?.code === 'bye').length, 4_000);
  assert.throws(() => say(), { code: 'bye' });
  const big = lone();
  for (let i = 0; i < 4; i++) big.say(1 << 20);
  assert.throws(() => big.say(1), { code: 'limit_exceeded' });
});

test('what is on its way through the hub is bounded, and goes on with acknowledgements', () => {
  const { pair, drain, say } = lone();
  for (let i = 0; i < 200; i++) say();
  assert.equal(drain().length, 64);
  pair.came(10, 'hub', { type: 'a', a: 30 });
  assert.equal(drain().length, 94);
  pair.use(20, 'direct');
  assert.deepEqual(drain().slice(94).map(({ packet }) => packet.n).slice(0, 2), [31, 32]);
});

test('acknowledgements of what was never sent, and old ones, mean nothing', () => {
  const { pair, drain, say, outcome } = lone();
  say();
  pair.came(1, 'hub', { type: 'a', a: 7 });
  pair.came(1, 'hub', { type: 'a', a: -3 });
  assert.deepEqual(outcome, []);
  pair.came(1, 'hub', { type: 'm', n: -1, a: 0, t: '', data: null });
  pair.came(1, 'hub', { type: 'm', n: 3, a: 1, t: '', data: null });
  assert.deepEqual(outcome, [null]);
  pair.tick(1_000);
  assert.deepEqual(drain().at(-1).packet, { type: 'a', a: 0, r: 1 }, 'it asks for what is missing');
});

test('a path proves itself, and is dead when a ping has no answer', () => {
  const path = new Path();
  assert.equal(path.deadline(), Infinity);
  path.opened(1_000);
  assert.equal(path.tick(1_000), true);
  assert.equal(path.up, false);
  path.pong(1_040, 1_000);
  assert.deepEqual([path.up, path.rtt], [true, 40]);
  assert.equal(path.tick(3_000), true);
  assert.equal(path.deadline(), 5_000);
  assert.equal(path.tick(5_000), true);
  assert.equal(path.deadline(), 5_500);
  assert.equal(path.tick(5_500), true, 'dead: it is asked anew');
  assert.equal(path.up, false);
  path.pong(5_600, 3_000);
  assert.equal(path.up, false, 'old news');
  path.pong(5_601, 5_500);
  assert.equal(path.up, true);
});

test('a path on which something comes has more time, and so has one whose page slept', () => {
  const path = new Path();
  path.opened(0);
  path.tick(0);
  path.pong(1, 0);
  path.tick(2_000);
  path.heard(4_000);
  path.tick(4_500);
  assert.equal(path.up, true);
  path.tick(20_000);
  assert.equal(path.up, true, 'it slept');
  path.tick(22_500);
  assert.equal(path.up, false);
});

test('who acknowledges nothing for five seconds is stuck, unless it is my own link that is gone', () => {
  const { pair, say } = lone();
  assert.equal(pair.stuck(9_000), false, 'nothing waits');
  say();
  assert.deepEqual([pair.stuck(4_999), pair.stuck(5_000)], [false, true]);
  pair.link(6_000, false);
  assert.equal(pair.stuck(20_000), false);
  pair.link(20_000, true);
  assert.deepEqual([pair.stuck(24_999), pair.stuck(25_000)], [false, true]);
  pair.came(25_000, 'hub', { type: 'a', a: 1 });
  assert.equal(pair.stuck(40_000), false);
});

test('what was sent to nobody yet is sent by whoever takes its place', () => {
  const [old, heir] = [lone(), lone()];
  old.say();
  old.say();
  assert.equal(old.pair.fresh, true);
  old.pair.bequeath(1, heir.pair);
  old.pair.close(new CrosspointError('replaced'));
  heir.pair.came(2, 'hub', { type: 'a', a: 2 });
  assert.deepEqual([old.outcome, heir.pair.waiting, heir.pair.fresh], [[null, null], 0, false]);
});
