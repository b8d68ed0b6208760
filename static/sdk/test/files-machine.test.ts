import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Way } from '../src/rtc/pair.js';
import { Receiving } from '../src/rtc/files/receiving.js';
import { Sending } from '../src/rtc/files/sending.js';
import { controlOf, type Control } from '../src/rtc/files/wire.js';
import { CrosspointError } from '../src/codes.js';
import { random } from './hub.js';

const T = '00112233445566778899aabbccddeeff';
const WINDOWS = { direct: 4 << 20, hub: 384 << 10 };
/** What a store keeps over a reload comes in pieces of this size. */
const SEGMENT = 256 << 10;

interface Packet {
  at: number;
  run: () => void;
}

/** Delivers in order, each after a while. */
class Pipe {
  private readonly packets: Packet[] = [];
  constructor(private readonly delay: () => number) {}
  put(now: number, run: () => void): void {
    this.packets.push({ at: Math.max(now + this.delay(), this.packets.at(-1)?.at ?? 0), run });
  }
  cut(): void {
    this.packets.length = 0;
  }
  get due(): number {
    return this.packets[0]?.at ?? Infinity;
  }
  deliver(): void {
    this.packets.shift()!.run();
  }
}

/** Two ends of a transfer and what is between them. The data of a chunk are its place. */
class Scene {
  now = 0;
  readonly pipes: { up: Pipe; down: Pipe; direct: Pipe; hub: Pipe };
  readonly offer: Control & { m: 'offer' };
  sending: Sending;
  receiving: Receiving;
  /** What the receiver has written, in bytes and in order. */
  written = 0;
  pendingWrites: { at: number; count: number }[] = [];
  sendResult: CrosspointError | null | undefined;
  receiveResult: CrosspointError | null | undefined;
  duplicated = 0;
  sent = 0;
  reloads = 0;
  slowWrites = false;

  constructor(readonly size: number, readonly dice: () => number) {
    const delay = () => 1 + this.dice() * 60;
    this.pipes = { up: new Pipe(delay), down: new Pipe(delay), direct: new Pipe(delay), hub: new Pipe(() => 5 + this.dice() * 100) };
    this.offer = { m: 'offer', t: T, name: 'f', type: '', size };
    this.sending = new Sending(this.offer, WINDOWS);
    this.receiving = new Receiving(T, size);
    this.sending.attached(0);
    this.sending.use(0, 'hub');
    this.work();
  }

  get over(): boolean {
    return this.sendResult !== undefined && this.receiveResult !== undefined;
  }

  /** Everything until then happens. */
  advance(ms: number): void {
    const end = this.now + ms;
    for (let steps = 0; ; steps++) {
      assert.ok(steps < 100_000, 'time stands still');
      const pipes = Object.values(this.pipes);
      const due = Math.min(...pipes.map((pipe) => pipe.due), this.sending.deadline(), this.receiving.deadline(), this.pendingWrites[0]?.at ?? Infinity);
      if (due > end) break;
      this.now = Math.max(this.now, due);
      const pipe = pipes.find((pipe) => pipe.due <= this.now);
      if (pipe) pipe.deliver();
      else if ((this.pendingWrites[0]?.at ?? Infinity) <= this.now) this.settled(this.pendingWrites.shift()!.count);
      this.sending.tick(this.now);
      this.receiving.tick(this.now);
      this.work();
    }
    this.now = end;
  }

  private settled(count: number): void {
    this.written = count;
    this.receiving.settle(this.now, count);
  }

  work(): void {
    for (let o = this.sending.poll(); o; o = this.sending.poll()) {
      if (o.op === 'over') this.sendResult = o.error;
      else this.say(this.pipes.down, o.op === 'end' ? { m: 'end', t: T, h: 'f'.repeat(64) } : o.control, 'receiver');
    }
    for (let o = this.receiving.poll(); o; o = this.receiving.poll()) {
      if (o.op === 'over') this.receiveResult = o.error;
      else if (o.op === 'control') this.say(this.pipes.up, o.control, 'sender');
      else {
        assert.equal(this.receiving.received, this.size);
        this.receiving.right();
      }
    }
    for (let range = this.sending.range(60_000); range; range = this.sending.range(60_000)) {
      const { run, way } = this.sending;
      const { offset, bytes } = range;
      this.sent += bytes;
      this.pipes[way!].put(this.now, () => this.chunk(way!, offset, bytes));
      this.sending.gave(run, bytes);
      for (let o = this.sending.poll(); o; o = this.sending.poll()) {
        assert.equal(o.op, 'end');
        this.say(this.pipes.down, { m: 'end', t: T, h: 'f'.repeat(64) }, 'receiver');
      }
    }
  }

