import { CrosspointError } from '../codes.js';

/** The two ways to a peer. */
export type Way = 'direct' | 'hub';

/** What one end says to the other. `a`: so many of your messages have come, in order. */
export type Packet =
  | { type: 'm'; n: number; a: number; t: string; data: unknown }
  /** `r`: one came that was too early, send again from there. */
  | { type: 'a'; a: number; r?: 1 };

export type PairOutput =
  /** `round`: what `refused` is to be told with it. */
  | { op: 'send'; way: Way; packet: Packet; round: number }
  | { op: 'message'; topic: string; data: unknown; way: Way };

export interface Outgoing {
  /** Tells apart what a peer's SDK has several uses for. */
  topic: string;
  data: unknown;
  /** About how many bytes it takes. */
  bytes: number;
  /** It has arrived, or it is unknown whether it has. */
  done(error: CrosspointError | null): void;
}

/** What may wait for its acknowledgement; beyond, `limit_exceeded`. */
const WAITING_MAX = 4_000;
const WAITING_BYTES_MAX = 4 << 20;
/** What may be under way. */
const WINDOW: Record<Way, { count: number; bytes: number }> = {
  direct: { count: Infinity, bytes: 1 << 20 },
  // The hub ends the session of whoever doesn't read as much as is sent to them.
  hub: { count: 64, bytes: 256 << 10 },
};
/** What came is acknowledged after so many, or so long (ms). */
const ACK_EVERY = 16;
const ACK_DELAY_MS: Record<Way, number> = { direct: 20, hub: 100 };
/** What came too early says so at most this often (ms). */
const REPEAT_EVERY_MS = 500;
/** What was refused is sent again after this (ms), doubling. */
const RETRY_MS = 200;
const RETRY_MAX_MS = 10_000;
/** Who acknowledges nothing for so long (ms) may be dead. */
const STUCK_MS = 5_000;
/** What brings no acknowledgement for so long (ms), doubling, is sent again. */
const PATIENCE_MS = 5_000;
const PATIENCE_MAX_MS = 60_000;

/** One end of the messages between two peers: numbers them, and sees to it that they arrive exactly once and in order, whichever way each of them went. Calls no clock:
 * `now` (ms) comes in, what is to be done comes out of `poll`, and `tick` is due at `deadline`. */
export class Pair {
  /** How many have been received in order. */
  received = 0;
  /** The way that what is sent now takes. */
  way: Way = 'hub';
  /** Sent messages that are not acknowledged; the first has the number `acked + 1`. */
  private readonly kept: Outgoing[] = [];
  private keptBytes = 0;
  private acked = 0;
  /** The last number that was sent on the present way since the last beginning. */
  private sent = 0;
  private sentBytes = 0;
  /** Counts beginnings: what is said about earlier ones means nothing. */
  private round = 0;
  private linked = true;
  private told = 0;
  private ackAt = Infinity;
  private repeat = false;
  private askedAt = -Infinity;
  private repeatedAt = -Infinity;
  private blockedUntil = -Infinity;
  private retryMs = RETRY_MS;
  private progressAt = 0;
  private movedAt = 0;
  private patienceMs = PATIENCE_MS;
  private closed: CrosspointError | null = null;
  private readonly outputs: PairOutput[] = [];

  get waiting(): number {
    return this.kept.length;
  }

  /** Nothing has come, or arrived: another one can do all that is asked of this one. */
  get fresh(): boolean {
    return this.received === 0 && this.acked === 0;
  }

  /** Whether a message of so many bytes would be taken. */
  takes(bytes: number): boolean {
    return this.kept.length < WAITING_MAX && this.keptBytes + bytes <= WAITING_BYTES_MAX;
  }

  /** Whether the peer should have acknowledged something long ago. */
  stuck(now: number): boolean {
    return this.flows && this.inFlight > 0 && now >= this.movedAt + STUCK_MS;
  }

  /** Throws `limit_exceeded`. */
  send(now: number, message: Outgoing): void {
    if (this.closed) throw this.closed;
    if (!this.takes(message.bytes)) throw new CrosspointError('limit_exceeded', `${this.kept.length} messages to this peer wait already`);
    if (this.kept.length === 0) this.progress(now);
    this.kept.push(message);
    this.keptBytes += message.bytes;
    this.pump(now);
  }

  /** A packet came. One that makes no sense has no effect. */
  came(now: number, way: Way, packet: Packet): void {
    if (this.closed) return;
    this.acknowledged(now, packet.a);
    if (packet.type === 'm') this.arrived(now, way, packet);
    else if (packet.r && now - this.repeatedAt >= REPEAT_EVERY_MS) this.again(now);
    this.pump(now);
  }

  /** What is sent goes this way from now on, beginning with what is not acknowledged. */
  use(now: number, way: Way): void {
    if (this.way === way) return;
    this.way = way;
    this.begin(now);
  }

