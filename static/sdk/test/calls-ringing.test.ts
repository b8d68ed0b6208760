import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Incoming, type IncomingOutput } from '../src/rtc/calls/incoming.js';
import { Outgoing, type OutgoingOutput } from '../src/rtc/calls/outgoing.js';
import type { RingState } from '../src/rtc/calls/types.js';
import { ANSWER, ANSWERED, CANCEL, RING, RINGING, whereOf, type Sending } from '../src/rtc/calls/wire.js';
import { random } from './hub.js';

const RING_MS = 30_000;
const FINAL: readonly RingState[] = ['accepted', 'declined', 'busy', 'no_answer', 'offline', 'cancelled', 'failed'];

/** One page of somebody who is called, and what its application has seen. */
class Tab {
  session: string;
  readonly seen: string[] = [];
  won = 0;
  ends: { reason: string; here: boolean }[] = [];
  inCall: string | null = null;
  readonly machine: Incoming;

  constructor(
    readonly world: World,
    readonly user: string,
    readonly page: string,
  ) {
    this.session = `s-${page}`;
    this.machine = new Incoming(page, { has: (room) => this.inCall === room, full: () => this.inCall !== null });
  }

  take(from: { user: string; session: string }, { type, data }: Sending): void {
    const { machine, world } = this;
    if (type === RING && (data.to === undefined || data.to === this.page)) {
      const caller = data.to === undefined ? from : (data.caller as { user: string; session: string });
      machine.ring(world.now, caller, data);
    } else if (type === ANSWERED) {
      machine.answered(from.user, { call: data.call, answer: data.answer, reason: data.reason, by: whereOf(data.by) });
    } else if (type === CANCEL) {
      machine.cancelled(from.user, { call: data.call, reason: data.reason });
    }
    this.work();
  }

  accept(): void {
    for (const id of this.machine.rings.keys()) this.machine.accept(id);
    this.work();
  }

  decline(): void {
    for (const id of this.machine.rings.keys()) this.machine.decline(id, 'not now');
    this.work();
  }

  work(): void {
    for (let output: IncomingOutput | undefined = this.machine.poll(); output; output = this.machine.poll()) {
      if (output.op === 'send') this.world.send(this, output);
      else if (output.op === 'incoming') this.seen.push(output.call.id);
      else if (output.op === 'won') this.won += 1;
      else if (output.op === 'end') this.ends.push(output);
    }
  }
}

/** A caller, tabs of those who are called, and a hub that delivers what each session gets in order, when it is told to. */
class World {
  now = 0;
  linked = true;
  readonly tabs: Tab[] = [];
  readonly updates: [user: string, state: RingState][] = [];
  ended = 0;
  readonly call: Outgoing;
  private readonly inboxes = new Map<unknown, { from: { user: string; session: string }; message: Sending }[]>();

  constructor(users: Record<string, number>, readonly chance = random(1)) {
    for (const [user, tabs] of Object.entries(users)) for (let i = 0; i < tabs; i++) this.tabs.push(new Tab(this, user, `${user}${i}`));
    this.call = new Outgoing(0, 'call.1', 'room', Object.keys(users), RING_MS, 'ada', { about: 'lunch' }, true);
    this.work();
  }

  of(user: string): Tab[] {
    return this.tabs.filter((tab) => tab.user === user);
  }

  state(user: string): RingState {
    return this.call.callees.get(user)!.state;
  }

  send(from: Tab | null, message: Sending): void {
    const sender = from ? { user: from.user, session: from.session } : { user: 'ada', session: 's-ada' };
    const to: unknown[] = message.user === 'ada' ? [this.call] : this.of(message.user);
    for (const one of to) this.inboxes.set(one, [...(this.inboxes.get(one) ?? []), { from: sender, message }]);
    if (!from && message.type === RING) this.call.rung(this.now, message.user, to.length > 0, 'not_found');
  }

  /** Delivers one message to somebody. `false`: none is under way. */
  step(): boolean {
    const waiting = [...this.inboxes].filter(([, inbox]) => inbox.length > 0);
    if (waiting.length === 0) return false;
    const [to, inbox] = waiting[Math.floor(this.chance() * waiting.length)]!;
    const { from, message } = inbox.shift()!;
    if (to instanceof Tab) {
      to.take(from, message);
    } else {
      const { type, data } = message;
      if (type === RINGING) this.call.ringing(from.user);
      else if (type === ANSWER) this.call.answered(from.user, { session: from.session, page: String(data.page) }, data.answer, data.reason);
      this.work();
    }
    return true;
  }

  settle(): void {
    while (this.step());
  }

  advance(ms: number): void {
    const end = this.now + ms;
    for (;;) {
      const at = Math.min(this.call.deadline(), ...this.tabs.map(({ machine }) => machine.deadline()));
      if (at > end) break;
      this.now = Math.max(this.now, at);
      this.call.tick(this.now);
      this.work();
      for (const tab of this.tabs) {
        tab.machine.tick(this.now);
        tab.work();
      }
    }
    this.now = end;
  }