  private say(pipe: Pipe, control: Control, to: 'sender' | 'receiver'): void {
    const copy = controlOf(JSON.parse(JSON.stringify(control)));
    assert.ok(copy);
    pipe.put(this.now, () => {
      if (to === 'sender') this.sending.came(this.now, copy!);
      else if (this.receiveResult === null && copy!.m === 'offer') this.say(this.pipes.up, { m: 'done', t: T }, 'sender');
      else this.receiving.came(this.now, copy!);
    });
  }

  private chunk(way: Way, offset: number, bytes: number): void {
    const before = this.receiving.received;
    const fresh = this.receiving.chunk(this.now, way, offset, new Uint8Array(bytes));
    this.duplicated += bytes - (fresh?.length ?? 0);
    if (!fresh) return;
    assert.equal(offset + bytes, before + fresh.length, 'in order, without a hole');
    const inMemory = this.receiving.received - this.written;
    assert.ok(inMemory <= WINDOWS.direct, `${inMemory} bytes in memory`);
    this.pendingWrites.push({ at: this.now + (this.slowWrites ? this.dice() * 300 : 0), count: this.receiving.received });
  }

  /** The receiver's page goes, and comes back with what its store has. */
  reload(): void {
    if (this.receiveResult !== undefined) return;
    this.reloads += 1;
    for (const pipe of Object.values(this.pipes)) pipe.cut();
    this.pendingWrites = [];
    const held = Math.floor(this.written / SEGMENT) * SEGMENT;
    const { accepted } = this.receiving;
    this.receiving = new Receiving(T, this.size);
    this.written = held;
    this.sending.detached(this.now);
    this.work();
    this.advance(this.dice() * 3_000);
    this.sending.attached(this.now);
    this.receiving.attached(this.now);
    if (accepted) this.receiving.accept(this.now, held);
    this.work();
  }

  /** Sessions are replaced: what was on its way between the ends is gone. */
  renew(): void {
    for (const pipe of Object.values(this.pipes)) pipe.cut();
    this.sending.detached(this.now);
    this.receiving.detached(this.now);
    this.work();
    this.advance(this.dice() * 2_000);
    this.sending.attached(this.now);
    this.receiving.attached(this.now);
    this.work();
  }
}

function run(seed: number): Scene {
  const dice = random(seed * 2_654_435_761);
  const scene = new Scene(Math.floor(dice() * dice() * 20e6), dice);
  scene.slowWrites = dice() < 0.3;
  let way: Way | null = 'hub';
  for (let i = 0; i < 60 && !scene.over; i++) {
    const chance = dice();
    if (chance < 0.1) scene.receiving.accept(scene.now, 0);
    else if (chance < 0.3) scene.sending.use(scene.now, (way = way === 'direct' ? 'hub' : 'direct'));
    else if (chance < 0.45) {
      // The way dies with all that is on it, and the sender sees it sooner or later, or never.
      const { run, way } = scene.sending;
      if (way) scene.pipes[way].cut();
      if (dice() < 0.7) {
        scene.advance(dice() * 500);
        scene.sending.broken(scene.now, run);
      }
    } else if (chance < 0.55) scene.renew();
    else if (chance < 0.63) scene.reload();
    else if (chance < 0.66) {
      scene.sending.use(scene.now, null);
      scene.work();
      scene.advance(dice() * 20_000);
      scene.sending.use(scene.now, way);
    }
    scene.work();
    scene.advance(dice() * 400);
  }
  scene.sending.use(scene.now, 'hub');
  scene.receiving.accept(scene.now, 0);
  scene.work();
  for (let i = 0; i < 200 && !scene.over; i++) scene.advance(1_000);
  assert.equal(scene.receiveResult, null, 'the receiver has it all');
  assert.equal(scene.sendResult, null, 'and the sender knows');
  assert.equal(scene.receiving.received, scene.size);
  assert.equal(scene.sending.deadline(), Infinity);
  assert.equal(scene.receiving.deadline(), Infinity);
  return scene;
}

const only = process.env.SDK_SEED;
const seeds = only ? [Number(only)] : Array.from({ length: Number(process.env.SDK_SEEDS ?? 200) }, (_, i) => i + 1);

