import { Backoff } from './backoff.js';
import type { Clock } from './clock.js';
import { CrosspointError } from './codes.js';
import type { Tokens } from './tokens.js';

/** A token is renewed so long before its end, or a tenth of its time, and never in quick succession (ms). */
const AHEAD_MS = 60_000;
const MIN_MS = 1_000;
const BACKOFF = { min_ms: 1_000, max_ms: 30_000 };
/** Clients that the hub tells at the same time ask for their tokens within this part of what is left, and of this time (ms). */
const SPREAD = 0.1;
const SPREAD_MAX_MS = 5_000;

export interface RenewalHooks {
  /** A link carries the session, and this client answers for it. */
  isOn(): boolean;
  /** Gives the token to the hub. */
  refresh(token: string): Promise<unknown>;
  /** The hub has taken it. */
  renewed(token: string): void;
}

/** Gets a new token before the present one is over, so that the session need not end for it. */
export class Renewal {
  private cancel: (() => void) | null = null;
  private running: Promise<void> | null = null;
  private readonly backoff: Backoff;
  /** The hub has said that the token ends, and has no new one yet. */
  private due = false;

  constructor(
    private readonly clock: Clock,
    private readonly tokens: Tokens,
    private readonly hooks: RenewalHooks,
  ) {
    this.backoff = new Backoff(BACKOFF, clock.random);
  }

  /** A link carries the session. */
  arm(): void {
    this.stop();
    if (!this.hooks.isOn() || !this.tokens.renewable) return;
    if (this.due) return this.later(this.clock.random() * MIN_MS);
    const goodFor = this.tokens.goodForMs();
    if (goodFor === null) return;
    // One that is over already says that a clock is wrong: the hub's counts.
    this.later(goodFor > 0 ? Math.max(MIN_MS, goodFor - Math.min(AHEAD_MS, goodFor / 10)) : AHEAD_MS);
  }

  /** The hub says that the token ends in so many ms. */
  expiring(ms: number): void {
    this.due = true;
    if (this.running || !this.hooks.isOn() || !this.tokens.renewable) return;
    this.later(this.clock.random() * Math.min(SPREAD_MAX_MS, ms * SPREAD));
  }

  /** There is a new token. */
  done(): void {
    this.due = false;
    this.backoff.reset();
    this.arm();
  }

  stop(): void {
    this.cancel?.();
    this.cancel = null;
  }

  /** Gets a token, and gives it to the hub; one at a time. */
  renew(): Promise<void> {
    return (this.running ??= this.run().finally(() => (this.running = null)));
  }

  private later(ms: number): void {
    this.stop();
    this.cancel = this.clock.after(ms, () => {
      this.cancel = null;
      this.renew().catch((error: CrosspointError) => {
        // If none can be had, the hub says when the present one is over, and all begins anew.
        if (this.hooks.isOn() && this.tokens.renewable) this.later(this.backoff.next(error.retryAfterMs));
      });
    });
  }

  private async run(): Promise<void> {
    const before = this.tokens.known;
    const token = await this.tokens.renew();
    if (token === null || token === before) throw new CrosspointError('unavailable', 'the token function returned no new token');
    try {
      await this.hooks.refresh(token);
    } catch (error) {
      if ((error as CrosspointError).retry === 'refresh') this.tokens.refused();
      throw error;
    }
    this.tokens.accepted();
    this.done();
    this.hooks.renewed(token);
  }
}