  /** Whether the hub can be reached. */
  link(now: number, linked: boolean): void {
    this.linked = linked;
    this.progress(now);
    this.pump(now);
  }

  /** What was given to the hub may be lost. */
  begin(now: number): void {
    this.blockedUntil = -Infinity;
    this.progress(now);
    this.again(now);
    // Acknowledgements were perhaps lost as well.
    if (this.received > 0) this.ackAt = now;
    this.pump(now);
  }

  /** The hub didn't take a packet of this round. */
  refused(now: number, round: number, retryAfterMs = 0): void {
    if (round !== this.round || this.way !== 'hub') return;
    this.blockedUntil = now + Math.max(this.retryMs, retryAfterMs);
    this.retryMs = Math.min(this.retryMs * 2, RETRY_MAX_MS);
    this.again(now);
  }

  /** Gives what waits to another one. */
  bequeath(now: number, heir: Pair): void {
    for (const message of this.kept.splice(0)) heir.send(now, message);
  }

  close(error: CrosspointError): void {
    if (this.closed) return;
    this.closed = error;
    this.outputs.length = 0;
    for (const { done } of this.kept.splice(0)) done(error);
  }

  tick(now: number): void {
    if (this.closed) return;
    if (this.inFlight > 0 && this.flows && now >= this.progressAt + this.patienceMs) {
      this.progressAt = now;
      this.patienceMs = Math.min(this.patienceMs * 2, PATIENCE_MAX_MS);
      this.again(now);
    }
    this.pump(now);
    if (now >= this.ackAt && this.flows) this.acknowledge(now);
  }

  deadline(): number {
    if (this.closed || !this.flows) return Infinity;
    const patience = this.inFlight > 0 ? this.progressAt + this.patienceMs : Infinity;
    const blocked = this.acked + this.kept.length > this.sent && this.blockedUntil > -Infinity ? this.blockedUntil : Infinity;
    return Math.min(patience, blocked, this.ackAt);
  }

  poll(): PairOutput | undefined {
    return this.outputs.shift();
  }

  private get flows(): boolean {
    return this.way === 'direct' || this.linked;
  }

  private get inFlight(): number {
    return this.sent - this.acked;
  }

  private again(now: number): void {
    this.round += 1;
    this.sent = this.acked;
    this.sentBytes = 0;
    this.repeatedAt = now;
  }

  private progress(now: number): void {
    this.progressAt = this.movedAt = now;
    this.patienceMs = PATIENCE_MS;
  }

  private arrived(now: number, way: Way, { n, t, data }: Packet & { type: 'm' }): void {
    if (n === this.received + 1) {
      this.received = n;
      this.outputs.push({ op: 'message', topic: t, data, way });
    } else if (n > this.received) {
      this.repeat = true;
      this.ackAt = Math.min(this.ackAt, Math.max(now, this.askedAt + REPEAT_EVERY_MS));
      return;
    }
    this.ackAt = Math.min(this.ackAt, now + (this.received - this.told >= ACK_EVERY ? 0 : ACK_DELAY_MS[this.way]));
  }

  private acknowledged(now: number, count: number): void {
    if (count <= this.acked || count > this.acked + this.kept.length) return;
    const gone = this.kept.splice(0, count - this.acked);
    for (const [i, { bytes }] of gone.entries()) {
      this.keptBytes -= bytes;
      if (this.acked + i < this.sent) this.sentBytes -= bytes;
    }
    this.acked = count;
    // It may have come the other way.
    this.sent = Math.max(this.sent, count);
    this.retryMs = RETRY_MS;
    this.progress(now);
    for (const { done } of gone) done(null);
  }

  private pump(now: number): void {
    if (!this.flows || now < this.blockedUntil) return;
    this.blockedUntil = -Infinity;
    const { count, bytes } = WINDOW[this.way];
    while (this.sent < this.acked + this.kept.length && this.inFlight < count && (this.inFlight === 0 || this.sentBytes < bytes)) {
      const next = this.kept[this.sent - this.acked]!;
      this.sent += 1;
      this.sentBytes += next.bytes;
      this.outputs.push({ op: 'send', way: this.way, round: this.round, packet: { type: 'm', n: this.sent, a: this.received, t: next.topic, data: next.data } });
      this.toldNow();
    }
  }

  private acknowledge(now: number): void {
    const packet: Packet = { type: 'a', a: this.received };
    if (this.repeat) {
      packet.r = 1;
      this.askedAt = now;
    }
    this.repeat = false;
    this.outputs.push({ op: 'send', way: this.way, round: this.round, packet });
    this.toldNow();
  }

  private toldNow(): void {
    this.told = this.received;
    if (!this.repeat) this.ackAt = Infinity;
  }
}
