import { Backoff } from '../backoff.js';
import { ClientImpl } from '../client.js';
import { CrosspointError } from '../codes.js';
import type { Frame } from '../frame.js';
import { pack, typeOf, whenPacked, type Meta } from '../io/codec.js';
import { Emitter, call, type DefaultEventsMap } from '../io/emitter.js';
import type { Client, Message } from '../types.js';
import { BroadcastOperator, NOBODY, type Target } from './broadcast.js';
import { Rooms } from './rooms.js';
import type { Server } from './server.js';
import { Socket, type Handshake } from './socket.js';

/** Sessions left out of an event are named in it, up to so many; beyond, it is sent one by one. */
const EXCEPT_MAX = 16;
const VOLATILE_KEYS = 1_024;
const EVERYBODY = '';

export interface NamespaceEvents {
  connection: (socket: Socket) => void;
  connect: (socket: Socket) => void;
}

/** What a client says of itself. */
interface Introduction {
  auth?: any;
  query?: any;
}

type Middleware = (socket: Socket, next: (error?: Error & { data?: unknown }) => void) => void;

/** A namespace: one session of the hub that serves its clients. */
export class Namespace extends Emitter<DefaultEventsMap, NamespaceEvents> {
  readonly sockets = new Map<string, Socket>();
  readonly adapter = new Rooms();
  /** @internal */
  readonly hub: ClientImpl;
  /** Resolves once clients are let in. */
  readonly attached: Promise<void>;
  private readonly backoff = new Backoff();
  private middlewares: Middleware[] = [];
  private volatiles = 0;
  private ids = 0;
  private settle!: (error?: Error) => void;

  constructor(
    readonly server: Server,
    readonly name: string,
    private readonly service: string,
  ) {
    super();
    this.attached = new Promise((resolve, reject) => {
      this.settle = (error) => (error ? reject(error) : resolve());
    });
    this.attached.catch(() => {});
    const client = (this.hub = new ClientImpl(server.url, { ...server.options, queueMax: server.queueMax }));
    client.on('session', ({ resumed }) => {
      if (resumed) return;
      this.dropAll('transport close');
      void this.attach();
    });
    client.on('state', ({ state, error }) => {
      if (state !== 'closed') return;
      this.dropAll('transport close');
      this.settle(error ?? new CrosspointError('bye'));
      if (error) server.report(error);
    });
    client.on('ended', ({ session }) => this.sockets.get(session)?.gone('transport close'));
    client.on('message', (message) => this.message(message));
    client.onOtherRequest = (frame, answer, refuse) => this.request(frame, answer, refuse);
  }

  /** The SDK's client. */
  get client(): Client {
    return this.hub;
  }

  use(fn: Middleware): this {
    this.middlewares = [...this.middlewares, fn];
    return this;
  }

  to(room: string | string[]): BroadcastOperator {
    return this.all().to(room);
  }

  in(room: string | string[]): BroadcastOperator {
    return this.to(room);
  }

  except(room: string | string[]): BroadcastOperator {
    return this.all().except(room);
  }

  get volatile(): BroadcastOperator {
    return this.all().volatile;
  }

  get local(): BroadcastOperator {
    return this.all();
  }

  timeout(ms: number): BroadcastOperator {
    return this.all().timeout(ms);
  }

  emit(event: string, ...args: any[]): boolean {
    return this.all().emit(event, ...args);
  }

  send(...args: any[]): this {
    this.emit('message', ...args);
    return this;
  }

  fetchSockets(): Promise<Socket[]> {
    return this.all().fetchSockets();
  }

  /** @internal The sockets a target means. */
  chosen({ rooms, except }: Target): Socket[] {
    const left = this.leftOut(except);
    const inRooms = (sid: string) => rooms.size === 0 || [...rooms].some((room) => room === sid || this.adapter.has(sid, room));
    return [...this.sockets.values()].filter(({ id }) => !left.has(id) && inRooms(id));
  }

  /** @internal */
  broadcast(target: Target, event: string, args: unknown[]): void {
    const { rooms, except, volatile, self } = target;
    const left = this.leftOut(except);
    const groups = rooms.size === 0 ? [EVERYBODY] : [...rooms].filter((room) => room !== NOBODY && !this.sockets.has(room));
    const alone = new Set([...rooms].filter((room) => this.sockets.has(room) && !left.has(room)));
    // Whose broadcast it is, is left out by the hub itself; others leave themselves out.
    const own = self !== undefined && left.delete(self.id) && self.connected;
    const meta: Meta = left.size > 0 ? { except: [...left] } : {};
    if (left.size > EXCEPT_MAX) {
      for (const socket of this.chosen(target)) socket.copy(event, args, volatile, {});
      return;
    }
    const loose = new Set(groups.flatMap((room) => [...this.adapter.looseIn(room)]));
    for (const sid of loose) if (!left.has(sid) && !(own && sid === self.id)) alone.add(sid);
    const named = alone.size > 0 || groups.length > 1 ? `io.${this.hub.session}.${(this.ids++).toString(36)}` : undefined;
    groups.forEach((room, n) => {
      const frame: Partial<Frame> = { room: this.hubRoom(room) };
      if (own) Object.assign(frame, { from: { session: self.id }, echo: false });
      if (named) frame.id = `${named}~${n}`;
      this.publish(frame, event, args, volatile, meta);
    });
    for (const sid of alone) this.sockets.get(sid)?.copy(event, args, volatile, named ? { id: named } : {});
  }

