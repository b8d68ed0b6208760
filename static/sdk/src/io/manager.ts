import type { BackoffOptions } from '../backoff.js';
import { ClientImpl } from '../client.js';
import { CrosspointError } from '../codes.js';
import type { Client, ClientEvents, RoomEvent } from '../types.js';
import { Attempts } from './attempts.js';
import { addressOf } from './address.js';
import { Emitter } from './emitter.js';
import { Engine } from './engine.js';
import { clientOptions } from './options.js';
import { RoomUse } from './rooms.js';
import { ServiceCarrier } from './service.js';
import { Socket } from './socket.js';
import type { DisconnectReason, IoOptions, SocketOptions } from './types.js';

/** Volatile events that may wait side by side; beyond, the newest takes the oldest one's place. */
const VOLATILE_KEYS = 32;

export interface ManagerEvents {
  open: () => void;
  close: (reason: string, description?: unknown) => void;
  error: (error: Error) => void;
  ping: () => void;
  reconnect: (attempt: number) => void;
  reconnect_attempt: (attempt: number) => void;
  reconnect_error: (error: Error) => void;
  reconnect_failed: () => void;
}

/** One session of the hub, shared by the sockets of all namespaces. */
export class Manager extends Emitter<ManagerEvents> {
  /** @internal */
  hub: ClientImpl | null = null;
  engine!: Engine;
  readonly opts: IoOptions;
  readonly autoConnect: boolean;
  readonly queueMax: number;
  /** @internal */
  readonly nsps: Record<string, Socket<any, any>> = {};
  private readonly base: string;
  private readonly rooms = new RoomUse();
  private readonly attempts: Attempts;
  private onOpen: ((error?: Error) => void)[] = [];
  private volatiles = 0;
  private isOpen = false;

  constructor(uri?: string | IoOptions, opts: IoOptions = {}) {
    super();
    this.opts = typeof uri === 'object' ? uri : opts;
    this.base = addressOf(typeof uri === 'object' ? undefined : uri, this.opts.path).base;
    this.autoConnect = this.opts.autoConnect !== false;
    this.queueMax = this.opts.queueMax ?? 16_384;
    this.attempts = new Attempts(this.opts, (event, value) => this.tell(event, value), () => this.disconnect());
    if (this.autoConnect) this.open();
  }

  /** The SDK's client; `null` while nothing is open. */
  get client(): Client | null {
    return this.hub;
  }

  reconnection(): boolean;
  reconnection(value: boolean): this;
  reconnection(value?: boolean): this | boolean {
    if (value === undefined) return this.opts.reconnection !== false;
    this.opts.reconnection = value;
    return this;
  }

  reconnectionAttempts(): number;
  reconnectionAttempts(value: number): this;
  reconnectionAttempts(value?: number): this | number {
    if (value === undefined) return this.opts.reconnectionAttempts ?? Infinity;
    this.opts.reconnectionAttempts = value;
    return this;
  }

  reconnectionDelay(): number;
  reconnectionDelay(value: number): this;
  reconnectionDelay(value?: number): this | number {
    if (value === undefined) return this.opts.reconnectionDelay ?? 200;
    this.opts.reconnectionDelay = value;
    return this;
  }

  reconnectionDelayMax(): number;
  reconnectionDelayMax(value: number): this;
  reconnectionDelayMax(value?: number): this | number {
    if (value === undefined) return this.opts.reconnectionDelayMax ?? 20_000;
    this.opts.reconnectionDelayMax = value;
    return this;
  }

  randomizationFactor(): number;
  randomizationFactor(value: number): this;
  /** Taken and not used, like the option. */
  randomizationFactor(value?: number): this | number {
    if (value === undefined) return this.opts.randomizationFactor ?? 1;
    this.opts.randomizationFactor = value;
    return this;
  }

  timeout(): number;
  timeout(value: number): this;
  timeout(value?: number): this | number {
    if (value === undefined) return this.opts.timeout ?? 10_000;
    this.opts.timeout = value;
    return this;
  }

  open(fn?: (error?: Error) => void): this {
    if (fn && this.isOpen) fn();
    else if (fn) this.onOpen.push(fn);
    if (!this.hub) this.begin();
    return this;
  }

  connect(fn?: (error?: Error) => void): this {
    return this.open(fn);
  }

  socket(nsp: string, opts?: SocketOptions): Socket<any, any> {
    // Rooms without a service are told apart by their names.
    const key = opts?.room === undefined ? nsp : `${nsp} ${opts.room}`;
    const known = this.nsps[key];
    if (!known) return (this.nsps[key] = new Socket(this, nsp, opts));
    if (this.autoConnect && !known.active) known.connect();
    return known;
  }

  /** Ends the session, and with it all sockets' connections. */
  disconnect(): this {
    this.finish('io client disconnect', 'forced close', Promise.resolve());
    return this;
  }

  /** @internal `false`: a session is there already. */
  ensureOpen(): boolean {
    this.open();
    return !this.isOpen;
  }

  /** @internal A socket has left; the session ends with the last one, once the other side has heard. */
  left(told: Promise<void>): void {
    if (!this.sockets().some(({ active }) => active)) this.finish(null, 'forced close', told);
  }

