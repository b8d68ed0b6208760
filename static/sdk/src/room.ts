import { CrosspointError } from './codes.js';
import { Emitter } from './emitter.js';
import { Entrance } from './entrance.js';
import { frameOf, snapshot, type Frame } from './frame.js';
import type { FaceName, Near } from './near.js';
import { moderated, moderationOf } from './moderation.js';
import type { Keep } from './offline/kept.js';
import type { Ticket } from './offline/lanes.js';
import type { Turnstile } from './offline/turnstile.js';
import type { PublishImpl } from './publish.js';
import type { Call } from './rtc/calls/types.js';
import type { Files } from './rtc/files/types.js';
import type { Peers } from './rtc/types.js';
import { record } from './session/types.js';
import type { Gap, HistoryOptions, JoinOptions, JoinResult, Member, Moderation, Publish, Removed, Room, RoomEvent } from './types.js';

/** What a room needs of its client. */
export interface Wire {
  /** Sends a frame that is answered; resolves with the answer's data, which `done` sees before any later frame is read.
   * `timed`: gives up after the request timeout. `failed` sees as early why there is none. */
  call<T>(frame: Frame, timed: boolean, done?: (data: T) => void, failed?: (error: CrosspointError) => void): Promise<T>;
  publish(frame: Frame, keep: Keep): PublishImpl;
  volatile(frame: Frame): void;
  position(room: string): string | null;
  report(error: unknown): void;
  /** Asks a token function. */
  token(source: () => string | Promise<string>): Promise<string>;
  /** Rejects when the client is closed. */
  sleep(ms: number): Promise<void>;
  /** What is refused as too fast is tried again. */
  patient: boolean;
  /** Where joins wait that were. */
  joins: Turnstile<Ticket>;
  /** What is published to the room waits. */
  block(on: boolean): void;
  removed(removed: Removed): void;
  near(room: RoomImpl): Near;
}

const HAPPENINGS = new Set(['presence', 'gap', 'join', 'removed', 'added', 'moderated']);

interface PresenceData {
  join?: Member[];
  update?: Member[];
  leave?: string[];
}

export class RoomImpl implements Room {
  joined = false;
  removed: Removed | null = null;
  readonly moderation: Moderation;
  readonly members = new Map<string, Member>();
  options: JoinOptions = {};
  private near: Near | null = null;
  private readonly emitter: Emitter<Record<string, any>>;
  private readonly entrance: Entrance;

  constructor(
    readonly name: string,
    private readonly wire: Wire,
  ) {
    this.emitter = new Emitter(wire.report);
    this.entrance = new Entrance(name, wire, (result) => this.entered(result));
    this.moderation = moderationOf(name, (frame) => wire.call(frame, true));
  }

  get position(): string | null {
    return this.wire.position(this.name);
  }

  get call(): Call {
    return this.face('call');
  }

  get files(): Files {
    return this.face('files');
  }

  get peers(): Peers {
    return this.face('peers');
  }

  async join(options?: JoinOptions): Promise<JoinResult> {
    if (options) this.options = { ...this.options, ...options };
    return this.entrance.join(this.options, () => this.left());
  }

  async leave(): Promise<void> {
    this.entrance.cancel();
    await this.wire.call({ type: 'hub:leave', room: this.name }, false, () => this.left());
  }

  publish(type: string, data?: unknown, options: { id?: string; echo?: boolean; keep?: boolean } = {}): Publish {
    const frame: Frame = { type, room: this.name, data: snapshot(data) };
    if (options.id !== undefined) frame.id = options.id;
    if (options.echo === false) frame.echo = false;
    return this.wire.publish(frame, options.keep === false ? 'memory' : 'store');
  }

  volatile(type: string, data?: unknown, key?: string): void {
    this.wire.volatile({ type, room: this.name, data, volatile: key ?? true });
  }

  async history(options: HistoryOptions = {}): Promise<{ events: RoomEvent[]; position: string; complete: boolean }> {
    const { since, before, limit } = options;
    const frame = { type: 'hub:history', room: this.name, data: { since, before, limit } };
    const reply = await this.wire.call<{ events?: unknown[]; position: string; complete: boolean }>(frame, true);
    const events = (reply.events ?? []).map(frameOf).filter((event): event is Frame => event !== null);
    return { ...reply, events: events.map((event) => this.eventOf(event)) };
  }

