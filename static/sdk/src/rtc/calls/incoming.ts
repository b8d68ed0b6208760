import type { RingEnd } from './types.js';
import { ANSWER, RING, RINGING, answerOf, sending, textOf, type Answer, type Sending, type Where } from './wire.js';

/** So many calls ring at a time; a further one is answered with `busy`. */
const CALLS_MAX = 16;
/** So many ended calls are remembered, for what still comes of them. */
const ENDED_MAX = 256;
/** A call rings here so much longer (ms) than its caller said, who ends it first unless they are gone. */
const SLACK_MS = 3_000;
/** So long (ms) a caller whose session ended unasked may take to come back with a new one. */
const RETURN_MS = 10_000;
/** How long a call may ring at all (ms). */
const LONGEST_MS = 300_000;
/** Ends of sessions that nobody chose. */
const UNCHOSEN = new Set(['session_expired', 'slow_consumer', 'shutdown', 'not_found']);

export interface Caller {
  user: string;
  session: string;
}

export type IncomingOutput =
  | Sending
  | { op: 'incoming'; call: Ring }
  /** It was answered here and counts. */
  | { op: 'won'; call: Ring }
  | { op: 'end'; call: Ring; reason: RingEnd; here: boolean }
  | { op: 'watch'; session: string }
  | { op: 'unwatch'; session: string };

/** A call that rings here. */
export interface Ring {
  readonly id: string;
  readonly room: string;
  readonly data: unknown;
  caller: Caller;
  /** What was answered here, and waits for the caller's word. */
  answer: Answer | null;
  reason: string | undefined;
  until: number;
}

/** An ended one: whose it was, and what was answered here. */
interface Ended {
  user: string;
  answer: Answer | null;
  reason: string | undefined;
}

/** What this page is busy with. */
export interface Busy {
  /** It is in this room's call. */
  has(room: string): boolean;
  /** It is in a call and takes no other. */
  full(): boolean;
}

/** The calls that ring at one page of a user, who may have others elsewhere. Calls no clock: `now` (ms) comes in, what is to be done comes out of `poll`, and `tick` is due at `deadline`. */
export class Incoming {
  readonly rings = new Map<string, Ring>();
  private readonly ended = new Map<string, Ended>();
  private readonly outputs: IncomingOutput[] = [];

  constructor(
    private readonly page: string,
    private readonly busy: Busy,
  ) {}

  /** Somebody calls, or a page of this user tells of it. A repetition finds out whether my answer has come. */
  ring(now: number, caller: Caller, { call: id, room, ms, data = null }: Record<string, unknown>): void {
    if (typeof id !== 'string' || typeof room !== 'string' || typeof ms !== 'number' || !(ms >= 0) || id.length > 64) return;
    const until = now + Math.min(ms, LONGEST_MS) + SLACK_MS;
    const known = this.rings.get(id);
    if (known) return this.again(known, caller, until);
    const before = this.ended.get(id);
    if (before) {
      if (before.answer && before.user === caller.user) this.say(caller.user, id, before.answer, before.reason);
      return;
    }
    const at = this.busy.has(room) ? 'accept' : this.busy.full() || this.rings.size >= CALLS_MAX ? 'busy' : null;
    if (at) {
      this.remember(id, { user: caller.user, answer: at, reason: undefined });
      return this.say(caller.user, id, at);
    }
    const call: Ring = { id, room, data, caller, answer: null, reason: undefined, until };
    this.rings.set(id, call);
    this.outputs.push({ op: 'watch', session: caller.session }, { op: 'incoming', call });
    this.tell(call);
  }

  /** The caller says how it ended. */
  answered(from: string, { call, answer, reason, by }: { call: unknown; answer: unknown; reason: unknown; by: Where }): void {
    const ring = this.ringOf(call, from);
    const given = answerOf(answer);
    if (!ring || !given) return;
    const here = by.page === this.page;
    if (here && given === 'accept') this.outputs.push({ op: 'won', call: ring });
    ring.reason = textOf(reason);
    this.end(ring, given === 'accept' ? 'accepted' : given === 'busy' ? 'busy' : 'declined', here);
  }

  cancelled(from: string, { call, reason }: { call: unknown; reason: unknown }): void {
    const ring = this.ringOf(call, from);
    if (ring) this.end(ring, reason === 'no_answer' || reason === 'gone' ? reason : 'cancelled');
  }

