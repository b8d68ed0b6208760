import type { RingState } from './types.js';
import { ANSWERED, CANCEL, RING, answerOf, sending, textOf, type Answer, type Sending, type Where } from './wire.js';

/** Who has been reached before, and isn't there now, is called again after this (ms). */
const AGAIN_MS = 2_000;

export type OutgoingOutput = Sending | { op: 'update'; user: string } | { op: 'end' };

/** How far it is with one user. */
interface Callee {
  user: string;
  state: RingState;
  session?: string;
  reason?: string;
  /** What was answered, and where. */
  answer?: { answer: Answer; by: Where };
  /** Some session of theirs has got it. */
  reached: boolean;
  againAt: number;
}

const FINAL: Record<Answer, RingState> = { accept: 'accepted', decline: 'declined', busy: 'busy' };

/** A call to several users, as seen by its caller, who decides what the first answer of each was. Calls no clock: `now` (ms) comes in, what is to be done comes out of `poll`, and
 * `tick` is due at `deadline`. */
export class Outgoing {
  readonly callees: ReadonlyMap<string, Callee>;
  private readonly until: number;
  private readonly outputs: OutgoingOutput[] = [];
  private over = false;

  constructor(
    now: number,
    readonly id: string,
    readonly room: string,
    users: readonly string[],
    ms: number,
    private readonly page: string,
    private readonly data: unknown,
    private linked: boolean,
  ) {
    this.until = now + ms;
    this.callees = new Map(users.map((user) => [user, { user, state: 'calling', reached: false, againAt: Infinity }]));
    if (linked) this.ringAll(now);
  }

  /** Everyone has answered, or won't. */
  get ended(): boolean {
    return this.over;
  }

  /** There is a link to the hub, or not; `renewed`: by a session that knows nothing of the last one. */
  link(now: number, linked: boolean, renewed = false): void {
    const first = linked && !this.linked && [...this.callees.values()].some(({ reached, state }) => state === 'calling' && !reached);
    this.linked = linked;
    if (linked && (renewed || first)) this.ringAll(now);
  }

  /** The hub's answer to a ring. */
  rung(now: number, user: string, delivered: boolean, code = ''): void {
    const callee = this.callees.get(user);
    if (!callee || isFinal(callee)) return;
    if (delivered) callee.reached = true;
    // After a restart of the hub others need a while to come back.
    else if (callee.reached) callee.againAt = now + AGAIN_MS;
    else if (code === 'not_found') this.settle(callee, 'offline');
    else this.settle(callee, 'failed', code);
  }

  /** A session of this user rings. */
  ringing(user: string): void {
    const callee = this.callees.get(user);
    if (!callee) return;
    callee.reached = true;
    if (isFinal(callee)) return this.tell(callee);
    if (callee.state === 'ringing') return;
    callee.state = 'ringing';
    this.outputs.push({ op: 'update', user });
  }

  /** A session of this user answers. The first one counts; later ones are told so. */
  answered(user: string, by: Where, given: unknown, reason: unknown): void {
    const callee = this.callees.get(user);
    const answer = answerOf(given);
    if (!callee || !answer) return;
    callee.reached = true;
    if (isFinal(callee)) return this.tell(callee);
    callee.answer = { answer, by };
    callee.session = by.session;
    this.settle(callee, FINAL[answer], textOf(reason));
    this.tell(callee);
  }

  cancel(user?: string): void {
    for (const callee of this.callees.values()) {
      if (isFinal(callee) || (user !== undefined && callee.user !== user)) continue;
      this.settle(callee, 'cancelled');
      this.tell(callee);
    }
  }

  /** Nothing more can be said or heard. */
  fail(code: string): void {
    for (const callee of this.callees.values()) if (!isFinal(callee)) this.settle(callee, 'failed', code);
  }

  tick(now: number): void {
    for (const callee of this.callees.values()) {
      if (isFinal(callee)) continue;
      if (now >= this.until) {
        this.settle(callee, 'no_answer');
        this.tell(callee);
      } else if (now >= callee.againAt) {
        this.ring(now, callee);
      }
    }
  }

  deadline(): number {
    if (this.over) return Infinity;
    const open = [...this.callees.values()].filter((callee) => !isFinal(callee));
    return Math.min(this.until, ...open.map(({ againAt }) => againAt));
  }

  poll(): OutgoingOutput | undefined {
    return this.outputs.shift();
  }

  private ringAll(now: number): void {
    for (const callee of this.callees.values()) if (!isFinal(callee)) this.ring(now, callee);
  }

  private ring(now: number, callee: Callee): void {
    callee.againAt = Infinity;
    const { id: call, room, page, data } = this;
    this.outputs.push(sending(callee.user, RING, { call, room, ms: Math.max(0, Math.round(this.until - now)), page, data }));
  }

  /** Tells all sessions of a user how it has ended. Who was never reached has nothing to stop. */
  private tell({ user, state, answer, reason, reached }: Callee): void {
    const { id: call } = this;
    if (answer) this.outputs.push(sending(user, ANSWERED, { call, ...answer, reason }));
    else if (reached || state !== 'offline') this.outputs.push(sending(user, CANCEL, { call, reason: state }));
  }

  private settle(callee: Callee, state: RingState, reason?: string): void {
    callee.state = state;
    if (reason !== undefined) callee.reason = reason;
    this.outputs.push({ op: 'update', user: callee.user });
    this.over = [...this.callees.values()].every(isFinal);
    if (this.over) this.outputs.push({ op: 'end' });
  }
}

function isFinal({ state }: Callee): boolean {
  return state !== 'calling' && state !== 'ringing';
}
