import type { Clock } from '../clock.js';
import { CrosspointError } from '../codes.js';
import type { Frame } from '../frame.js';
import { DEFAULT_CONFIG, record } from '../session/types.js';
import type { StoredFrame } from '../types.js';
import type { Keeper } from './keeper.js';
import { Lanes } from './lanes.js';
import { bySince, restored, stored, tooLate, type Bounds, type Keep, type Kept } from './kept.js';

export interface OutboxHooks {
  /** Gives a frame to the session. `false`: it takes none at the moment. */
  send(frame: Frame): boolean;
  /** Why the hub would not take so many bytes. */
  refuses(bytes: number): CrosspointError | null;
  /** Whether somebody still waits for the reply. */
  waits(id: string): boolean;
  fail(id: string | undefined, error: CrosspointError): void;
  /** Not now, but it stays queued. */
  queued(id: string): void;
  /** An earlier page's is here. */
  restored(id: string): void;
  /** The session is in the room. */
  joined(room: string): boolean;
  /** The room has a history, as far as is known. */
  hasHistory(room: string): boolean;
}

interface Item {
  frame: Frame;
  bytes: number;
  kept: Kept | null;
}

/** All counted frames in their order, until the session can have them. What is `Kept` is bounded, may outlive the page, goes to
 * the user's own session only, and can be taken back until it has been given away. */
export class Outbox {
  private readonly kept = new Map<string, Kept>();
  private keptBytes = 0;
  private waiting: Item[] = [];
  /** An earlier page's publishes, until this one joins their room or publishes there. */
  private readonly held = new Map<string, Kept[]>();
  /** Other users'. */
  private parked: Kept[] = [];
  /** Ids whose reply is due soon. */
  private readonly due = new Set<string>();
  /** Joins under way, by id. */
  private readonly joins = new Map<string, string>();
  /** Taken back from a session that is over. */
  private dropped: Kept[] = [];
  private user: string | null = null;
  private linked = false;
  private claiming = false;
  private marking = false;
  private pumping = false;
  private lastSince = 0;
  private made = 0;
  private cancelSweep: (() => void) | null = null;
  readonly lanes: Lanes;

  constructor(
    private readonly clock: Clock,
    private readonly bounds: Bounds,
    private readonly waitingMax: number,
    private readonly keeper: Keeper | null,
    /** Who the application says it is. */
    private probably: string | null,
    private readonly hooks: OutboxHooks,
    /** What is refused as too fast is sent again. */
    private readonly patient = true,
  ) {
    this.lanes = new Lanes(clock, (kept) => {
      this.first([kept]);
      this.pump();
    });
  }

  /** Finds what earlier pages of the user left, before the hub has named them. */
  async begin(): Promise<void> {
    this.probably ??= (await this.keeper?.lastUser()) ?? null;
    if (this.probably !== null && this.user === null) await this.keeper?.claim(this.probably);
  }

  /** All that count against the bounds. */
  get total(): number {
    return this.kept.size;
  }

  /** The present user's, oldest first. */
  mine(): Kept[] {
    return [...this.kept.values()].filter((kept) => this.isMine(kept)).sort(bySince);
  }

  /** Takes a frame. Throws `limit_exceeded`. */
  push(frame: Frame, bytes: number, keep?: Keep): void {
    const item: Item = { frame, bytes, kept: null };
    if (keep) {
      const full = this.full(bytes);
      if (full) throw full;
      const kept = (item.kept = this.make(frame as Frame & { id: string }, bytes, keep));
      // What goes out at once need not be marked for it first.
      if (this.flows() && this.waiting.length === 0 && this.due.size < DEFAULT_CONFIG.window) kept.marked = kept.since;
      this.enter(kept);
      this.save(kept);
    } else if (this.waiting.length >= this.waitingMax) {
      throw queueFull(this.waitingMax);
    }
    this.waiting.push(item);
    this.pump();
  }

  /** The hub named the user, and a link carries the session. */
  welcomed(user: string): void {
    this.linked = true;
    this.user = user;
    for (const kept of this.kept.values()) {
      if (kept.named) continue;
      kept.named = true;
      if (kept.user === user) continue;
      kept.user = user;
      this.save(kept);
    }
    const back = this.dropped;
    this.dropped = [];
    for (const kept of back) {
      kept.given = false;
      if (this.isMine(kept)) this.fail(kept, this.tooLate(kept) ?? new CrosspointError('timeout'));
      else this.park(kept);
    }
    const again = this.parked.filter((kept) => this.isMine(kept));
    this.parked = this.parked.filter((kept) => !this.isMine(kept));
    this.place(again);
    if (this.keeper) {
      this.claiming = true;
      void this.keeper.claim(user).then(() => {
        if (this.user !== user) return;
        this.claiming = false;
        this.pump();
      });
    }
    this.pump();
  }

  /** No link carries the session. */
  lost(): void {
    this.linked = false;
    for (const kept of this.kept.values()) {
      if (kept.marked === null || kept.tried !== null) continue;
      kept.marked = null;
      this.save(kept);
    }
  }

