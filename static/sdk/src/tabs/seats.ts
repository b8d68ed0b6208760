import { check } from '../check.js';
import { CrosspointError } from '../codes.js';
import type { Core } from '../core.js';
import type { Frame } from '../frame.js';
import type { RoomImpl, Wire } from '../room.js';
import { parsePosition, type Position } from '../session/position.js';
import { record } from '../session/types.js';
import type { JoinResult } from '../types.js';
import { enter, type Ask, type Entered } from './entering.js';
import { Seat, type JoinData } from './seat.js';
import type { Shared } from './shared.js';
import type { ShareOp } from './shares.js';

interface Joining {
  seat: Seat;
  done: (result: JoinResult) => void;
  resolve(result: JoinResult): void;
  reject(error: unknown): void;
  /** Where the tab had been; it is coming back. */
  at: Position | null;
  back: boolean;
  /** It waits for a join that another tab, or the leader, has sent. */
  waits: boolean;
  /** The session was in already: the hub won't answer this join. */
  virtual: boolean;
}

export interface SeatHooks {
  core(): Core;
  shared: Shared;
  room(name: string): RoomImpl | undefined;
  /** It is this tab's own, and was published without echo. */
  isMuted(frame: Frame): boolean;
  /** Hands a frame to the application. */
  take(frame: Frame): void;
}

/** The rooms that this tab is in, of those that the session is in. */
export class Seats {
  private readonly seats = new Map<string, Seat>();
  private readonly joinings = new Map<string, Joining>();
  /** How far the tab had come in rooms that the session was taken out of. */
  private readonly removed = new Map<string, string>();

  constructor(private readonly hooks: SeatHooks) {}

  wire(room: string, wire: Wire): Wire {
    return {
      ...wire,
      call: <T>(frame: Frame, timed: boolean, done: (data: T) => void = () => {}, failed?: (error: CrosspointError) => void) => {
        if (frame.type === 'hub:join') return this.join(frame, done as (result: JoinResult) => void) as Promise<T>;
        if (frame.type === 'hub:leave') return this.leave(frame, done as (data: unknown) => void) as Promise<T>;
        return wire.call<T>(frame, timed, done, failed);
      },
      position: () => this.seats.get(room)?.text ?? this.removed.get(room) ?? null,
    };
  }

  /** Whether this tab's application is to see a frame of a room. */
  takes(frame: Frame): boolean {
    if (frame.type === 'hub:added') this.added(frame);
    else if (frame.type === 'hub:removed' && this.seats.has(frame.room!)) return this.rejoinFailed(frame.room!);
    return this.seats.get(frame.room!)?.takes(frame) === true && !this.hooks.isMuted(frame);
  }

  has(room: string): boolean {
    return this.seats.has(room);
  }

  /** The session joined a room again, and this is the reply; `null` where the tab isn't in. */
  rejoined(room: string, { members, ...result }: JoinResult): JoinResult | null {
    const seat = this.seats.get(room);
    if (!seat?.isIn) return null;
    return seat.data.presence && members ? { ...result, members } : result;
  }

  shared(op: ShareOp): void {
    const { core, shared } = this.hooks;
    if (op.op === 'enter' && op.tab === shared.me) {
      const joining = this.joinings.get(op.id);
      if (!joining) return;
      this.sit(op.room, joining.seat);
      if (!core().pending.has(op.id)) return;
      const { joining: by = null } = shared.shares.table.rooms.get(op.room) ?? {};
      if (by === op.id) return;
      joining.waits = by !== null;
      if (!joining.waits) this.enter(joining, null);
    } else if (op.op === 'exit' && op.tab === shared.me) {
      this.seats.delete(op.room);
    }
  }

  /** A join of the session was answered. */
  joinAnswered(room: string, id: string, good: boolean): void {
    for (const joining of [...this.joinings.values()]) {
      if (joining.seat.room !== room || !joining.waits) continue;
      joining.waits = false;
      if (good) this.enter(joining, null);
      else this.ask(joining);
    }
    const seat = this.seats.get(room);
    // Somebody else's attempt to be in with more took the session out.
    if (!good && seat?.isIn && seat.id !== id) this.comeBack(seat);
  }

  /** The session is out of the room. */
  rejoinFailed(room: string): true {
    const at = this.seats.get(room)?.text ?? null;
    if (at !== null) this.removed.set(room, at);
    this.seats.delete(room);
    return true;
  }

  /** A backend put the session into a room: all tabs are there. */
  private added({ room, data }: Frame): void {
    const { position, members } = record(data) ?? {};
    const seat = new Seat(room!, '', { ...this.seats.get(room!)?.data, ...(members !== undefined && { presence: true }) });
    seat.open(parsePosition(position));
    this.sit(room!, seat);
  }

