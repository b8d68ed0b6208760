import { Emitter, type DefaultEventsMap } from '../io/emitter.js';
import type { Options } from '../types.js';
import type { BroadcastOperator } from './broadcast.js';
import { Namespace, type NamespaceEvents } from './namespace.js';
import type { Socket } from './socket.js';

export interface ServerOptions extends Options {
  /** The service that serves the top namespace; `/chat` is served as `<service>/chat`. Default `io`. */
  service?: string;
  /** The hub's room for a room of a namespace. Default: the same name at the top, `<namespace>#<room>` elsewhere. */
  roomName?: (namespace: string, room: string) => string;
}

/** What socket.io's Server is to typical applications, as a service of the hub. Its token has to list the services, `io` and `io/*`, and to
 * allow publishing to rooms that were not joined. */
export class Server extends Emitter<DefaultEventsMap> {
  readonly sockets: Namespace;
  /** @internal */
  readonly options: Options;
  /** @internal */
  readonly queueMax: number;
  private readonly namespaces = new Map<string, Namespace>();
  private readonly service: string;
  /** @internal */
  readonly roomName: (namespace: string, room: string) => string;

  constructor(
    /** The hub's address. */
    readonly url: string,
    { service = 'io', roomName, ...options }: ServerOptions = {},
  ) {
    super();
    this.options = options;
    this.queueMax = options.queueMax ?? 65_536;
    this.service = service;
    this.roomName = roomName ?? ((namespace, room) => (namespace === '/' ? room : `${namespace}#${room}`));
    this.sockets = this.of('/');
  }

  get engine(): { clientsCount: number } {
    const sids = [...this.namespaces.values()].flatMap(({ sockets }) => [...sockets.keys()]);
    return { clientsCount: new Set(sids).size };
  }

  /** Resolves once the clients of all namespaces are let in; rejects where the hub doesn't allow it. */
  async ready(): Promise<void> {
    await Promise.all([...this.namespaces.values()].map(({ attached }) => attached));
  }

  of(name: string): Namespace {
    const full = name.startsWith('/') ? name : `/${name}`;
    let namespace = this.namespaces.get(full);
    if (!namespace) {
      namespace = new Namespace(this, full, full === '/' ? this.service : this.service + full);
      this.namespaces.set(full, namespace);
    }
    return namespace;
  }

  /** `connection` is the top namespace's; `error` tells what went wrong between this server and the hub. */
  override on(event: string, listener: (...args: any[]) => void): this {
    return this.listen('on', event, listener);
  }

  override once(event: string, listener: (...args: any[]) => void): this {
    return this.listen('once', event, listener);
  }

  use(fn: Parameters<Namespace['use']>[0]): this {
    this.sockets.use(fn);
    return this;
  }

  emit(event: string, ...args: any[]): boolean {
    return this.sockets.emit(event, ...args);
  }

  send(...args: any[]): this {
    this.sockets.send(...args);
    return this;
  }

  to(room: string | string[]): BroadcastOperator {
    return this.sockets.to(room);
  }

  in(room: string | string[]): BroadcastOperator {
    return this.sockets.in(room);
  }

  except(room: string | string[]): BroadcastOperator {
    return this.sockets.except(room);
  }

  get volatile(): BroadcastOperator {
    return this.sockets.volatile;
  }

  get local(): BroadcastOperator {
    return this.sockets.local;
  }

  timeout(ms: number): BroadcastOperator {
    return this.sockets.timeout(ms);
  }

  fetchSockets(): Promise<Socket[]> {
    return this.sockets.fetchSockets();
  }

  socketsJoin(room: string | string[]): void {
    this.sockets.local.socketsJoin(room);
  }

  socketsLeave(room: string | string[]): void {
    this.sockets.local.socketsLeave(room);
  }

  disconnectSockets(close = false): void {
    this.sockets.local.disconnectSockets(close);
  }

  async close(done?: () => void): Promise<void> {
    for (const namespace of this.namespaces.values()) namespace.close();
    done?.();
  }

  /** @internal */
  report(error: Error): void {
    this.tell('error', error);
  }

  /** @internal Ends a client's sockets in all namespaces, after which it ends its session. */
  disconnect(sid: string): void {
    for (const { sockets } of this.namespaces.values()) sockets.get(sid)?.disconnect();
  }

  private listen(how: 'on' | 'once', event: string, listener: (...args: any[]) => void): this {
    if (event === 'connection' || event === 'connect') this.sockets[how](event, listener as NamespaceEvents['connection']);
    else super[how](event, listener);
    return this;
  }
}
