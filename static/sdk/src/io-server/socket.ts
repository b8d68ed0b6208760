import { Acks } from '../io/acks.js';
import { pack, typeOf, unpack, whenPacked, type Meta } from '../io/codec.js';
import { AnyListeners, Emitter, call, type DefaultEventsMap, type Listener } from '../io/emitter.js';
import { Outbound, type Packet } from '../io/outbound.js';
import { BroadcastOperator, NOBODY, namesOf } from './broadcast.js';
import type { Namespace } from './namespace.js';

const RESERVED = new Set(['connect', 'connect_error', 'disconnect', 'disconnecting', 'newListener', 'removeListener']);
/** How long the hub keeps a request waiting (ms). */
const ACK_MS = 60_000;

/** What is known of a client when it comes. There are no headers: the client's connection is the hub's. */
export interface Handshake {
  auth: Record<string, any>;
  query: Record<string, any>;
  /** Who the hub says it is. */
  user: string;
  headers: Record<string, string>;
  time: string;
  issued: number;
  url: string;
  address: string;
  secure: boolean;
  xdomain: boolean;
}

export interface ServerSocketEvents {
  disconnect: (reason: string) => void;
  disconnecting: (reason: string) => void;
  error: (error: Error) => void;
}

type Middleware = (event: any[], next: (error?: Error) => void) => void;

/** A client in a namespace. It stays while the session does, however often its link is lost. */
export class Socket extends Emitter<DefaultEventsMap, ServerSocketEvents> {
  connected = true;
  /** The application's own. */
  data: any = {};
  /** Always `false`: who comes back in the same session never was away. */
  readonly recovered = false;
  private readonly acks = new Acks();
  private readonly incoming = new AnyListeners();
  private readonly outgoing = new AnyListeners();
  private middlewares: Middleware[] = [];
  private flags: { volatile?: boolean; timeout?: number } = {};
  private readonly outbound: Outbound;
  /** What came before the application knew of this socket. */
  private early: (() => void)[] | null = [];

  constructor(
    readonly nsp: Namespace,
    /** The session. */
    readonly id: string,
    readonly handshake: Handshake,
  ) {
    super();
    const failed = (packet: Packet, error: Error) => {
      if (packet.ack !== undefined) this.acks.fail(packet.ack, error);
      nsp.server.report(error);
    };
    this.outbound = new Outbound((packet, type, data) => this.transmit(packet, type, data), failed);
  }

  get disconnected(): boolean {
    return !this.connected;
  }

  /** The rooms it is in, its own among them. */
  get rooms(): Set<string> {
    return new Set(this.connected ? [this.id, ...(this.nsp.adapter.sids.get(this.id) ?? [])] : []);
  }

  emit(event: string, ...args: any[]): boolean {
    if (RESERVED.has(event)) throw new Error(`"${event}" is a reserved event name`);
    const { volatile = false, timeout } = this.flags;
    this.flags = {};
    const packet: Packet = { event, args, volatile, timeoutMs: timeout };
    if (typeof args[args.length - 1] === 'function') {
      const fn = args.pop() as Listener & { withError?: boolean };
      packet.ack = this.acks.add(fn, fn.withError === true, timeout, () => {});
    }
    if (!this.connected) return true;
    this.outgoing.tell(this, [event, ...args]);
    this.outbound.push(packet);
    return true;
  }

  emitWithAck(event: string, ...args: any[]): Promise<any> {
    return new Promise((resolve, reject) => {
      const fn = (error: unknown, answer: unknown) => (error ? reject(error) : resolve(answer));
      fn.withError = true;
      this.emit(event, ...args, fn);
    });
  }

  send(...args: any[]): this {
    this.emit('message', ...args);
    return this;
  }

  write(...args: any[]): this {
    return this.send(...args);
  }

  timeout(ms: number): this {
    this.flags.timeout = ms;
    return this;
  }

  get volatile(): this {
    this.flags.volatile = true;
    return this;
  }