  /** Whether a new session should begin with this frame, which the last one left unanswered. */
  again(frame: Frame, user: string): boolean {
    const kept = frame.id === undefined ? undefined : this.kept.get(frame.id);
    if (!kept || (kept.user === user && !this.tooLate(kept))) return true;
    this.due.delete(kept.id);
    this.dropped.push(kept);
    return false;
  }

  /** A publish or message was refused. `true`: it waits, and will be sent again. */
  refused({ id, data }: Frame): boolean {
    const kept = this.kept.get(id ?? '');
    const { code, retry_after_ms: after } = record(data) ?? {};
    if (!kept) return false;
    if (code === 'not_joined' && this.lanes.isBlocked(kept)) this.lanes.take(kept);
    // An earlier page's was sent before this one has joined the room.
    else if (code === 'not_joined' && kept.restored) this.hold(kept);
    else if (code !== 'rate_limited' || !this.patient || !this.lanes.limited(kept, typeof after === 'number' ? after : undefined)) return false;
    this.due.delete(kept.id);
    kept.given = false;
    this.hooks.queued(kept.id);
    this.pump();
    return true;
  }

  /** A reply or an error came. */
  answered({ id = '', type }: Frame): void {
    this.due.delete(id);
    const kept = this.kept.get(id);
    if (kept) this.forget(kept);
    const room = this.joins.get(id);
    this.joins.delete(id);
    if (room !== undefined && type === 'hub:reply') this.release(room);
    this.pump();
  }

  /** The machine joined the room again. */
  rejoined(room: string): void {
    this.release(room);
    this.pump();
  }

  /** Frames that earlier pages, or tabs that are closed now, left to this user. */
  take(frames: StoredFrame[], user: string): void {
    const taken: Kept[] = [];
    for (const frame of [...frames].sort(bySince)) {
      const kept = restored(frame, user);
      if (!kept) this.keeper?.remove(frame.id);
      if (!kept || this.hooks.waits(kept.id)) continue;
      const full = this.full(kept.bytes);
      this.enter(kept);
      this.hooks.restored(kept.id);
      const error = full ?? this.tooLate(kept, true);
      if (error) this.fail(kept, error);
      else taken.push(kept);
    }
    this.place(taken);
    this.pump();
  }

  /** Takes one back. `false`: there is none, or the session has it already. */
  cancel(id: string): boolean {
    const kept = this.kept.get(id);
    if (!kept || kept.given || !this.isMine(kept)) return false;
    const late = kept.tried === null ? '' : '; it had been sent before, and may have come';
    this.fail(kept, new CrosspointError('bye', `it was cancelled${late}`));
    return true;
  }

  async saved(): Promise<void> {
    await this.keeper?.saved();
  }

  /** Nothing is sent any more. Returns what stays for the next client of the user. */
  close(): string[] {
    this.linked = false;
    this.cancelSweep?.();
    this.cancelSweep = null;
    this.waiting = [];
    this.lanes.close();
    const stays = this.keeper?.lasting ? [...this.kept.values()].filter(({ lasting }) => lasting).map(({ id }) => id) : [];
    void this.keeper?.close();
    return stays;
  }

  /** Gives the session what it may have now. */
  pump(): void {
    if (this.pumping) return;
    this.pumping = true;
    try {
      while (this.flows() && this.waiting.length > 0 && this.next(this.waiting[0]!));
    } finally {
      this.pumping = false;
    }
    this.arm();
  }

  private next(item: Item): boolean {
    const { frame, bytes, kept } = item;
    const { id, room } = frame;
    const error = kept && !this.isMine(kept) ? null : this.hooks.refuses(bytes);
    if ((id !== undefined && !this.hooks.waits(id)) || error) {
      this.waiting.shift();
      if (error) this.drop(kept, id, error);
      return true;
    }
    if (kept && !this.isMine(kept)) {
      this.waiting.shift();
      this.park(kept);
      return true;
    }
    const late = kept && this.tooLate(kept);
    if (late) {
      this.fail(kept, late);
      return true;
    }
    if (kept && this.lanes.holds(kept)) {
      this.waiting.shift();
      this.hooks.queued(kept.id);
      this.lanes.take(kept);
      return true;
    }
    if (kept && room !== undefined && this.held.has(room)) {
      this.release(room);
      return true;
    }
    if (repliesSoon(frame) && this.due.size >= DEFAULT_CONFIG.window) return false;
    if (kept?.lasting && this.keeper && kept.marked === null) {
      this.mark(this.keeper);
      return false;
    }
    return this.give(item);
  }

  private give(item: Item): boolean {
    const { frame, kept } = item;
    this.waiting.shift();
    if (kept) {
      kept.given = true;
      kept.tried ??= this.clock.date();
    }
    if (repliesSoon(frame)) this.due.add(frame.id!);
    if (frame.type === 'hub:join') this.joins.set(frame.id!, frame.room!);
    if (this.hooks.send(frame)) return true;
    this.waiting.unshift(item);
    if (kept) kept.given = false;
    this.due.delete(frame.id ?? '');
    return false;
  }

