import type { Clock } from '../clock.js';
import { bySince, type Kept } from './kept.js';

/** What the hub takes too slowly is given up after so long (ms). */
export const LIMITED_MAX_MS = 60_000;
/** When to come again where the hub doesn't say (ms); and the part by which it is later, so that not all come at the same moment. */
const AGAIN_MS = 3_000;
const SPREAD = 0.1;

interface Lane {
  waiting: Kept[];
  /** It alone is under way. */
  turn: Kept | null;
  blocked: boolean;
  cancel: (() => void) | null;
}

/** Rooms and users to which the hub takes nothing for now, and what waits for it: it goes on one by one, in order, until nothing waits. */
export class Lanes {
  private readonly lanes = new Map<string, Lane>();

  constructor(
    private readonly clock: Clock,
    /** It may go. */
    private readonly go: (kept: Kept) => void,
  ) {}

  /** The hub refused it as too fast. `false`: it has waited, or would have to wait, for too long. */
  limited(kept: Kept, afterMs = AGAIN_MS): boolean {
    const now = this.clock.now();
    const ms = Math.max(1, afterMs * (1 + this.clock.random() * SPREAD));
    kept.limited ??= now;
    if (now + ms - kept.limited > LIMITED_MAX_MS) return false;
    this.add(kept);
    const key = keyOf(kept);
    const lane = this.open(key);
    lane.cancel?.();
    lane.cancel = this.clock.after(ms, () => {
      lane.cancel = null;
      this.pass(key);
    });
    return true;
  }

  /** The session is on its way into the room, or isn't any more. */
  block(room: string, on: boolean): void {
    const key = keyOf({ frame: { room } });
    if (on) this.open(key).blocked = true;
    else if (this.lanes.has(key)) {
      this.open(key).blocked = false;
      this.pass(key);
    }
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
    this.remove(kept, false);
    const { waiting } = this.open(keyOf(kept));
    waiting.push(kept);
    waiting.sort(bySince);
  }

  /** It was answered, given up, or waits again. */
  remove(kept: Kept, pass = true): void {
    const key = keyOf(kept);
    const lane = this.lanes.get(key);
    if (!lane) return;
    lane.waiting = lane.waiting.filter((other) => other !== kept);
    if (lane.turn === kept) lane.turn = null;
    if (pass) this.pass(key);
  }

  close(): void {
    for (const { cancel } of this.lanes.values()) cancel?.();
    this.lanes.clear();
  }

  private pass(key: string): void {
    const lane = this.lanes.get(key);
    if (!lane || lane.blocked || lane.cancel || lane.turn) return;
    const kept = lane.waiting.shift();
    lane.turn = kept ?? null;
    if (kept) this.go(kept);
    else this.lanes.delete(key);
  }

  private open(key: string): Lane {
    const lane = this.lanes.get(key) ?? { waiting: [], turn: null, blocked: false, cancel: null };
    this.lanes.set(key, lane);
    return lane;
  }
}

function keyOf({ frame: { room, to } }: { frame: { room?: string; to?: string } }): string {
  return JSON.stringify([room, to]);
}