  private sit(room: string, seat: Seat): void {
    this.removed.delete(room);
    this.seats.set(room, seat);
  }

  /** The tab had missed what the others saw: it goes on where it was, as far as history allows. */
  returned(): void {
    for (const seat of [...this.seats.values()]) if (seat.isIn) this.comeBack(seat);
  }

  private join(frame: Frame, done: (result: JoinResult) => void): Promise<JoinResult> {
    const { core } = this.hooks;
    return new Promise((resolve, reject) => {
      if (core().state === 'closed') throw new CrosspointError('bye', 'the client is closed');
      check(frame, Infinity);
      const data = JSON.parse(JSON.stringify(frame.data ?? {})) as JoinData;
      const seat = new Seat(frame.room!, core().nextId(), data);
      this.ask({ seat, done, resolve, reject, at: null, back: false, waits: false, virtual: false });
    });
  }

  private comeBack(old: Seat): void {
    const { core, room } = this.hooks;
    const { since: _, history: __, ...data } = old.data;
    const seat = new Seat(old.room, core().nextId(), data);
    this.seats.set(old.room, seat);
    const failed = (error: unknown) => {
      room(old.room)?.left();
      core().report(error);
    };
    const done = (result: JoinResult) => room(old.room)?.entered(result);
    this.ask({ seat, done, resolve: () => {}, reject: failed, at: old.position, back: true, waits: false, virtual: false });
  }

  private ask(joining: Joining): void {
    const { core, shared } = this.hooks;
    const { seat } = joining;
    const { id, room, data } = seat;
    this.joinings.set(id, joining);
    if (!core().pending.has(id)) {
      core()
        .pending.add<JoinResult>(id, { done: (result) => joining.virtual || this.enter(joining, result) })
        .catch((error) => this.fail(joining, error));
    }
    const op: ShareOp = { op: 'enter', tab: shared.me, room, id, presence: data.presence === true };
    if (data.state !== undefined) op.state = data.state;
    if (data.token !== undefined) op.token = data.token;
    shared.want(op);
  }

  /** The session is in the room. `joined`: the hub's answer, where this tab's join put it there. */
  private enter(joining: Joining, joined: JoinResult | null): void {
    const { core, shared } = this.hooks;
    const { seat, at } = joining;
    const { id } = seat;
    const ask: Ask = (frame, done) =>
      core().call(frame, { timeoutMs: frame.type === 'hub:state' ? undefined : core().requestTimeoutMs, done });
    if (!joined) {
      joining.virtual = true;
      core().pending.settle({ type: 'hub:reply', id, data: {} });
    }
    enter(seat, joined, at, ask, (entered) => this.entered(joining, entered)).catch((error) => {
      if (this.seats.get(seat.room) === seat) shared.want({ op: 'exit', tab: shared.me, room: seat.room, id: core().nextId() });
      this.fail(joining, error);
    });
  }

  private entered(joining: Joining, { result, position, past }: Entered): void {
    const { seat, done, back } = joining;
    this.joinings.delete(seat.id);
    // The room was left, or joined anew.
    if (this.seats.get(seat.room) !== seat) return joining.resolve(result);
    const frames = [...past, ...seat.open(position)];
    if (back && !position) frames.unshift({ type: 'hub:gap', room: seat.room, data: { reason: 'tab_away' } });
    done(result);
    for (const frame of frames) if (this.takes(frame)) this.hooks.take(frame);
    this.hooks.core().outbox.rejoined(seat.room);
    joining.resolve(result);
  }

  private fail(joining: Joining, error: unknown): void {
    const { seat } = joining;
    if (!this.joinings.delete(seat.id)) return;
    if (this.seats.get(seat.room) === seat) this.seats.delete(seat.room);
    joining.reject(error);
  }

  private leave(frame: Frame, done: (data: unknown) => void): Promise<unknown> {
    const { core, shared } = this.hooks;
    const room = frame.room!;
    if (core().state === 'closed') return Promise.reject(new CrosspointError('bye', 'the client is closed'));
    if (!this.seats.has(room)) return Promise.reject(new CrosspointError('not_joined'));
    const id = core().nextId();
    const left = core().pending.add(id, { done });
    shared.want({ op: 'exit', tab: shared.me, room, id });
    // A leader that crashed may have had it done.
    return left.catch((error: CrosspointError) => (error.code === 'not_joined' ? done({}) : Promise.reject(error)));
  }
}