  /** What is under way to this tab never arrives, and it is another session from now on. */
  renew(tab: Tab): void {
    this.inboxes.delete(tab);
    tab.session += "'";
    tab.machine.renewed();
    tab.work();
  }

  /** The same for the caller. */
  renewCaller(): void {
    this.inboxes.delete(this.call);
    this.call.link(this.now, true, true);
    this.work();
  }

  work(): void {
    for (let output: OutgoingOutput | undefined = this.call.poll(); output; output = this.call.poll()) {
      if (output.op === 'send') this.send(null, output);
      else if (output.op === 'update') this.updates.push([output.user, this.state(output.user)]);
      else this.ended += 1;
    }
  }
}

test('all tabs ring, one answers, and all stop', () => {
  const world = new World({ bob: 2 });
  world.settle();
  assert.deepEqual(world.tabs.map(({ seen }) => seen), [['call.1'], ['call.1']]);
  assert.equal(world.state('bob'), 'ringing');
  world.tabs[1]!.accept();
  world.settle();
  assert.equal(world.state('bob'), 'accepted');
  assert.deepEqual(world.tabs.map(({ won }) => won), [0, 1]);
  assert.deepEqual(world.tabs.map(({ ends }) => ends.map(({ reason, here }) => [reason, here])), [[['accepted', false]], [['accepted', true]]]);
  assert.deepEqual(world.updates, [['bob', 'ringing'], ['bob', 'accepted']]);
  assert.equal(world.ended, 1);
});

test('who is not there is offline, who is in another call is busy, who is in this one has accepted', () => {
  const world = new World({ bob: 0, cy: 2, dan: 1 });
  world.of('cy')[0]!.inCall = 'elsewhere';
  world.of('dan')[0]!.inCall = 'room';
  world.settle();
  assert.deepEqual(['bob', 'cy', 'dan'].map((user) => world.state(user)), ['offline', 'busy', 'accepted']);
  assert.deepEqual(world.of('cy').map(({ seen, ends }) => seen.length - ends.length), [0, 0]);
  assert.equal(world.ended, 1);
});

test('who comes into the room\'s call by another way has answered what calls there', () => {
  const world = new World({ bob: 2 });
  world.settle();
  const [bob, other] = world.tabs;
  bob!.machine.entered('elsewhere');
  bob!.machine.entered('room');
  bob!.work();
  world.settle();
  assert.equal(world.state('bob'), 'accepted');
  assert.deepEqual([bob!.ends, other!.ends].map((ends) => ends.map(({ reason, here }) => [reason, here])), [[['accepted', true]], [['accepted', false]]]);
});

test('a caller that gives up, and one that waits in vain', () => {
  const world = new World({ bob: 1, cy: 1 });
  world.settle();
  world.call.cancel('bob');
  world.work();
  world.settle();
  assert.deepEqual(world.of('bob')[0]!.ends.map(({ reason }) => reason), ['cancelled']);
  world.advance(RING_MS - 1);
  assert.equal(world.state('cy'), 'ringing');
  world.advance(1);
  world.settle();
  assert.equal(world.state('cy'), 'no_answer');
  assert.deepEqual(world.of('cy')[0]!.ends.map(({ reason }) => reason), ['no_answer']);
});

test('a call rings no longer than it should where its caller is silent', () => {
  const world = new World({ bob: 1 });
  world.settle();
  const [bob] = world.tabs;
  world.call.fail('bye');
  world.advance(RING_MS + 5_000);
  assert.deepEqual(bob!.ends.map(({ reason }) => reason), ['no_answer']);
});

test('a caller that is gone for good, and one that may come back', () => {
  for (const [code, ends] of [['bye', ['gone']], ['session_expired', []]] as const) {
    const world = new World({ bob: 1 });
    world.settle();
    const [bob] = world.tabs;
    bob!.machine.gone(world.now, 's-ada', code);
    bob!.work();
    assert.deepEqual(bob!.ends.map(({ reason }) => reason), ends);
    if (ends.length > 0) continue;
    bob!.accept();
    bob!.machine.ring(world.now, { user: 'ada', session: 's2' }, { call: 'call.1', room: 'room', ms: 20_000 });
    bob!.work();
    world.settle();
    assert.equal(bob!.won, 1);
  }
});

test('what is lost with a session is said again', () => {
  const world = new World({ bob: 1 });
  world.settle();
  const [bob] = world.tabs;
  bob!.accept();
  world.renewCaller();
  world.settle();
  assert.deepEqual([world.state('bob'), bob!.won], ['accepted', 1]);
  const again = new World({ bob: 1 });
  again.settle();
  again.call.cancel();
  again.work();
  again.renew(again.tabs[0]!);
  again.settle();
  assert.deepEqual(again.tabs[0]!.ends.map(({ reason }) => reason), ['cancelled']);
});

