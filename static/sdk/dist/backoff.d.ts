export interface BackoffOptions {
    /** Upper bound of the first wait (ms, default 200). */
    min_ms?: number;
    /** Upper bound of every wait (ms, default 20,000). */
    max_ms?: number;
    /** How the bound grows from attempt to attempt (default 2). */
    factor?: number;
}
/** Exponential backoff with full jitter: each wait is anywhere between `FLOOR_MS` and a bound that grows. */
export declare class Backoff {
    private readonly random;
    /** No wait is shorter, so that failures which come at once never make a tight loop (ms). */
    static readonly FLOOR_MS = 20;
    private attempts;
    private readonly min;
    private readonly max;
    private readonly factor;
    constructor(options?: BackoffOptions, random?: () => number);
    /** How long to wait before the next attempt (ms), at least `atLeastMs`; the bound this time is at most `boundMs`. */
    next(atLeastMs?: number, boundMs?: number): number;
    reset(): void;
}
