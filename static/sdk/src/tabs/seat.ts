import type { Frame } from '../frame.js';
import { formatPosition, parsePosition, type Position } from '../session/position.js';
import { record } from '../session/types.js';

/** Frames that wait for a join to be answered; beyond, the oldest are dropped and a gap is told. */
const HELD_MAX = 10_000;

export interface JoinData {
  since?: string;
  history?: number;
  presence?: boolean;
  state?: unknown;
  token?: string;
}

/** What one tab sees of a room that the session is in. */
export class Seat {
  /** Where the tab is in the room's history; `null` where there is none, or nothing is known of it. */
  position: Position | null = null;
  /** What came since the tab asked to be in, until it is. */
  private held: Frame[] | null = [];
  private overflowed = false;

  constructor(
    readonly room: string,
    readonly id: string,
    readonly data: JoinData,
  ) {}

  get isIn(): boolean {
    return this.held === null;
  }

  get text(): string | null {
    return this.position && formatPosition(this.position);
  }

  /** Whether the tab's application is to see this frame now. */
  takes(frame: Frame): boolean {
    if (frame.type === 'hub:presence' && !this.data.presence) return false;
    if (this.held) {
      if (frame.volatile === undefined) this.hold(this.held, frame);
      return false;
    }
    const { offset, id = '' } = frame;
    if (frame.type === 'hub:gap') {
      this.position = parsePosition(record(frame.data)?.position) ?? this.position;
    } else if (offset !== undefined) {
      if (this.position && offset <= this.position.offset) return false;
      if (this.position) this.position = { epoch: this.position.epoch, offset, id };
    }
    return true;
  }

  /** What the list of members that was just read says already. */
  forgetPresence(): void {
    this.held = this.held?.filter(({ type }) => type !== 'hub:presence') ?? null;
  }

  /** The tab is in, at `position`. Returns what it is to see next. */
  open(position: Position | null): Frame[] {
    const { held, room } = this;
    this.position = position;
    this.held = null;
    if (!this.overflowed) return held ?? [];
    return [{ type: 'hub:gap', room, data: { reason: 'slow_join' } }, ...(held ?? [])];
  }

  /** The tab has to find in again: frames are held from now on. */
  reopen(): void {
    this.held ??= [];
  }

  private hold(held: Frame[], frame: Frame): void {
    held.push(frame);
    if (held.length <= HELD_MAX) return;
    held.shift();
    this.overflowed = true;
  }
}