  compress(_compress: boolean): this {
    return this;
  }

  to(room: string | string[]): BroadcastOperator {
    return this.others().to(room);
  }

  in(room: string | string[]): BroadcastOperator {
    return this.to(room);
  }

  except(room: string | string[]): BroadcastOperator {
    return this.others().except(room);
  }

  get broadcast(): BroadcastOperator {
    return this.others();
  }

  get local(): BroadcastOperator {
    return this.others();
  }

  /** It is in the room at once for this server; resolves when the hub has it there, too. */
  async join(room: string | string[]): Promise<void> {
    if (this.connected) await this.nsp.join(this.id, namesOf(room).filter((name) => name !== NOBODY));
  }

  async leave(room: string): Promise<void> {
    this.nsp.leave(this.id, String(room));
  }

  /** `close`: ends its whole session, all namespaces of it. */
  disconnect(close = false): this {
    if (!this.connected) return this;
    if (close) {
      this.nsp.server.disconnect(this.id);
    } else {
      this.nsp.sendTo(this.id, 'io:disconnect', null, false);
      this.gone('server namespace disconnect');
    }
    return this;
  }

  use(fn: Middleware): this {
    this.middlewares = [...this.middlewares, fn];
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

  offAnyOutgoing(listener?: Listener): this {
    this.outgoing.remove(listener);
    return this;
  }

  /** @internal The application knows of it now. */
  begin(): void {
    const early = this.early ?? [];
    this.early = null;
    for (const take of early) take();
  }

  /** @internal An event came; `answer` takes its acknowledgement. */
  take(type: string, data: unknown, answer?: (data: unknown) => void): void {
    if (this.early) {
      this.early.push(() => this.take(type, data, answer));
      return;
    }
    const { args, meta } = unpack(data);
    const event = [meta.ev ?? type, ...args];
    if (answer) event.push((...answers: unknown[]) => answer(pack(answers)));
    this.through(event, 0);
  }

  /** @internal A copy of what goes to a room, for who isn't in the hub's. */
  copy(event: string, args: unknown[], volatile: boolean, meta: Meta): void {
    const { type, ...name } = typeOf(event);
    const data = pack(args, { ...name, ...meta });
    whenPacked(data, (packed) => this.nsp.sendTo(this.id, type, packed, volatile));
  }

  /** @internal It is over. */
  gone(reason: string): void {
    if (!this.connected) return;
    this.tell('disconnecting', reason);
    this.connected = false;
    this.nsp.forget(this);
    this.acks.failAll(new Error('socket has been disconnected'), () => false);
    this.tell('disconnect', reason);
  }

  private through(event: unknown[], at: number): void {
    const middleware = this.middlewares[at];
    if (middleware) {
      call(middleware, this, [event, (error?: Error) => (error ? this.tell('error', error) : this.through(event, at + 1))]);
    } else if (this.connected) {
      this.incoming.tell(this, event);
      this.tell(...(event as [string]));
    }
  }

  private others(): BroadcastOperator {
    const { volatile = false, timeout } = this.flags;
    this.flags = {};
    const except = new Set([this.id]);
    return new BroadcastOperator(this.nsp, { rooms: new Set(), except, volatile, timeoutMs: timeout, self: this });
  }

  private transmit({ ack, volatile, timeoutMs = ACK_MS }: Packet, type: string, data: unknown): void {
    if (ack === undefined) {
      this.nsp.sendTo(this.id, type, data, volatile);
      return;
    }
    const wait = Math.min(timeoutMs, ACK_MS);
    const done = (answer: unknown) => this.acks.answer(ack, unpack(answer).args);
    this.nsp.hub
      .ask({ type, to: `session:${this.id}`, data, timeout_ms: wait }, { timeoutMs: wait, done })
      .catch((error: Error & { code?: string }) => error.code !== 'timeout' && this.acks.fail(ack, error));
  }
}