  async presence(): Promise<Member[]> {
    const reply = await this.wire.call<{ members?: Member[] }>({ type: 'hub:presence', room: this.name }, true);
    return reply.members ?? [];
  }

  async setState(state: object): Promise<void> {
    await this.wire.call({ type: 'hub:state', room: this.name, data: state }, false);
  }

  on(type: string, fn: (value: any) => void): () => void {
    return this.emitter.on(type, fn);
  }

  off(type: string, fn: (value: any) => void): void {
    this.emitter.off(type, fn);
  }

  /** A frame of this room came. */
  take(frame: Frame): void {
    if (frame.type === 'hub:presence') {
      this.changed((frame.data ?? {}) as PresenceData);
    } else if (frame.type === 'hub:peers' || frame.type === 'hub:signal') {
      this.near?.take(frame);
    } else if (frame.type === 'hub:removed') {
      this.expelled(String(record(frame.data)?.reason), CrosspointError.from(frame.data), moderated(frame.data).until);
    } else if (frame.type === 'hub:added') {
      this.entrance.cancel();
      this.entered({ ...(frame.data as JoinResult) });
      this.emitter.emit('added', frame.data);
    } else if (frame.type === 'hub:moderated') {
      this.emitter.emit('moderated', moderated(frame.data));
    } else if (!frame.type.startsWith('hub:')) {
      const event = this.eventOf(frame);
      if (!HAPPENINGS.has(frame.type)) this.emitter.emit(frame.type, event);
      this.emitter.emit('*', event);
    }
  }

  gap(gap: Gap): void {
    this.emitter.emit('gap', gap);
  }

  /** The hub has this session in the room now. */
  entered(result: JoinResult): void {
    this.joined = true;
    this.removed = null;
    if (result.members) this.replace(result.members);
    this.emitter.emit('join', result);
  }

  /** The session is in the room no longer. */
  left(): void {
    this.joined = false;
    this.members.clear();
    this.near?.left();
  }

  /** The session is in the room no longer, and not by its own wish. Returns whether it is on its way back. */
  expelled(reason: string, error: CrosspointError, until?: number): boolean {
    const { token } = this.options;
    const refused = reason === 'refused';
    const renews = typeof token === 'function' && (refused ? error.retry === 'refresh' : reason === 'token');
    const returning = renews || (refused && error.code === 'rate_limited' && this.wire.patient);
    const since = this.position;
    const tell = (error: CrosspointError, returning: boolean) => {
      this.removed = { room: this.name, reason, error, returning, until };
      this.emitter.emit('removed', this.removed);
      this.wire.removed(this.removed);
    };
    this.left();
    if (returning) {
      // A room without history can't say what was missed.
      const missed = () => since === null && this.gap({ room: this.name, reason: 'removed' });
      this.entrance.back(this.options, since, (failure) => failure.code !== 'bye' && tell(failure, false)).then(missed, () => {});
    }
    tell(error, returning);
    return returning;
  }

  private face(name: FaceName): any {
    return (this.near ??= this.wire.near(this)).face(name);
  }

  private replace(members: Member[]): void {
    const now = new Set(members.map(({ user }) => user));
    const join = members.filter(({ user }) => !this.members.has(user));
    const update = members.filter((m) => this.members.has(m.user) && JSON.stringify(m) !== JSON.stringify(this.members.get(m.user)));
    const leave = [...this.members.keys()].filter((user) => !now.has(user));
    this.changed({ join, update, leave });
  }

  private changed({ join = [], update = [], leave = [] }: PresenceData): void {
    if (join.length + update.length + leave.length === 0) return;
    for (const member of [...join, ...update]) this.members.set(member.user, member);
    for (const user of leave) this.members.delete(user);
    this.emitter.emit('presence', { join, update, leave, members: this.members });
  }

  private eventOf(frame: Frame): RoomEvent {
    const { type, data = null, from = {}, id = '', offset, ts = 0 } = frame;
    const event: RoomEvent = { type, data, room: this.name, from, id, ts, volatile: frame.volatile !== undefined };
    if (offset !== undefined) event.offset = offset;
    return event;
  }
}

