import type { Clock } from '../clock.js';

const EVERY_MS = 500;
/** A leader that hasn't answered for so long is taken for dead (ms), by the first of the others; by each further one later. */
const DEAD_MS = 1_000;
const RANK_MS = 500;
/** The leader hears of this tab at least so often (ms). */
const AT_LEAST_MS = 10_000;
/** A look that comes so much too late says more of this tab than of the leader (ms). */
const LATE_MS = 400;

export interface WatchHooks {
  ping(): void;
  /** How many other followers come before this one. */
  rank(): number;
  dead(): void;
}

/** Looks whether the leader lives: locks tell of tabs that are closed, not of those that hang. */
export class Watch {
  private cancel: (() => void) | null = null;
  heardAt = 0;
  /** When the first ping since the last sign of life was sent, and how many. */
  private pingedAt = 0;
  private pings = 0;
  private lastPing = 0;

  constructor(
    private readonly clock: Clock,
    private readonly hooks: WatchHooks,
  ) {}

  start(): void {
    this.stop();
    this.heard();
    this.next();
  }

  stop(): void {
    this.cancel?.();
    this.cancel = null;
  }

  heard(): void {
    this.heardAt = this.clock.now();
    this.pings = 0;
  }

  private next(): void {
    const due = this.clock.now() + EVERY_MS;
    this.cancel = this.clock.after(EVERY_MS, () => {
      this.look(due);
      if (this.cancel) this.next();
    });
  }

  private look(due: number): void {
    const now = this.clock.now();
    if (now - due > LATE_MS) this.pings = 0;
    else if (now - this.heardAt < EVERY_MS && now - this.lastPing < AT_LEAST_MS) return;
    const dead = this.pings > 1 && now - this.pingedAt >= DEAD_MS + RANK_MS * Math.max(0, this.hooks.rank());
    if (dead) {
      this.pings = 0;
      this.hooks.dead();
      return;
    }
    if (this.pings === 0) this.pingedAt = now;
    this.pings += 1;
    this.lastPing = now;
    this.hooks.ping();
  }
}
