import { Backoff } from './backoff.js';
import { asError } from './check.js';
import type { CrosspointError } from './codes.js';
import { LIMITED_MAX_MS } from './offline/lanes.js';
import type { Wire } from './room.js';
import type { JoinOptions, JoinResult } from './types.js';

/** How often a way back is looked for, and how long to wait between (ms). */
const TRIES_MAX = 6;
const BACKOFF = { min_ms: 500, max_ms: 10_000 };

export interface EntranceHooks {
  entered(result: JoinResult): void;
  left(): void;
}

/** The way into a room, and back into it. While it is being gone, what is published there waits. */
export class Entrance {
  /** A later attempt, or leaving, ends those before. */
  private round = 0;

  constructor(
    private readonly name: string,
    private readonly wire: Wire,
    private readonly hooks: EntranceHooks,
  ) {}

  /** Joins; where that is too fast it waits, as long as the hub says. */
  async join(options: JoinOptions): Promise<JoinResult> {
    const round = ++this.round;
    try {
      return await this.enter(options, round);
    } catch (error) {
      if (round === this.round) this.hooks.left();
      throw error;
    } finally {
      this.over(round);
    }
  }

  /** Looks for a way back, to where the session was. Resolves with why there is none; `null`: it is there, or something else came between. */
  async back({ history: _, ...options }: JoinOptions, since: string | null): Promise<CrosspointError | null> {
    const round = ++this.round;
    const backoff = new Backoff(BACKOFF);
    this.wire.block(true);
    try {
      for (let tries = 1; ; tries++) {
        try {
          await this.enter({ ...options, since: since ?? undefined } as JoinOptions, round);
          return null;
        } catch (e) {
          const error = asError(e);
          if (round !== this.round || error.code === 'bye') return null;
          if (error.retry === 'never' || tries === TRIES_MAX) return error;
          await this.wire.sleep(backoff.next(error.retryAfterMs));
          if (round !== this.round) return null;
        }
      }
    } catch {
      // The client was closed.
      return null;
    } finally {
      this.over(round);
    }
  }

  cancel(): void {
    this.over(this.round++);
  }

  private async enter({ token: source, ...options }: JoinOptions, round: number): Promise<JoinResult> {
    const backoff = new Backoff(BACKOFF);
    for (let waited = 0; ; ) {
      const token = typeof source === 'function' ? await this.wire.token(source) : source;
      const data = Object.fromEntries(Object.entries({ ...options, token }).filter(([, value]) => value !== undefined));
      const frame = { type: 'hub:join', room: this.name, data };
      try {
        return await this.wire.call<JoinResult>(frame, false, (result) => this.hooks.entered(result), (error) => this.isLimited(error) && this.wire.block(true));
      } catch (e) {
        const error = asError(e);
        const wait = backoff.next(error.retryAfterMs);
        waited += wait;
        if (!this.isLimited(error) || waited > LIMITED_MAX_MS || round !== this.round) throw error;
        await this.wire.sleep(wait);
        if (round !== this.round) throw error;
      }
    }
  }

  private isLimited({ code }: CrosspointError): boolean {
    return code === 'rate_limited' && this.wire.patient;
  }

  private over(round: number): void {
    if (round === this.round) this.wire.block(false);
  }
}
