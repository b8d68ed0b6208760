export interface BackoffOptions {
  /** Upper bound of the first wait (ms, default 200). */
  min_ms?: number;
  /** Upper bound of every wait (ms, default 20,000). */
  max_ms?: number;
  /** How the bound grows from attempt to attempt (default 2). */
  factor?: number;
}

/** Exponential backoff with full jitter: each wait is anywhere between `FLOOR_MS` and a bound that grows. */
export class Backoff {
  /** No wait is shorter, so that failures which come at once never make a tight loop (ms). */
  static readonly FLOOR_MS = 20;
  private attempts = 0;
  private readonly min: number;
  private readonly max: number;
  private readonly factor: number;

  constructor(options: BackoffOptions = {}, private readonly random: () => number = Math.random) {
    this.min = Math.max(Backoff.FLOOR_MS, options.min_ms ?? 200);
    this.max = Math.max(this.min, options.max_ms ?? 20_000);
    this.factor = Math.max(1, options.factor ?? 2);
  }

  /** How long to wait before the next attempt (ms), at least `atLeastMs`; the bound this time is at most `boundMs`. */
  next(atLeastMs = 0, boundMs = Infinity): number {
    const bound = Math.min(boundMs, this.max, this.min * this.factor ** Math.min(this.attempts, 64));
    this.attempts += 1;
    const wait = Backoff.FLOOR_MS + this.random() * (bound - Backoff.FLOOR_MS);
    return atLeastMs > 0 ? atLeastMs + wait : wait;
  }

  reset(): void {
    this.attempts = 0;
  }
}
