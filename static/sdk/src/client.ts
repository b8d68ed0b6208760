import type { BulkFrame, BulkHooks, Delivered } from './bulk/bulk.js';
import { BulkDoor } from './bulk/door.js';
import { checkType, asError } from './check.js';
import { systemClock, type Clock } from './clock.js';
import { CrosspointError } from './codes.js';
import { Core, closed, type CoreHooks } from './core.js';
import { makeLink, type LinkMaker } from './driver.js';
import { snapshot, type Frame, type Sender } from './frame.js';
import type { TransportName } from './links/link.js';
import type { Keep } from './offline/kept.js';
import { Near } from './near.js';
import { queueOf, statusOf } from './offline/queue.js';
import type { CallOptions } from './pending.js';
import { PublishImpl } from './publish.js';
import { Requests } from './requests.js';
import { RoomImpl, type Wire } from './room.js';
import { CallsDoor } from './rtc/calls/door.js';
import { record } from './session/types.js';
import type { Tie } from './tabs/tie.js';
import type {
  Client,
  ClientEvents,
  Counters,
  Gap,
  JoinOptions,
  JoinResult,
  Message,
  Options,
  PerformanceMetrics,
  PublishResult,
  Queue,
  State,
} from './types.js';

export class ClientImpl implements Client {
  readonly debug = { killLink: () => this.core.cut(new CrosspointError('unavailable', 'the link was cut')) };
  readonly queue: Queue;
  protected readonly core: Core;
  protected readonly bulk: BulkDoor;
  protected readonly rooms = new Map<string, RoomImpl>();
  protected readonly requests: Requests;
  private door: CallsDoor | null = null;

  constructor(url: string, options: Options, clock: Clock = systemClock, maker: LinkMaker = makeLink, tie: Tie | null = null) {
    this.core = new Core(url, options, this.hooks(), clock, maker, tie);
    this.bulk = new BulkDoor(this.core, this.bulkHooks());
    this.requests = new Requests((frame) => this.core.fire(frame));
    this.queue = queueOf(this.core.outbox, this.core.pending);
  }

  protected hooks(): CoreHooks {
    return {
      frame: (frame) => this.take(frame),
      renewed: () => this.rooms.forEach((room) => (room.joined = false)),
      rejoined: (name, data) => this.rooms.get(name)?.entered({ ...(data as JoinResult) }),
      rejoinFailed: (name, error) => {
        if (!this.rooms.get(name)?.expelled('refused', error)) this.core.emitter.emit('error', error);
      },
      lostFrames: (lost) => this.gap({ reason: 'session_lost', lost }),
    };
  }

  protected bulkHooks(): BulkHooks {
    return { came: (_, message) => message && this.take(message), known: () => null };
  }

  get state(): State {
    return this.core.state;
  }

  get transport(): TransportName | null {
    return this.core.transport;
  }

  get offered(): readonly TransportName[] {
    return this.core.offered;
  }

  get session(): string | null {
    return this.core.session;
  }

  get user(): string | null {
    return this.core.user;
  }

  get rtt(): number | null {
    return this.core.rtt;
  }

  get counters(): Counters {
    return this.core.counters;
  }

  ready(): Promise<void> {
    return this.core.ready;
  }

  on<K extends keyof ClientEvents>(event: K, fn: (value: ClientEvents[K]) => void): () => void {
    return this.core.emitter.on(event, fn);
  }

  once<K extends keyof ClientEvents>(event: K, fn: (value: ClientEvents[K]) => void): () => void {
    return this.core.emitter.once(event, fn);
  }

  off<K extends keyof ClientEvents>(event: K, fn: (value: ClientEvents[K]) => void): void {
    this.core.emitter.off(event, fn);
  }

  room(name: string, options?: JoinOptions): RoomImpl {
    let room = this.rooms.get(name);
    if (!room) {
      const { core } = this;
      room = new RoomImpl(name, this.wire(name, {
        call: (frame, timed, done, failed) => core.call(frame, { timeoutMs: timed ? core.requestTimeoutMs : undefined, done, failed }),
        publish: (frame, keep) => this.publish(frame, keep),
        volatile: (frame) => this.fire(frame),
        position: () => core.driver.machine.position(name),
        report: (error) => core.report(error),
        token: (source) => core.tokens.ask(source),
        sleep: (ms) => core.sleep(ms),
        joins: core.outbox.lanes.joins,
        patient: core.options.rateLimited !== 'fail',
        block: (on) => core.outbox.lanes.block(name, on),
        removed: (removed) => core.emitter.emit('removed', removed),
        near: (room) => new Near(core, room, () => this.calls, { send: (frame, signal) => this.carryBulk(frame, signal), bytesMax: () => this.bulkBytesMax }),
      }));
      this.rooms.set(name, room);
    }
    if (options) room.options = options;
    return room;
  }

  get calls(): CallsDoor {
    return (this.door ??= new CallsDoor(this.core, this));
  }

  protected wire(_room: string, wire: Wire): Wire {
    return wire;
  }

  send(to: string, type: string, data?: unknown, options: { volatile?: boolean | string } = {}): void {
    const frame: Frame = { type, to, data: snapshot(data) };
    if (options.volatile) frame.volatile = options.volatile;
    this.fire(frame);
  }

  async sendToUser(user: string, type: string, data?: unknown, options: { id?: string } = {}): Promise<{ delivered: number }> {
    checkType(type);
    const id = options.id ?? this.core.nextId();
    return this.core.call({ type, to: `user:${user}`, data: snapshot(data), id }, { keep: 'store', onStatus: statusOf(this.core.emitter, id) });
  }

