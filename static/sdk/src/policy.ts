import { Backoff, type BackoffOptions } from './backoff.js';
import type { CrosspointError } from './codes.js';
import type { Clock } from './clock.js';
import type { TransportName } from './links/link.js';

/** A link that lived for so long clears its transport's name; one that died younger than `YOUNG_MS` did not really work. */
const STEADY_MS = 30_000;
const YOUNG_MS = 5_000;
/** How long a transport rests whose links keep dying; doubled each time. */
const REST_MIN_MS = 10_000;
const REST_MAX_MS = 600_000;

/** Which transports carry the session badly: one whose links die young, or fall silent, rests before it is tried first again. */
export class Reputation {
  private readonly marks = new Map<TransportName, { strikes: number; until: number }>();

  constructor(private readonly clock: Clock) {}

  /** A link ended by itself, not by the hub's word, after `livedMs`. */
  died(transport: TransportName, livedMs: number, silent: boolean): void {
    const before = livedMs >= STEADY_MS ? 0 : (this.marks.get(transport)?.strikes ?? 0);
    if (livedMs >= STEADY_MS && !silent) {
      this.marks.delete(transport);
      return;
    }
    const strikes = before + 1;
    const bound = Math.min(REST_MAX_MS, REST_MIN_MS * 2 ** (strikes - 1));
    // Once may be chance.
    const rests = silent || strikes > 1 || livedMs < YOUNG_MS;
    this.marks.set(transport, { strikes, until: rests ? this.clock.now() + bound * (0.5 + this.clock.random() / 2) : 0 });
  }

  /** How long the transport rests still (ms). */
  restMs(transport: TransportName): number {
    return Math.max(0, (this.marks.get(transport)?.until ?? 0) - this.clock.now());
  }

  /** The network has changed. */
  clear(): void {
    this.marks.clear();
  }
}

/** The hub's or a proxy's "come back in" is believed up to here (ms). */
export const RETRY_AFTER_MAX_MS = 600_000;
/** Between attempts while the browser says that there is no network: it may be wrong. */
const OFFLINE_MIN_MS = 5_000;
const OFFLINE_SPREAD_MS = 10_000;
/** From such a life on, a link costs a wait of at most twice as long. */
const LIFE_MIN_MS = 500;
const HURRY_SPREAD_MS = 200;

/** When to try again. Every wait is random below a bound that grows while nothing is reached (full jitter). */
export class Pace {
  private readonly backoff: Backoff;
  private readonly min: number;
  private bound = Infinity;
  private notBefore = -Infinity;

  constructor(
    private readonly clock: Clock,
    options: BackoffOptions = {},
  ) {
    this.backoff = new Backoff(options, clock.random);
    this.min = options.min_ms ?? 200;
  }

  /** A link was lost: a wait need not be longer than what there was before. */
  lived(ms: number): void {
    if (ms >= YOUNG_MS) this.backoff.reset();
    this.bound = ms < LIFE_MIN_MS ? Infinity : Math.max(this.min, 2 * ms);
  }

  /** How long to wait after this error. */
  next({ retryAfterMs = 0 }: CrosspointError, offline: boolean): number {
    const asked = Math.min(retryAfterMs, RETRY_AFTER_MAX_MS);
    this.notBefore = this.clock.now() + asked;
    const wait = this.backoff.next(asked, this.bound);
    this.bound = Infinity;
    return offline ? Math.max(wait, OFFLINE_MIN_MS + this.clock.random() * OFFLINE_SPREAD_MS) : wait;
  }

  /** How long to wait where something says that it may work now; the hub's own word goes first. */
  hurried(): number {
    return Math.max(0, this.notBefore - this.clock.now()) + this.clock.random() * HURRY_SPREAD_MS;
  }
}
