import { Backoff } from './backoff.js';
import type { CrosspointError } from './codes.js';
import { LIMITED_MAX_MS, type Ticket } from './offline/lanes.js';
import type { Wire } from './room.js';
import type { JoinOptions, JoinResult } from './types.js';

const BACKOFF = { min_ms: 500, max_ms: 10_000 };

/** The way into a room, and back into it. What is published there waits while it is being gone again. */
export class Entrance {
  /** A later attempt, or leaving, ends those before. */
  private round = 0;

  constructor(
    private readonly name: string,
    private readonly wire: Wire,
    private readonly entered: (result: JoinResult) => void,
  ) {}

  /** Joins; where that is too fast it waits, as long as the hub says. */
  join(options: JoinOptions, failed: () => void): Promise<JoinResult> {
    return this.enter(options, failed, (error) => error.code === 'rate_limited' && this.wire.patient);
  }

  /** Looks for a way back, to where the session was. `failed` is told where there is none. */
  back(options: JoinOptions, since: string | null, failed: (error: CrosspointError) => void): Promise<JoinResult> {
    this.wire.block(true);
    const { history: _, since: __, ...rest } = options;
    return this.enter(since === null ? rest : { ...rest, since }, failed, ({ retry }) => retry !== 'never');
  }

  cancel(): void {
    this.round += 1;
    this.wire.block(false);
  }

  private async enter({ token: source, ...options }: JoinOptions, failed: (error: CrosspointError) => void, passes: (error: CrosspointError) => boolean): Promise<JoinResult> {
    const { wire } = this;
    const round = ++this.round;
    const backoff = new Backoff(BACKOFF);
    const ticket: Ticket = { go: () => {} };
    try {
      for (let waited = 0; ; ) {
        try {
          const token = typeof source === 'function' ? await wire.token(source) : source;
          const data = Object.fromEntries(Object.entries({ ...options, token }).filter(([, value]) => value !== undefined));
          const frame = { type: 'hub:join', room: this.name, data };
          return await wire.call<JoinResult>(frame, false, this.entered, (error) => passes(error) && wire.block(true));
        } catch (e) {
          const error = e as CrosspointError;
          const limited = error.code === 'rate_limited';
          const wait = limited ? wire.joins.waitOf(error.retryAfterMs) : backoff.next(error.retryAfterMs);
          waited += wait;
          if (!passes(error) || waited > LIMITED_MAX_MS || round !== this.round) throw error;
          if (limited) await new Promise<void>((go) => wire.joins.limited(Object.assign(ticket, { go }), wait));
          else await wire.sleep(wait);
          if (round !== this.round) throw error;
        }
      }
    } catch (error) {
      if (round === this.round) failed(error as CrosspointError);
      throw error;
    } finally {
      wire.joins.remove(ticket);
      if (round === this.round) wire.block(false);
    }
  }
}