  async request<T = any>(to: string, type: string, data?: unknown, options: { timeoutMs?: number } = {}): Promise<T> {
    checkType(type);
    const frame: Frame = { type, to, data: snapshot(data) };
    if (options.timeoutMs !== undefined) frame.timeout_ms = options.timeoutMs;
    return this.core.call(frame, { timeoutMs: options.timeoutMs ?? this.core.requestTimeoutMs });
  }

  get bulkBytesMax(): number {
    return this.bulk.bytesMax;
  }

  async sendBulk(to: string, type: string, data?: unknown, options: { signal?: AbortSignal; id?: string } = {}): Promise<Delivered> {
    checkType(type);
    return this.carryBulk({ type, to, data: snapshot(data), id: options.id ?? this.core.nextId() }, options.signal);
  }

  protected carryBulk(frame: BulkFrame, signal?: AbortSignal): Promise<Delivered> {
    return this.bulk.send(frame, signal);
  }

  onRequest(type: string, handler: (data: any, context: { from: Sender }) => unknown): () => void {
    return this.requests.on(type, handler);
  }

  /** Takes the requests of all types that have no handler. */
  set onOtherRequest(fn: NonNullable<Requests['rest']>) {
    this.requests.rest = fn;
  }

  async attach(service: string): Promise<void> {
    await this.core.call({ type: 'hub:attach', data: { service } });
  }

  async detach(service: string): Promise<void> {
    await this.core.call({ type: 'hub:detach', data: { service } });
  }

  async watch(session: string): Promise<void> {
    await this.core.call({ type: 'hub:watch', data: { session } });
  }

  async unwatch(session: string): Promise<void> {
    await this.core.call({ type: 'hub:unwatch', data: { session } });
  }

  /** Sends a frame and resolves with its reply's data, which `done` sees before any later frame is read. */
  ask<T>(frame: Frame, options: CallOptions): Promise<T> {
    return this.core.call(frame, options);
  }

  async moveTo(transport: TransportName): Promise<void> {
    if (this.state === 'closed') throw closed();
    await this.core.moves.moveTo(transport);
  }

  allow(transports: string[]): void {
    this.core.allow(transports);
  }

  getPerformanceMetrics(): PerformanceMetrics {
    const { counters, transport, rtt, connectMs, pending, metrics } = this.core;
    const { firstMs: firstMessageMs, movesUp, movesDown } = metrics;
    const [latency, transports] = [metrics.latency(), metrics.byTransport()];
    return { ...counters, transport, rtt, connectMs, firstMessageMs, latency, movesUp, movesDown, transports, waiting: pending.size };
  }

  async refresh(token: string): Promise<void> {
    const { core } = this;
    core.tokens.set(token);
    await core.call({ type: 'hub:refresh', data: { token } }, { timeoutMs: core.requestTimeoutMs });
    core.renewal.done();
  }

  close(): void {
    this.core.close();
  }

  /** Sends a frame of the application that has no reply. */
  fire(frame: Frame): void {
    checkType(frame.type);
    this.core.fire(frame);
  }

  private publish(frame: Frame, keep: Keep): PublishImpl {
    const { core } = this;
    const id = (frame.id ??= core.nextId());
    const publish = new PublishImpl(id, (error) => core.report(error));
    const tell = statusOf(core.emitter, id);
    const onStatus: PublishImpl['changed'] = (status, error) => {
      publish.changed(status, error);
      tell(status, error);
    };
    try {
      checkType(frame.type);
      publish.follow(core.call<PublishResult>(frame, { keep, onStatus }));
    } catch (error) {
      onStatus('failed', asError(error));
      publish.follow(Promise.reject(error));
    }
    return publish;
  }

  protected take(frame: Frame): void {
    const { room } = frame;
    if (frame.type === 'hub:gap') {
      const { reason, position } = record(frame.data) ?? {};
      const gap: Gap = { reason: String(reason ?? 'unknown') };
      if (room !== undefined) gap.room = room;
      if (typeof position === 'string') gap.position = position;
      this.gap(gap);
    } else if (frame.type === 'hub:ended') {
      const { session, user, code } = record(frame.data) ?? {};
      this.core.emitter.emit('ended', { session: String(session), user: String(user), code: String(code) });
    } else if (frame.type === 'hub:token_expiring') {
      const expiresInMs = Number(record(frame.data)?.expires_in_ms) || 0;
      this.core.renewal.expiring(expiresInMs);
      this.core.emitter.emit('token_expiring', { expiresInMs });
    } else if (room !== undefined) {
      const added = frame.type === 'hub:added';
      (added ? this.room(room) : this.rooms.get(room))?.take(frame);
      if (added) this.core.emitter.emit('added', { room });
    } else if (frame.type === 'hub:bulk') {
      this.bulk.wake();
    } else if (frame.request !== undefined) {
      void this.requests.take(frame).catch((error) => this.core.report(error));
    } else if (!frame.type.startsWith('hub:')) {
      const { type, data = null, from = {}, id, ts } = frame;
      const message: Message = { type, data, from, volatile: frame.volatile !== undefined, bulk: frame.bulk === true };
      if (id !== undefined) message.id = id;
      if (ts !== undefined) message.ts = ts;
      this.core.emitter.emit('message', message);
    }
  }

  protected gap(gap: Gap): void {
    this.core.counters.gaps += 1;
    this.core.emitter.emit('gap', gap);
    if (gap.room !== undefined) this.rooms.get(gap.room)?.gap(gap);
  }
}