  /** @internal */
  report(error: Error): void {
    this.tell('error', error);
  }

  /** @internal */
  backoff(): BackoffOptions {
    const { reconnectionDelay: min_ms, reconnectionDelayMax: max_ms } = this.opts;
    return { ...(min_ms !== undefined && { min_ms }), ...(max_ms !== undefined && { max_ms }) };
  }

  /** @internal */
  volatileKey(): string {
    return `io${this.volatiles++ % VOLATILE_KEYS}`;
  }

  /** @internal */
  join(room: string, listener: (event: RoomEvent) => void): Promise<void> {
    return this.rooms.join(this.hub!, room, listener);
  }

  /** @internal */
  leave(room: string, listener: (event: RoomEvent) => void): Promise<void> {
    return this.rooms.leave(room, listener);
  }

  private sockets(): Socket<any, any>[] {
    return Object.values(this.nsps);
  }

  private services(): ServiceCarrier[] {
    return this.sockets().flatMap(({ carrier }) => (carrier instanceof ServiceCarrier ? [carrier] : []));
  }

  private begin(): void {
    const auth = this.sockets().find((socket) => socket.auth)?.auth ?? this.opts.auth;
    const options = clientOptions(this.opts, this.backoff(), this.queueMax, auth);
    const client = new ClientImpl(this.base, options);
    this.hub = client;
    this.engine = new Engine(client, options.transports?.includes('websocket') === false ? 'polling' : 'websocket');
    const on = <K extends keyof ClientEvents>(event: K, fn: (value: ClientEvents[K]) => void) =>
      client.on(event, (value) => this.hub === client && fn(value));
    on('session', ({ session, resumed }) => this.welcomed(session, resumed));
    on('state', ({ state, error }) => {
      // Where the hub has ended the session, `closed` follows at once.
      if (state === 'reconnecting') queueMicrotask(() => this.hub === client && this.lost(error));
      else if (state === 'closed') this.ended(error);
    });
    on('error', (error) => client.state !== 'connected' && client.state !== 'closed' && this.failed(error));
    on('transport', ({ transport, cause }) => this.engine.moved(transport, cause === 'up' || cause === 'manual'));
    on('rtt', () => this.tell('ping'));
    on('message', (message) => this.services().forEach((service) => service.message(message)));
    on('ended', ({ session }) => this.services().forEach((service) => service.gone(session)));
    client.onOtherRequest = (frame, answer, refuse) => {
      if (this.services().some((service) => service.request(frame, answer))) return;
      refuse(new CrosspointError('forbidden', `only the service that serves this client may ask it ${frame.type}`));
    };
  }

  private welcomed(session: string, resumed: boolean): void {
    if (!this.isOpen) {
      this.isOpen = true;
      this.engine.opened(session);
      this.tell('open');
      for (const fn of this.onOpen.splice(0)) fn();
      this.attempts.succeeded();
    }
    this.engine.id = session;
    for (const socket of this.sockets()) socket.sessionOpen(resumed);
  }

  private lost(error: CrosspointError | undefined): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    const reason = reasonOf(error);
    const description = { description: error?.message ?? 'the link is lost', context: error };
    this.engine.closed(reason, description);
    for (const socket of this.sockets()) socket.linkLost(reason, description);
    this.tell('close', reason, description);
    if (this.reconnection()) this.attempts.begin();
    else this.finish(reason, reason, Promise.resolve());
  }

  private failed(error: CrosspointError): void {
    this.tell('error', error);
    for (const fn of this.onOpen.splice(0)) fn(error);
    for (const socket of this.sockets()) socket.failed(error, false);
    if (!this.hub) return;
    if (this.reconnection()) this.attempts.failed(error);
    else this.finish(null, 'transport error', Promise.resolve());
  }

  /** The hub has ended the session for good, or doesn't let this client in. */
  private ended(error: CrosspointError | undefined): void {
    const { isOpen } = this;
    const waiting = this.sockets().filter(({ connected }) => !connected);
    this.finish('io server disconnect', 'transport close', Promise.resolve());
    if (!error) return;
    if (!isOpen) this.tell('error', error);
    for (const socket of waiting) socket.failed(error, true);
  }

  private finish(reason: DisconnectReason | null, closed: string, told: Promise<void>): void {
    const { hub: client } = this;
    if (!client) return;
    this.hub = null;
    const was = this.isOpen;
    this.isOpen = false;
    this.attempts.stop();
    this.rooms.clear();
    void told.finally(() => client.close());
    for (const socket of this.sockets()) {
      const { connected } = socket;
      socket.sessionLost(reason ?? 'io client disconnect');
      if (connected) socket.active = false;
    }
    if (!was) return;
    this.engine.closed(closed);
    this.tell('close', closed);
  }
}

function reasonOf(error: CrosspointError | undefined): DisconnectReason {
  if (error?.code === 'heartbeat_timeout') return 'ping timeout';
  if (error?.code === 'bad_frame') return 'parse error';
  return error?.code === 'internal' ? 'transport error' : 'transport close';
}