test('a file arrives whole, whatever is cut or lost, whichever way it goes', () => {
  let [reloads, duplicated] = [0, 0];
  for (const seed of seeds) {
    try {
      const scene = run(seed);
      reloads += scene.reloads;
      duplicated += scene.duplicated;
    } catch (error) {
      throw new Error(`failed with SDK_SEED=${seed}`, { cause: error });
    }
  }
  if (!only) assert.ok(reloads > 20 && duplicated > 0);
});

test('a cut at each point of a transfer costs at most what was under way', () => {
  const size = 3_000_000;
  for (const way of ['direct', 'hub'] as const) {
    for (let point = 0; point <= 60; point++) {
      const scene = new Scene(size, random(point + 1));
      scene.advance(200);
      scene.sending.use(scene.now, way);
      scene.receiving.accept(scene.now, 0);
      scene.work();
      scene.advance(point * (way === 'direct' ? 5 : 30));
      const { run } = scene.sending;
      scene.pipes[way].cut();
      scene.sending.broken(scene.now, run);
      scene.sending.use(scene.now, way === 'hub' ? 'direct' : 'hub');
      scene.work();
      scene.advance(60_000);
      assert.equal(scene.receiveResult, null, `${way}, ${point}`);
      assert.equal(scene.sendResult, null, `${way}, ${point}`);
      assert.ok(scene.sent <= size + WINDOWS[way] + WINDOWS.hub, `${way}, ${point}: ${scene.sent} bytes sent`);
    }
  }
});

test('without cuts nothing is sent twice, and an empty file is a file', () => {
  for (const size of [0, 1, 59_999, 60_000, 60_001, 10_000_000]) {
    const scene = new Scene(size, random(size + 1));
    scene.advance(1_000);
    assert.equal(scene.sent, 0, 'nothing goes before it is accepted');
    scene.receiving.accept(scene.now, 0);
    scene.work();
    scene.advance(30_000);
    assert.deepEqual([scene.sendResult, scene.receiveResult, scene.sent, scene.duplicated], [null, null, size, 0]);
  }
});

test('a way that swallows everything is noticed by the receiver', () => {
  const scene = new Scene(1_000_000, random(7));
  scene.receiving.accept(0, 0);
  scene.work();
  scene.advance(300);
  scene.pipes.hub.cut();
  scene.advance(20_000);
  assert.equal(scene.sendResult, null);
});

test('either end can end it, at any time', () => {
  for (const accepted of [false, true]) {
    for (const who of ['sender', 'receiver'] as const) {
      const scene = new Scene(5_000_000, random(3));
      scene.advance(200);
      if (accepted) scene.receiving.accept(scene.now, 0);
      scene.work();
      scene.advance(300);
      const error = new CrosspointError('cancelled', 'enough', 'never');
      if (who === 'sender') scene.sending.cancel(error);
      else scene.receiving.stop(error);
      scene.work();
      scene.advance(1_000);
      assert.deepEqual([scene.sendResult?.code, scene.receiveResult?.code], ['cancelled', 'cancelled']);
      assert.equal(scene.sending.range(1), null);
      assert.equal(scene.receiving.chunk(scene.now, 'hub', scene.receiving.received, new Uint8Array(1)), null);
    }
  }
});

test('who stays away for five minutes is given up', () => {
  const scene = new Scene(5_000_000, random(3));
  scene.receiving.accept(0, 0);
  scene.work();
  scene.advance(200);
  scene.sending.detached(scene.now);
  scene.receiving.detached(scene.now);
  scene.work();
  scene.advance(299_000);
  assert.ok(!scene.over);
  scene.advance(2_000);
  assert.deepEqual([scene.sendResult?.code, scene.receiveResult?.code], ['timeout', 'timeout']);
});

test('messages that make no sense are none', () => {
  for (const odd of [null, 1, 'x', [], {}, { m: 'go', t: 'x', o: 0, s: 0 }, { m: 'go', t: T, o: 1, s: 2 }, { m: 'go', t: T, o: 0.5, s: 0 }, { m: 'what', t: T }, { m: 'offer', t: T, name: 'n', type: '', size: 1e300 }, { m: 'end', t: T }]) {
    assert.equal(controlOf(odd), null, JSON.stringify(odd));
  }
  const sending = new Sending({ m: 'offer', t: T, name: 'f', type: '', size: 10 }, WINDOWS);
  sending.use(0, 'hub');
  sending.attached(0);
  sending.came(0, { m: 'done', t: T });
  sending.came(0, { m: 'go', t: T, o: 11, s: 0 });
  assert.ok(!sending.over && sending.range(10) === null, 'before it was accepted, and beyond its end');
});