test('nobody but the caller ends a call, or answers it for another user', () => {
  const world = new World({ bob: 1 });
  world.settle();
  const [bob] = world.tabs;
  bob!.machine.cancelled('mallory', { call: 'call.1', reason: 'cancelled' });
  bob!.machine.answered('mallory', { call: 'call.1', answer: 'decline', reason: null, by: whereOf({}) });
  bob!.machine.ring(0, { user: 'mallory', session: 'sm' }, { call: 'call.1', room: 'room', ms: 1 });
  world.call.answered('mallory', whereOf({}), 'accept', null);
  bob!.work();
  world.work();
  world.settle();
  assert.equal(bob!.ends.length, 0);
  assert.equal(bob!.machine.rings.get('call.1')!.caller.user, 'ada');
  assert.equal(world.state('bob'), 'ringing');
});

test('a page that opens while it rings is told by another, and what was said of the call before stays said', () => {
  const world = new World({ bob: 1 });
  world.settle();
  const [bob] = world.tabs;
  const [late, later] = [new Tab(world, 'bob', 'late'), new Tab(world, 'bob', 'later')];
  world.tabs.push(late, later);
  bob!.machine.copies(5_000, 'bob', 'late');
  bob!.machine.copies(5_000, 'bob', 'later');
  // The end overtakes what the other page tells.
  later.machine.cancelled('ada', { call: 'call.1', reason: 'cancelled' });
  bob!.work();
  world.settle();
  assert.deepEqual([late, later].map(({ seen }) => seen.length), [1, 0]);
  late.accept();
  world.settle();
  assert.equal(late.won, 1);
  assert.deepEqual(bob!.ends.map(({ here }) => here), [false]);
});

test('what makes no sense has no effect', () => {
  const { machine } = new Tab(new World({}), 'bob', 'b');
  const from = { user: 'ada', session: 's' };
  for (const data of [{}, { call: 1, room: 'r', ms: 1 }, { call: 'c', ms: 1 }, { call: 'c', room: 'r' }, { call: 'c', room: 'r', ms: NaN }, { call: 'c', room: 'r', ms: -1 },
    { call: 'c'.repeat(65), room: 'r', ms: 1 }]) machine.ring(0, from, data);
  machine.answered('ada', { call: {}, answer: 'accept', reason: 1, by: whereOf(7) });
  machine.cancelled('ada', { call: null, reason: 1 });
  assert.equal(machine.poll(), undefined);
  for (let i = 0; i < 40; i++) machine.ring(0, from, { call: `c${i}`, room: 'r', ms: 1_000 });
  assert.equal(machine.rings.size, 16);
});

test('whatever crosses on the way: one answer counts, all learn of it, and nothing happens twice', () => {
  const outcomes = new Map<RingState, number>();
  for (let seed = 1; seed <= 2_000; seed++) {
    const chance = random(seed * 7919);
    const world = new World({ bob: 3, cy: 1 }, chance);
    const pick = <T>(list: T[]): T => list[Math.floor(chance() * list.length)]!;
    const deeds: (() => void)[] = [
      () => pick(world.tabs).accept(),
      () => pick(world.tabs).accept(),
      () => pick(world.tabs).decline(),
      () => world.call.cancel(pick([undefined, 'bob', 'cy'])),
      () => world.renew(pick(world.tabs)),
      () => world.renewCaller(),
      () => world.advance(chance() * RING_MS),
      () => {
        const late = new Tab(world, 'bob', `late${world.tabs.length}`);
        world.of('bob')[0]!.machine.copies(world.now, 'bob', late.page);
        world.of('bob')[0]!.work();
        world.tabs.push(late);
      },
    ];
    for (let i = 0; i < 12; i++) {
      if (chance() < 0.35) pick(deeds)();
      else world.step();
      world.work();
    }
    world.settle();
    world.advance(RING_MS + 5_000);
    world.settle();
    const story = `seed ${seed}: ${JSON.stringify(world.updates)}`;
    assert.equal(world.ended, 1, story);
    for (const user of ['bob', 'cy']) {
      const finals = world.updates.filter(([of, state]) => of === user && FINAL.includes(state));
      assert.equal(finals.length, 1, story);
      const won = world.of(user).reduce((sum, tab) => sum + tab.won, 0);
      assert.ok(won <= 1, story);
      const late = world.of(user).some(({ ends }) => ends.some(({ reason }) => reason === 'no_answer'));
      if (won === 1) assert.equal(world.state(user), 'accepted', story);
      else if (!late) assert.ok(world.state(user) !== 'accepted', story);
      outcomes.set(world.state(user), (outcomes.get(world.state(user)) ?? 0) + won);
      for (const tab of world.of(user)) {
        assert.ok(tab.seen.length <= 1 && tab.ends.length === tab.seen.length, `${story} ${tab.page} ${JSON.stringify(tab.ends)}`);
        assert.equal(tab.machine.rings.size, 0, story);
        assert.ok(tab.won <= tab.ends.filter(({ here }) => here).length, story);
      }
    }
  }
  assert.ok(outcomes.get('accepted')! > 200, 'many were accepted');
  for (const state of ['declined', 'cancelled', 'no_answer'] as const) assert.equal(outcomes.get(state), 0, `and none of those ${state}`);
});
