import { Acks } from './acks.js';
import type { Carrier, CarrierHost } from './carrier.js';
import { AnyListeners, Emitter, type Args, type DefaultEventsMap, type EventsMap, type Listener, type Names } from './emitter.js';
import type { Manager } from './manager.js';
import { Outbound, type Packet } from './outbound.js';
import { RetryQueue } from './retries.js';
import { RoomCarrier } from './room.js';
import { ServiceCarrier } from './service.js';
import type { Auth, DisconnectDescription, DisconnectReason, SocketOptions } from './types.js';

const RESERVED = new Set(['connect', 'connect_error', 'disconnect', 'disconnecting', 'newListener', 'removeListener']);
/** How long the hub keeps a request waiting (ms): an acknowledgement that comes later is lost. */
const ACK_MS = 60_000;

export interface SocketReservedEvents {
  connect: () => void;
  connect_error: (error: Error & { data?: any; description?: any; context?: any }) => void;
  disconnect: (reason: DisconnectReason, description?: DisconnectDescription) => void;
}

interface Flags {
  volatile?: boolean;
  timeout?: number;
  fromQueue?: boolean;
}

/** A namespace, as socket.io-client has it. */
export class Socket<
  ListenEvents extends EventsMap = DefaultEventsMap,
  EmitEvents extends EventsMap = ListenEvents,