  /** Notes that what comes next is being sent, before it is: after a crash it must not count as never sent. */
  private mark(keeper: Keeper): void {
    const now = this.clock.date();
    for (const { kept } of this.waiting.slice(0, DEFAULT_CONFIG.window - this.due.size)) {
      if (!kept?.lasting || kept.marked !== null || !this.isMine(kept)) continue;
      kept.marked = now;
      this.save(kept);
    }
    this.marking = true;
    void keeper.saved().then(() => {
      this.marking = false;
      this.pump();
    });
  }

  /** Whether frames go on to the session. What an earlier page left in a room that is being joined goes before all that follows. */
  private flows(): boolean {
    if (!this.linked || this.claiming || this.marking) return false;
    for (const room of this.joins.values()) if (this.held.has(room)) return false;
    return true;
  }

  private isMine({ user, named }: Kept): boolean {
    return !named || user === (this.user ?? this.probably);
  }

  private tooLate(kept: Kept, history = this.hooks.hasHistory(kept.frame.room ?? '')): CrosspointError | null {
    return tooLate(kept, history, this.bounds, this.clock);
  }

  private make(frame: Frame & { id: string }, bytes: number, keep: Keep): Kept {
    const since = (this.lastSince = Math.max(this.lastSince, this.clock.date()));
    const named = this.user !== null;
    const user = this.user ?? this.probably;
    const about = { tried: null, marked: null, restored: false, lasting: keep === 'store', given: false };
    return { id: frame.id, frame, bytes, since, n: ++this.made, user, named, ...about };
  }

  private full(bytes: number): CrosspointError | null {
    const { max, maxBytes } = this.bounds;
    if (this.kept.size >= max) return queueFull(max);
    return this.keptBytes + bytes > maxBytes ? new CrosspointError('limit_exceeded', `${maxBytes} bytes wait already`) : null;
  }

  private enter(kept: Kept): void {
    this.kept.set(kept.id, kept);
    this.keptBytes += kept.bytes;
  }

  private save(kept: Kept): void {
    if (kept.lasting) this.keeper?.put(stored(kept));
  }

  private forget(kept: Kept): void {
    if (!this.kept.delete(kept.id)) return;
    this.keptBytes -= kept.bytes;
    this.keeper?.remove(kept.id);
    this.lanes.remove(kept);
  }

  private fail(kept: Kept, error: CrosspointError): void {
    this.drop(kept, kept.id, error);
  }

  private drop(kept: Kept | null, id: string | undefined, error: CrosspointError): void {
    if (kept) {
      this.forget(kept);
      this.waiting = this.waiting.filter((item) => item.kept !== kept);
      this.parked = this.parked.filter((other) => other !== kept);
      const held = this.held.get(kept.frame.room ?? '')?.filter((other) => other !== kept);
      if (held) this.setHeld(kept.frame.room!, held);
    }
    this.hooks.fail(id, error);
  }

  private park(kept: Kept): void {
    this.parked.push(kept);
    this.lanes.remove(kept);
    this.hooks.queued(kept.id);
  }

  private hold(kept: Kept): void {
    const room = kept.frame.room!;
    this.setHeld(room, [...(this.held.get(room) ?? []), kept]);
  }

  private setHeld(room: string, held: Kept[]): void {
    if (held.length > 0) this.held.set(room, held);
    else this.held.delete(room);
  }

  /** What an earlier page left goes before all that waits, but into a room only when the session is there. */
  private place(list: Kept[]): void {
    const now: Kept[] = [];
    for (const kept of list) {
      const { room } = kept.frame;
      if (!kept.restored || room === undefined || this.hooks.joined(room)) now.push(kept);
      else this.hold(kept);
    }
    this.first(now);
  }

  private release(room: string): void {
    const held = this.held.get(room) ?? [];
    this.held.delete(room);
    this.first(held);
  }

  private first(list: Kept[]): void {
    const items = list.sort(bySince).map((kept) => ({ frame: kept.frame, bytes: kept.bytes, kept }));
    this.waiting.unshift(...items);
  }

  /** Looks again when the oldest that was not sent is too old. */
  private arm(): void {
    if (this.cancelSweep || this.bounds.maxAgeMs === Infinity) return;
    let oldest = Infinity;
    for (const { given, since } of this.kept.values()) if (!given) oldest = Math.min(oldest, since);
    if (oldest === Infinity) return;
    this.cancelSweep = this.clock.after(oldest + this.bounds.maxAgeMs + 1 - this.clock.date(), () => {
      this.cancelSweep = null;
      for (const kept of [...this.kept.values()]) {
        const late = kept.given ? null : this.tooLate(kept, true);
        if (late) this.fail(kept, late);
      }
      this.arm();
    });
  }
}

/** Its reply takes room in the hub's outbox; a request's comes when it comes. */
function repliesSoon({ id, to }: Frame): boolean {
  return id !== undefined && (to === undefined || to.startsWith('user:'));
}

export function queueFull(max: number): CrosspointError {
  return new CrosspointError('limit_exceeded', `${max} frames wait already`);
}
