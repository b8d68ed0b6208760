import { CrosspointError } from '../../codes.js';
import type { Way } from '../pair.js';
import { AWAY_MS } from './sending.js';
import type { Control } from './wire.js';

export type ReceivingOutput =
  | { op: 'control'; control: Control }
  /** All bytes are here: check them against this. */
  | { op: 'check'; hash: string }
  | { op: 'over'; error: CrosspointError | null };

/** The sender is told when so many bytes more are settled, by the way they came; well within its windows. */
const TELL_EVERY: Record<Way, number> = { direct: 512 << 10, hub: 96 << 10 };
/** … or when so much time has passed (ms). */
const TELL_MS = 250;
/** When nothing comes for so long (ms), doubling, the sender is told again where to go on. */
const PATIENCE_MS = 5_000;
const PATIENCE_MAX_MS = 60_000;

/** The receiving end of a transfer: takes the bytes in order, from whichever way, and drops what it has. Calls no clock: `now` (ms) comes in, what is to be done comes out of
 * `poll`, and `tick` is due at `deadline`. */
export class Receiving {
  accepted = false;
  here = true;
  over = false;
  /** Bytes taken, in order. */
  received = 0;
  /** Of these, as many as need no more room. */
  settled = 0;
  private told = 0;
  private tellAt = Infinity;
  private way: Way = 'hub';
  private hash: string | null = null;
  private checking = false;
  private heardAt = 0;
  private patienceMs = PATIENCE_MS;
  private awayAt = Infinity;
  private readonly outputs: ReceivingOutput[] = [];

  constructor(
    readonly t: string,
    readonly size: number,
  ) {}

  /** It is wanted, from this byte on. */
  accept(now: number, offset: number): void {
    if (this.over || this.accepted) return;
    this.accepted = true;
    this.received = this.settled = offset;
    if (this.here) this.go(now);
  }

  /** The sender is there, perhaps again. */
  attached(now: number): void {
    if (this.over) return;
    this.here = true;
    this.awayAt = Infinity;
    this.patient(now);
    this.say({ m: 'held', t: this.t });
  }

  detached(now: number): void {
    if (this.over || !this.here) return;
    this.here = false;
    this.awayAt = now + AWAY_MS;
  }

  came(now: number, control: Control): void {
    if (this.over) return;
    if (control.m === 'offer') {
      this.here = true;
      this.awayAt = Infinity;
      if (this.accepted) this.go(now);
    } else if (control.m === 'end' && this.accepted) {
      this.hash = control.h;
      this.complete();
    } else if (control.m === 'stop') {
      this.finish(new CrosspointError(control.code, control.message, 'never'));
    }
  }

  /** A chunk came. Returns what of it is new. */
  chunk(now: number, way: Way, offset: number, bytes: Uint8Array): Uint8Array | null {
    const skip = this.received - offset;
    if (this.over || !this.accepted || skip < 0 || skip >= bytes.length || offset + bytes.length > this.size) return null;
    this.way = way;
    const fresh = bytes.subarray(skip);
    this.received += fresh.length;
    this.patient(now);
    this.complete();
    return fresh;
  }

  /** So many bytes need no more room here: as many may come. */
  settle(now: number, count: number): void {
    if (this.over || count <= this.settled) return;
    this.settled = count;
    this.heardAt = now;
    if (count - this.told >= TELL_EVERY[this.way] || count === this.size) this.tell();
    else this.tellAt = Math.min(this.tellAt, now + TELL_MS);
  }

  /** The bytes are those that the sender has read, and they are where they belong. */
  right(): void {
    if (this.over) return;
    this.say({ m: 'done', t: this.t });
    this.finish(null);
  }

  /** Ends it, here and there. */
  stop(error: CrosspointError): void {
    if (this.over) return;
    this.say({ m: 'stop', t: this.t, code: error.code, message: error.message });
    this.finish(error);
  }

  /** Ends it here. */
  leave(error: CrosspointError): void {
    if (!this.over) this.finish(error);
  }

  tick(now: number): void {
    if (this.over) return;
    if (now >= this.awayAt) return this.finish(new CrosspointError('timeout', 'the sender was away too long', 'never'));
    if (now >= this.tellAt) this.tell();
    if (now < this.patienceAt) return;
    this.patienceMs = Math.min(this.patienceMs * 2, PATIENCE_MAX_MS);
    this.heardAt = now;
    this.sayGo();
  }

  deadline(): number {
    return this.over ? Infinity : Math.min(this.awayAt, this.tellAt, this.patienceAt);
  }

  poll(): ReceivingOutput | undefined {
    return this.outputs.shift();
  }

  /** The sender owes something, unless it waits for what came to be settled. */
  private get patienceAt(): number {
    const waits = this.accepted && this.here && !this.checking && this.settled === this.received;
    return waits ? this.heardAt + this.patienceMs : Infinity;
  }

  private go(now: number): void {
    this.patient(now);
    this.sayGo();
  }

  private sayGo(): void {
    this.told = this.settled;
    this.tellAt = Infinity;
    this.say({ m: 'go', t: this.t, o: this.received, s: this.settled });
  }

  private tell(): void {
    this.told = this.settled;
    this.tellAt = Infinity;
    this.say({ m: 'have', t: this.t, s: this.settled });
  }

  private complete(): void {
    if (this.checking || this.received < this.size || this.hash === null) return;
    this.checking = true;
    this.outputs.push({ op: 'check', hash: this.hash });
  }

  private patient(now: number): void {
    this.heardAt = now;
    this.patienceMs = PATIENCE_MS;
  }

  private say(control: Control): void {
    this.outputs.push({ op: 'control', control });
  }

  private finish(error: CrosspointError | null): void {
    this.over = true;
    this.outputs.push({ op: 'over', error });
  }
}
