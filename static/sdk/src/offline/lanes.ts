import { Backoff } from '../backoff.js';
import type { Clock } from '../clock.js';
import { bySince, type Kept } from './kept.js';

/** What the hub takes too slowly is given up after so long (ms). */
export const LIMITED_MAX_MS = 60_000;
/** Where the hub doesn't say when to come again. */
const BACKOFF = { min_ms: 500, max_ms: 10_000 };
/** Added to what the hub says, so that not all come at the same moment: at most this part of it, and this time (ms). */
const SPREAD = 0.1;
const SPREAD_MAX_MS = 1_000;

interface Lane {
  /** Oldest first. */
  waiting: Kept[];
  /** It alone is under way. */
  turn: Kept | null;
  blocked: boolean;
  backoff: Backoff;
  cancel: (() => void) | null;
}

/** Rooms and users to which the hub takes nothing for now, and what waits for it: it goes on one by one, in order, until nothing waits. */
export class Lanes {
  private readonly lanes = new Map<string, Lane>();
  /** When each was refused as too fast for the first time. */
  private readonly since = new WeakMap<Kept, number>();

  constructor(
    private readonly clock: Clock,
    private readonly patient: boolean,
    /** It may go. */
    private readonly go: (kept: Kept) => void,
  ) {}

  /** The hub refused it as too fast. `false`: it has waited, or would have to wait, for too long. */
  limited(kept: Kept, afterMs: number | undefined): boolean {
    if (!this.patient) return false;
    const now = this.clock.now();
    const lane = this.lane(kept);
    const ms = afterMs === undefined ? lane.backoff.next() : afterMs + this.clock.random() * Math.min(SPREAD_MAX_MS, afterMs * SPREAD);
    const since = this.since.get(kept) ?? now;
    if (now + ms - since > LIMITED_MAX_MS) return false;
    this.since.set(kept, since);
    if (lane.turn === kept) lane.turn = null;
    lane.cancel?.();
    lane.cancel = this.clock.after(Math.max(ms, Backoff.FLOOR_MS), () => {
      lane.cancel = null;
      this.next(kept);
    });
    this.add(kept);
    return true;
  }

  /** The session is on its way into the room, or (`false`) isn't any more. */
  block(room: string, on: boolean): void {
    const key = `room ${room}`;
    if (on) this.open(key).blocked = true;
    const lane = this.lanes.get(key);
    if (!lane || on) return;
    lane.blocked = false;
    this.pass(key, lane);
  }

  isBlocked(kept: Kept): boolean {
    return this.lanes.get(keyOf(kept))?.blocked === true;
  }

  /** It has to wait. */
  holds(kept: Kept): boolean {
    const lane = this.lanes.get(keyOf(kept));
    return lane !== undefined && (lane.blocked || lane.turn !== kept);
  }

  add(kept: Kept): void {
    const lane = this.lane(kept);
    if (lane.turn === kept) lane.turn = null;
    lane.waiting.push(kept);
    lane.waiting.sort(bySince);
  }

  /** It was answered, or given up. */
  remove(kept: Kept): void {
    const lane = this.lanes.get(keyOf(kept));
    if (!lane) return;
    lane.waiting = lane.waiting.filter((other) => other !== kept);
    if (lane.turn === kept) lane.turn = null;
    this.next(kept);
  }

  close(): void {
    for (const { cancel } of this.lanes.values()) cancel?.();
    this.lanes.clear();
  }

  private next(kept: Kept): void {
    const key = keyOf(kept);
    const lane = this.lanes.get(key);
    if (lane) this.pass(key, lane);
  }

  private pass(key: string, lane: Lane): void {
    if (lane.blocked || lane.cancel || lane.turn) return;
    const kept = lane.waiting.shift();
    if (!kept) {
      this.lanes.delete(key);
      return;
    }
    lane.turn = kept;
    this.go(kept);
  }

  private lane(kept: Kept): Lane {
    return this.open(keyOf(kept));
  }

  private open(key: string): Lane {
    let lane = this.lanes.get(key);
    if (!lane) this.lanes.set(key, (lane = { waiting: [], turn: null, blocked: false, backoff: new Backoff(BACKOFF, this.clock.random), cancel: null }));
    return lane;
  }
}

function keyOf({ frame: { room, to } }: Kept): string {
  return room === undefined ? `to ${to}` : `room ${room}`;
}
