/** Time and chance, injectable so that tests own both. */
export interface Clock {
    /** Milliseconds, monotonic. */
    now(): number;
    /** Milliseconds since 1970. */
    date(): number;
    /** Calls `fn` once after `ms`; returns what cancels it. */
    after(ms: number, fn: () => void): () => void;
    /** In [0, 1). */
    random(): number;
}
export declare const systemClock: Clock;