  /** Answers; who was first is then said by the caller. `false`: it rings no more. */
  accept(id: string): boolean {
    const ring = this.rings.get(id);
    if (!ring) return false;
    ring.answer = 'accept';
    this.tell(ring);
    return true;
  }

  /** This page is in the call of that room. */
  entered(room: string): void {
    for (const ring of this.rings.values()) if (ring.room === room && !ring.answer) this.accept(ring.id);
  }

  /** The answer can't be given. */
  retract(id: string): void {
    const ring = this.rings.get(id);
    if (ring) ring.answer = null;
  }

  decline(id: string, reason?: string): void {
    const ring = this.rings.get(id);
    // Who has accepted is bound by it: the caller may know.
    if (!ring || ring.answer) return;
    ring.answer = 'decline';
    ring.reason = textOf(reason);
    this.tell(ring);
    this.end(ring, 'declined', true);
  }

  /** This page's session is a new one: what came for the last one is perhaps lost. */
  renewed(): void {
    for (const ring of this.rings.values()) {
      this.outputs.push({ op: 'watch', session: ring.caller.session });
      this.tell(ring);
    }
  }

  /** A session is over. */
  gone(now: number, session: string, code: string): void {
    for (const ring of [...this.rings.values()]) {
      if (ring.caller.session !== session) continue;
      if (UNCHOSEN.has(code)) ring.until = Math.min(ring.until, now + RETURN_MS);
      else this.end(ring, 'gone');
    }
  }

  /** Another page of this user asks what rings. */
  copies(now: number, user: string, to: string): void {
    if (to === this.page) return;
    for (const { id: call, room, data, caller, until } of this.rings.values()) {
      this.outputs.push(sending(user, RING, { call, room, ms: Math.max(0, until - SLACK_MS - now), caller, data, to }));
    }
  }

  close(): void {
    for (const ring of [...this.rings.values()]) this.end(ring, 'gone');
  }

  tick(now: number): void {
    for (const ring of [...this.rings.values()]) if (now >= ring.until) this.end(ring, 'no_answer');
  }

  deadline(): number {
    return Math.min(Infinity, ...[...this.rings.values()].map(({ until }) => until));
  }

  poll(): IncomingOutput | undefined {
    return this.outputs.shift();
  }

  private again(ring: Ring, caller: Caller, until: number): void {
    if (ring.caller.user !== caller.user) return;
    ring.until = until;
    if (ring.caller.session !== caller.session) {
      this.outputs.push({ op: 'unwatch', session: ring.caller.session }, { op: 'watch', session: caller.session });
      ring.caller = caller;
    }
    if (ring.answer) this.tell(ring);
  }

  /** Tells the caller how it stands here; who has ended it says so. */
  private tell({ id, caller, answer, reason }: Ring): void {
    if (answer) this.say(caller.user, id, answer, reason);
    else this.outputs.push(sending(caller.user, RINGING, { call: id }));
  }

  private say(user: string, call: string, answer: Answer, reason?: string): void {
    this.outputs.push(sending(user, ANSWER, { call, answer, reason, page: this.page }));
  }

  /** What is said of it counts only from whoever called. */
  private ringOf(call: unknown, from: string): Ring | null {
    if (typeof call !== 'string') return null;
    const ring = this.rings.get(call);
    if (ring) return ring.caller.user === from ? ring : null;
    // It may be ahead of what another page tells of it.
    if (call.length <= 64 && !this.ended.has(call)) this.remember(call, { user: from, answer: null, reason: undefined });
    return null;
  }

  private end(ring: Ring, reason: RingEnd, here = false): void {
    const { id, caller } = ring;
    this.rings.delete(id);
    this.remember(id, { user: caller.user, answer: ring.answer, reason: ring.reason });
    const watched = [...this.rings.values()].some((other) => other.caller.session === caller.session);
    if (!watched) this.outputs.push({ op: 'unwatch', session: caller.session });
    this.outputs.push({ op: 'end', call: ring, reason, here });
  }

  private remember(id: string, ended: Ended): void {
    this.ended.set(id, ended);
    if (this.ended.size > ENDED_MAX) this.ended.delete(this.ended.keys().next().value!);
  }
}
