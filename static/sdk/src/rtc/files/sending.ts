import { CrosspointError } from '../../codes.js';
import type { Way } from '../pair.js';
import type { Control } from './wire.js';

/** So many bytes may be under way that the receiver has not said to have. Through the hub they must not fill the receiver's outbox there, behind which others would wait. */
export interface Windows {
  direct: number;
  hub: number;
}

export type SendingOutput =
  | { op: 'control'; control: Control }
  /** All bytes have been given away: say so, with the checksum. */
  | { op: 'end'; run: number }
  | { op: 'over'; error: CrosspointError | null };

/** A receiver that is away for so long (ms) is given up. */
export const AWAY_MS = 300_000;
/** What was asked and is not answered for so long (ms) is asked again. */
const ASK_EVERY_MS = 15_000;
/** Where a way failed, the next run begins after this (ms), doubling up to the second. */
const PAUSE_MS = 100;
const PAUSE_MAX_MS = 5_000;

/** The sending end of a transfer. It sends in runs: each begins where the receiver says, takes one way, and ends when that way does. Calls no clock: `now` (ms) comes in, what is to
 * be done comes out of `poll`, and `tick` is due at `deadline`. */
export class Sending {
  /** The receiver wants it. */
  accepted = false;
  /** The receiver can be talked to. */
  here = false;
  over = false;
  /** Bytes that the receiver has said to have. */
  acked = 0;
  /** Counts runs: what belongs to an earlier one is to be dropped. */
  run = 0;
  /** The way of this run; `null`: none is going on. */
  way: Way | null = null;
  /** The way that a run would take now. */
  private best: Way | null = null;
  private next = 0;
  private ended = false;
  private askAt = Infinity;
  private awayAt = Infinity;
  private pauseMs = PAUSE_MS;
  private readonly outputs: SendingOutput[] = [];

  constructor(
    private readonly offer: Control & { m: 'offer' },
    private readonly windows: Windows,
  ) {}

  /** The receiver is there, perhaps again, or as somebody else: it is told where things stand. */
  attached(now: number): void {
    if (this.over) return;
    this.here = true;
    this.awayAt = Infinity;
    this.ask(now);
  }

  detached(now: number): void {
    if (this.over || !this.here) return;
    this.here = false;
    this.stop();
    this.askAt = Infinity;
    this.awayAt = now + AWAY_MS;
  }

  /** This is the best way now; `null`: there is none. */
  use(now: number, way: Way | null): void {
    if (this.over || this.best === way) return;
    this.best = way;
    if (this.accepted && this.here && this.way !== way) this.ask(now);
  }

  /** The way of this run carries nothing more. `afterMs`: not before this. */
  broken(now: number, run: number, afterMs = 0): void {
    if (this.over || run !== this.run || this.way === null) return;
    this.stop();
    this.askAt = now + Math.max(this.pauseMs, afterMs);
    this.pauseMs = Math.min(this.pauseMs * 2, PAUSE_MAX_MS);
  }

  came(now: number, control: Control): void {
    if (this.over) return;
    if (control.m === 'go' && control.o <= this.offer.size) this.go(control.o, control.s);
    else if (control.m === 'have') this.has(now, control.s);
    else if (control.m === 'done' && this.accepted) this.finish(null);
    else if (control.m === 'held') this.ask(now);
    else if (control.m === 'stop') this.finish(new CrosspointError(control.code, control.message, 'never'));
  }

  /** What may be read and sent next, at most so many bytes; `null`: nothing now. */
  range(bytesMax: number): { offset: number; bytes: number } | null {
    if (this.over || this.way === null || this.ended) return null;
    const { next: offset } = this;
    const bytes = Math.min(bytesMax, this.offer.size - offset, this.acked + this.windows[this.way] - offset);
    return bytes > 0 ? { offset, bytes } : null;
  }

  /** So many bytes of the range have been given to the way of this run. */
  gave(run: number, bytes: number): void {
    if (this.over || run !== this.run) return;
    this.next += bytes;
    this.complete();
  }

  /** Ends it, here and there. */
  cancel(error: CrosspointError): void {
    if (this.over) return;
    this.outputs.push({ op: 'control', control: { m: 'stop', t: this.offer.t, code: error.code, message: error.message } });
    this.finish(error);
  }

  tick(now: number): void {
    if (this.over) return;
    if (now >= this.awayAt) this.finish(new CrosspointError('timeout', 'the receiver was away too long', 'never'));
    else if (now >= this.askAt) this.ask(now);
  }

  deadline(): number {
    return this.over ? Infinity : Math.min(this.askAt, this.awayAt);
  }

  poll(): SendingOutput | undefined {
    return this.outputs.shift();
  }

  private ask(now: number): void {
    this.stop();
    this.askAt = Infinity;
    if (!this.here || (this.accepted && this.best === null)) return;
    if (this.accepted) this.askAt = now + ASK_EVERY_MS;
    this.outputs.push({ op: 'control', control: this.offer });
  }

  private go(offset: number, settled: number): void {
    this.stop();
    this.accepted = true;
    this.here = true;
    this.next = offset;
    this.acked = settled;
    this.way = this.best;
    this.ended = false;
    this.askAt = Infinity;
    if (this.way !== null) this.complete();
  }

  private has(now: number, count: number): void {
    if (this.way === null || count <= this.acked || count > this.offer.size) return;
    // What was still on its way when this run began has come, and is not sent again.
    if (count > this.next) this.go(count, count);
    this.acked = count;
    this.pauseMs = PAUSE_MS;
    this.awayAt = this.here ? Infinity : now + AWAY_MS;
  }

  private complete(): void {
    if (this.next < this.offer.size || this.ended) return;
    this.ended = true;
    this.outputs.push({ op: 'end', run: this.run });
  }

  private stop(): void {
    this.run += 1;
    this.way = null;
  }

  private finish(error: CrosspointError | null): void {
    this.stop();
    this.over = true;
    this.outputs.push({ op: 'over', error });
  }
}
