import type { Clock } from './clock.js';
import { CrosspointError } from './codes.js';

type Source = string | (() => string | Promise<string>) | undefined;

/** Refusals in a row after which no further token is asked for. */
const REFUSALS_MAX = 3;

/** The user's token: a fixed one, or fetched again whenever the hub refuses the last. */
export class Tokens {
  private token: string | null;
  private stale = true;
  private refusals = 0;

  constructor(
    private readonly source: Source,
    private readonly clock: Clock,
    private readonly deadlineMs: number,
  ) {
    this.token = typeof source === 'string' ? source : null;
  }

  /** The token as it is known; `null` where there is none. */
  get known(): string | null {
    return this.token;
  }

  /** Another can be had: it comes from a function, and the hub has not refused too many in a row. */
  get renewable(): boolean {
    return typeof this.source === 'function' && this.refusals <= REFUSALS_MAX;
  }

  /** How long the token is still good (ms), as far as it says so itself; `null` where it doesn't or no other can be had. */
  goodForMs(): number | null {
    if (typeof this.source !== 'function' || this.token === null) return null;
    try {
      const payload = this.token.split('.')[1] ?? '';
      const { exp } = JSON.parse(atob(payload.replace(/-/g, '+').replace(/_/g, '/'))) as { exp?: unknown };
      return typeof exp === 'number' ? exp * 1000 - this.clock.date() : null;
    } catch {
      return null;
    }
  }

  /** Fetches a new one, whether or not the last was refused. */
  renew(): Promise<string | null> {
    this.stale = true;
    return this.get();
  }

  /** The application brought a new one. */
  set(token: string): void {
    this.token = token;
    this.stale = false;
    this.refusals = 0;
  }

  /** The hub refused it. Returns whether a new one can be had. */
  refused(): boolean {
    this.refusals += 1;
    this.stale = true;
    return this.renewable;
  }

  accepted(): void {
    this.refusals = 0;
  }

  async get(): Promise<string | null> {
    const { source } = this;
    if (typeof source !== 'function' || !this.stale) return this.token;
    // An empty one is none.
    this.token = (await this.ask(source)) || null;
    this.stale = false;
    return this.token;
  }

  /** What a token function returns, in time. */
  async ask(source: () => string | Promise<string>): Promise<string> {
    const token: unknown = await this.inTime(async () => source());
    if (typeof token !== 'string') throw new CrosspointError('unauthorized', 'the token function returned no string', 'never');
    return token;
  }

  private inTime<T>(fn: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const late = () => reject(new CrosspointError('timeout', 'the token function did not answer'));
      const cancel = this.clock.after(this.deadlineMs, late);
      fn()
        .then(resolve, (error: unknown) =>
          reject(error instanceof CrosspointError ? error : new CrosspointError('unavailable', `the token function failed: ${error}`)),
        )
        .finally(cancel);
    });
  }
}