> extends Emitter<ListenEvents, SocketReservedEvents> {
  /** The session; absent while not connected. */
  id: string | undefined;
  connected = false;
  /** The session went on after a loss: nothing was missed. */
  recovered = false;
  auth: Auth | undefined;
  /** Events that were emitted while not connected. */
  sendBuffer: Packet[] = [];
  /** @internal */
  readonly carrier: Carrier;
  /** Whether it connects, or is connected, by itself. */
  active = false;
  private flags: Flags = {};
  private readonly acks = new Acks();
  private readonly incoming = new AnyListeners();
  private readonly outgoing = new AnyListeners();
  private readonly queue: RetryQueue<Flags>;
  private readonly outbound: Outbound;

  constructor(
    readonly io: Manager,
    readonly nsp: string,
    private readonly options: SocketOptions = {},
  ) {
    super();
    this.auth = options.auth;
    const { room, echo = false, service = 'io' } = options;
    this.carrier =
      room === undefined
        ? new ServiceCarrier(io, nsp, service, () => io.opts.query ?? {}, this.host())
        : new RoomCarrier(io, room, echo, this.host());
    const repeat = (args: unknown[], flags: Flags) => {
      this.flags = flags;
      (this.emit as Listener).apply(this, args);
    };
    this.queue = new RetryQueue(options.retries ?? 0, () => this.connected, repeat);
    this.outbound = new Outbound(
      (packet, type, data) => this.transmit(packet, type, data),
      (packet, error) => this.unsent(packet, error),
    );
    if (io.autoConnect) this.connect();
  }

  get disconnected(): boolean {
    return !this.connected;
  }

  connect(): this {
    if (this.connected) return this;
    const again = this.active;
    this.active = true;
    if (!this.io.ensureOpen() && !again) this.sessionOpen(false);
    return this;
  }

  open(): this {
    return this.connect();
  }

  disconnect(): this {
    this.destroy('io client disconnect');
    return this;
  }

  close(): this {
    return this.disconnect();
  }

  send(...args: any[]): this {
    return (this.emit as (...all: any[]) => this).call(this, 'message', ...args);
  }

  emit<E extends Names<EmitEvents>>(event: E, ...args: Args<EmitEvents, E>): this {
    if (RESERVED.has(event)) throw new Error(`"${event}" is a reserved event name`);
    const { flags } = this;
    this.flags = {};
    if (this.options.retries && !flags.fromQueue && !flags.volatile) {
      this.queue.add([event, ...args], { ...flags, fromQueue: true });
      return this;
    }
    const rest: unknown[] = [...args];
    const packet: Packet = { event: String(event), args: rest, volatile: flags.volatile === true };
    if (typeof rest[rest.length - 1] === 'function') {
      packet.timeoutMs = flags.timeout ?? this.options.ackTimeout;
      const fn = rest.pop() as Listener & { withError?: boolean };
      const late = (id: number) => {
        this.sendBuffer = this.sendBuffer.filter(({ ack }) => ack !== id);
      };
      packet.ack = this.acks.add(fn, fn.withError === true, packet.timeoutMs, late);
    }
    if (this.connected) this.push(packet);
    else if (!packet.volatile) this.buffer(packet);
    return this;
  }

  emitWithAck<E extends Names<EmitEvents>>(event: E, ...args: any[]): Promise<any> {
    return new Promise((resolve, reject) => {
      const fn = (error: unknown, answer: unknown) => (error ? reject(error) : resolve(answer));
      fn.withError = true;
      this.emit(event, ...([...args, fn] as any));
    });
  }

  timeout(ms: number): this {
    this.flags.timeout = ms;
    return this;
  }

  /** Dropped where it can't be sent at once, or can't keep up. */
  get volatile(): this {
    this.flags.volatile = true;
    return this;
  }

  /** Means nothing here. */
  compress(_compress: boolean): this {
    return this;
  }

  onAny(listener: Listener): this {
    this.incoming.add(listener);
    return this;
  }

  prependAny(listener: Listener): this {
    this.incoming.add(listener, true);
    return this;
  }

  offAny(listener?: Listener): this {
    this.incoming.remove(listener);
    return this;
  }

  listenersAny(): Listener[] {
    return this.incoming.all();
  }

  onAnyOutgoing(listener: Listener): this {
    this.outgoing.add(listener);
    return this;
  }

  prependAnyOutgoing(listener: Listener): this {
    this.outgoing.add(listener, true);
    return this;
  }

  offAnyOutgoing(listener?: Listener): this {
    this.outgoing.remove(listener);
    return this;
  }

  listenersAnyOutgoing(): Listener[] {
    return this.outgoing.all();
  }

  /** @internal The hub's session is there: a new one, or after a loss the same again. */
  sessionOpen(resumed: boolean): void {
    if (!this.active) return;
    if (resumed && this.carrier.stands) {
      if (!this.connected) this.opened(this.io.hub?.session ?? '', true);
    } else {
      if (this.connected) this.closed('transport close');
      this.failAcks();
      this.carrier.lost();
      this.join();
    }
  }

  /** @internal The link is lost. The session may go on, and what waits for its answer waits on. */
  linkLost(reason: DisconnectReason, description: DisconnectDescription): void {
    if (!this.connected) return;
    this.connected = false;
    this.id = undefined;
    this.tell('disconnect', reason, description);
  }

  /** @internal The session is over. */
  sessionLost(reason: DisconnectReason, description?: DisconnectDescription): void {
    this.carrier.lost();
    if (this.connected) this.closed(reason, description);
    else this.failAcks();
  }

  /** @internal */
  failed(error: Error, final: boolean): void {
    if (!this.active) return;
    if (final) this.active = false;
    if (!this.connected) this.tell('connect_error', error);
  }

  private host(): CarrierHost {
    return {
      opened: (id) => this.opened(id, false),
      refused: (error, final) => {
        if (final) this.destroy('io client disconnect');
        this.tell('connect_error', error);
      },
      event: (args) => {
        this.incoming.tell(this, args);
        this.tell(...(args as [string]));
      },
      dropped: (reason) => this.connected && this.closed(reason as DisconnectReason),
      reopen: () => this.active && this.io.hub?.state === 'connected' && this.join(),
      ended: () => this.destroy('io server disconnect'),
    };
  }

  private join(): void {
    const { auth } = this;
    const { hub: client } = this.io;
    if (typeof auth !== 'function') this.carrier.open(auth);
    else auth((data) => this.active && client === this.io.hub && this.carrier.open(data));
  }

  private opened(id: string, recovered: boolean): void {
    this.id = id;
    this.recovered = recovered;
    this.connected = true;
    for (const packet of this.sendBuffer.splice(0)) this.push(packet);
    this.queue.drain(!recovered);
    this.tell('connect');
  }

  private destroy(reason: DisconnectReason): void {
    const was = this.connected;
    this.active = this.connected = false;
    this.io.left(this.carrier.close());
    if (was) this.closed(reason);
  }

  private closed(reason: DisconnectReason, description?: DisconnectDescription): void {
    this.connected = false;
    this.id = undefined;
    this.tell('disconnect', reason, description);
    this.failAcks();
  }

  private failAcks(): void {
    const buffered = new Set(this.sendBuffer.map(({ ack }) => ack));
    this.acks.failAll(new Error('socket has been disconnected'), (id) => buffered.has(id));
  }

  private push(packet: Packet): void {
    this.outgoing.tell(this, [packet.event, ...packet.args]);
    this.outbound.push(packet);
  }

  private buffer(packet: Packet): void {
    if (this.sendBuffer.length < this.io.queueMax) this.sendBuffer.push(packet);
    else this.unsent(packet, new Error(`${this.io.queueMax} events wait already`));
  }

  private transmit(packet: Packet, type: string, data: unknown): void {
    const { ack, volatile, timeoutMs = ACK_MS } = packet;
    if (!this.carrier.stands) {
      this.unsent(packet, new Error('socket has been disconnected'));
    } else if (ack === undefined) {
      this.carrier.send(type, data, volatile);
    } else {
      const wait = Math.min(timeoutMs, ACK_MS);
      const done = (args: unknown[]) => this.acks.answer(ack, args);
      // Who set no time waits for ever, as in socket.io; who set one is told by the timer.
      const failed = (error: Error & { code?: string }) => error.code !== 'timeout' && this.unsent(packet, error);
      this.carrier.ask(type, data, wait, done, failed);
    }
  }

  private unsent(packet: Packet, error: Error): void {
    if (packet.ack !== undefined) this.acks.fail(packet.ack, error);
    this.io.report(error);
  }
}