  /** @internal */
  sendTo(sid: string, type: string, data: unknown, volatile: boolean): void {
    this.fire({ type, to: `session:${sid}`, data }, volatile);
  }

  /** @internal */
  async join(sid: string, rooms: string[]): Promise<void> {
    const added = rooms.filter((room) => this.adapter.add(sid, room));
    if (added.length === 0) return;
    // Until the client is in the hub's room, and for good if it may not, it gets the room's events by itself.
    for (const room of added) this.adapter.loosen(sid, room);
    const data = { rooms: added.map((room) => this.hubRoom(room)) };
    try {
      const { rooms: entered } = await this.hub.request<{ rooms: string[] }>(`session:${sid}`, 'io:join', data);
      for (const room of added) if (entered.includes(this.hubRoom(room))) this.adapter.tighten(sid, room);
    } catch (error) {
      if (!this.sockets.has(sid)) return;
      this.server.report(error as Error);
    }
  }

  /** @internal */
  leave(sid: string, room: string): void {
    if (this.adapter.remove(sid, room)) this.sendTo(sid, 'io:leave', { rooms: [this.hubRoom(room)] }, false);
  }

  /** @internal */
  forget({ id }: Socket): void {
    this.sockets.delete(id);
    this.adapter.removeAll(id);
    this.hub.unwatch(id).catch(() => {});
  }

  /** @internal */
  close(): void {
    this.dropAll('server shutting down');
    this.hub.close();
  }

  private all(): BroadcastOperator {
    const none = new Set<string>();
    return new BroadcastOperator(this, { rooms: none, except: none, volatile: false, timeoutMs: undefined, self: undefined });
  }

  private hubRoom(room: string): string {
    return room === EVERYBODY ? `io:${this.name}` : this.server.roomName(this.name, room);
  }

  private leftOut(except: ReadonlySet<string>): Set<string> {
    return new Set([...except].flatMap((name) => [...(this.adapter.rooms.get(name) ?? [name])]));
  }

  private publish(frame: Partial<Frame>, event: string, args: unknown[], volatile: boolean, meta: Meta): void {
    const { type, ...name } = typeOf(event);
    const data = pack(args, { ...name, ...meta });
    whenPacked(data, (packed) => this.fire({ ...frame, type, data: packed }, volatile));
  }

  private fire(frame: Frame, volatile: boolean): void {
    try {
      if (volatile) this.hub.fire({ ...frame, volatile: `io${this.volatiles++ % VOLATILE_KEYS}` });
      else if (frame.id === undefined) this.hub.fire(frame);
      else this.hub.ask(frame, {}).catch((error: Error) => this.server.report(error));
    } catch (error) {
      this.server.report(error as Error);
    }
  }

  private async attach(): Promise<void> {
    const { hub: client } = this;
    const { session } = client;
    try {
      await client.attach(this.service);
      this.backoff.reset();
      this.settle();
    } catch (error) {
      if (client.session !== session || client.state === 'closed') return;
      const { retry } = error as CrosspointError;
      this.server.report(error as Error);
      if (retry === 'never') this.settle(error as Error);
      else setTimeout(() => client.session === session && void this.attach(), this.backoff.next());
    }
  }

  private message({ type, data, from }: Message): void {
    const sid = from.session ?? '';
    const socket = this.sockets.get(sid);
    if (!socket) this.sendTo(sid, 'io:unknown', null, false);
    else if (type === 'io:alone') this.adapter.loosen(sid, EVERYBODY);
    else socket.take(type, data);
  }

  private request(frame: Frame, answer: (data: unknown) => void, refuse: (error: unknown) => void): void {
    const { type, data, from } = frame;
    const sid = from?.session ?? '';
    const socket = this.sockets.get(sid);
    if (type === 'io:connect') {
      void this.welcome(sid, from?.user ?? '', (data ?? {}) as Introduction).then(answer, refuse);
    } else if (type === 'io:known') {
      answer(socket ? { server: this.client.session } : {});
    } else if (!socket) {
      refuse(new CrosspointError('io_unknown', 'connect first'));
    } else if (type === 'io:disconnect') {
      answer({});
      socket.gone('client namespace disconnect');
    } else {
      socket.take(type, data, (answers) => whenPacked(answers, answer));
    }
  }

  private async welcome(sid: string, user: string, { auth, query }: Introduction): Promise<unknown> {
    this.sockets.get(sid)?.gone('transport close');
    const now = new Date();
    const about = { headers: {}, url: this.server.url, address: '', secure: this.server.url.startsWith('https:'), xdomain: false };
    const handshake: Handshake = { auth: auth ?? {}, query: query ?? {}, user, time: String(now), issued: now.getTime(), ...about };
    const socket = new Socket(this, sid, handshake);
    try {
      await this.hub.watch(sid);
      for (const middleware of this.middlewares) await passed(middleware, socket);
    } catch (error) {
      const { message, data } = error as Error & { data?: unknown };
      return { error: { message, data } };
    }
    this.sockets.set(sid, socket);
    // The client hears that it is in before it hears anything else.
    setTimeout(() => {
      if (socket.connected) this.tell('connect', socket);
      if (socket.connected) this.tell('connection', socket);
      socket.begin();
    });
    return { sid, server: this.hub.session };
  }

  private dropAll(reason: string): void {
    for (const socket of [...this.sockets.values()]) socket.gone(reason);
  }
}

function passed(middleware: Middleware, socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    call(middleware, undefined, [socket, (error?: Error) => (error ? reject(error) : resolve())]);
  });
}
