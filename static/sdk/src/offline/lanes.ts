import type { Clock } from '../clock.js';
import { bySince, type Kept } from './kept.js';
import { Turnstile } from './turnstile.js';

/** What the hub takes too slowly is given up after so long (ms). */
export const LIMITED_MAX_MS = 60_000;

/** A join that goes when it may. */
export interface Ticket {
  go(): void;
}

/** Rooms and users to which the hub takes nothing for now, or not so fast, and what waits for it. */
export class Lanes {
  private readonly lanes = new Map<string, Turnstile<Kept>>();
  readonly joins: Turnstile<Ticket>;

  constructor(
    private readonly clock: Clock,
    /** It may go. */
    private readonly go: (kept: Kept) => void,
  ) {
    this.joins = new Turnstile(clock, (ticket) => ticket.go());
  }

  /** The hub refused it as too fast. `false`: it has waited, or would have to wait, for too long. */
  limited(kept: Kept, afterMs?: number): boolean {
    const lane = this.lane(keyOf(kept));
    const now = this.clock.now();
    const ms = lane.waitOf(afterMs);
    kept.limited ??= now;
    if (now + ms - kept.limited > LIMITED_MAX_MS) return false;
    lane.limited(kept, ms);
    return true;
  }

  /** The session is on its way into the room, or isn't any more. */
  block(room: string, on: boolean): void {
    const key = keyOf({ frame: { room } });
    if (!on && !this.lanes.has(key)) return;
    const lane = this.lane(key);
    lane.blocked = on;
    lane.pass();
    this.tidy(key, lane);
  }

  isBlocked(kept: Kept): boolean {
    return this.lanes.get(keyOf(kept))?.blocked === true;
  }

  /** Whether it has to wait. What has to may go at once, by itself. */
  holds(kept: Kept): boolean {
    return this.lanes.get(keyOf(kept))?.holds(kept) === true;
  }

  take(kept: Kept): void {
    this.lane(keyOf(kept)).take(kept);
  }

  /** It was answered, or given up. */
  remove(kept: Kept): void {
    const key = keyOf(kept);
    const lane = this.lanes.get(key);
    lane?.remove(kept);
    this.tidy(key, lane);
  }

  close(): void {
    for (const lane of this.lanes.values()) lane.close();
    this.lanes.clear();
    for (const ticket of this.joins.close()) ticket.go();
  }

  private lane(key: string): Turnstile<Kept> {
    let lane = this.lanes.get(key);
    if (!lane) this.lanes.set(key, (lane = new Turnstile(this.clock, this.go, bySince)));
    return lane;
  }

  private tidy(key: string, lane: Turnstile<Kept> | undefined): void {
    if (lane?.open) this.lanes.delete(key);
  }
}

function keyOf({ frame: { room, to } }: { frame: { room?: string; to?: string } }): string {
  return JSON.stringify([room, to]);
}
