import { Backoff } from '../backoff.js';
import { CrosspointError } from '../codes.js';
import type { Frame } from '../frame.js';
import type { Message, RoomEvent } from '../types.js';
import type { Carrier, CarrierHost } from './carrier.js';
import { ESCAPED, pack, unpack, whenPacked, type Meta } from './codec.js';
import type { Manager } from './manager.js';

/** How long the service may take to let a client in, or to hear that it goes (ms). */
const OPEN_MS = 20_000;
const CLOSE_MS = 2_000;
/** Names of events that may come again by another way. */
const SEEN_MAX = 512;

interface Opened {
  sid?: string;
  server?: string;
  error?: { message?: string; data?: unknown };
}

/** Events by a service that is attached to the hub. */
export class ServiceCarrier implements Carrier {
  /** The session of the service that let this client in. */
  private server: string | null = null;
  /** Rooms of the hub that the service has put this client into. */
  private rooms = new Set<string>();
  private seen = new Set<string>();
  private readonly to: string;
  /** One life is from one opening to its end; what comes late from an earlier one counts no more. */
  private life = 0;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private readonly backoff: Backoff;
  private checking = false;

  constructor(
    private readonly manager: Manager,
    private readonly nsp: string,
    service: string,
    private readonly query: () => Record<string, unknown>,
    private readonly host: CarrierHost,
  ) {
    this.to = `service:${service}${nsp === '/' ? '' : nsp}`;
    this.backoff = new Backoff(manager.backoff());
  }

  get stands(): boolean {
    return this.server !== null;
  }

  open(auth: Record<string, unknown> | undefined): void {
    this.lost();
    const { life } = this;
    const data = { nsp: this.nsp, auth: auth ?? {}, query: this.query() };
    // What goes to everybody is taken from the first moment on. A client that may not join gets it by itself.
    const everybody = `io:${this.nsp}`;
    let alone = false;
    const tell = () => alone && this.server && this.manager.hub?.send(this.to, 'io:alone');
    this.enter(everybody).catch(() => {
      if (life !== this.life) return;
      alone = true;
      tell();
    });
    const done = (reply: Opened | null) => {
      if (life !== this.life) return;
      this.letIn(reply);
      tell();
    };
    const frame = { type: 'io:connect', to: this.to, data, timeout_ms: OPEN_MS };
    this.manager
      .hub!.ask<Opened>(frame, { timeoutMs: OPEN_MS, done })
      .catch((error: CrosspointError) => life === this.life && this.failed(error));
  }

  lost(): void {
    this.life += 1;
    this.server = null;
    clearTimeout(this.retry);
    for (const room of this.rooms) void this.manager.leave(room, this.event);
    this.rooms = new Set();
    this.seen = new Set();
  }

  send(type: string, data: unknown, volatile: boolean): void {
    this.manager.hub!.send(this.to, type, data, volatile ? { volatile: this.manager.volatileKey() } : {});
  }

  ask(type: string, data: unknown, timeoutMs: number, done: (args: unknown[]) => void, failed: (error: Error) => void): void {
    const { life } = this;
    const frame = { type, to: this.to, data, timeout_ms: timeoutMs };
    this.manager.hub!.ask(frame, { timeoutMs, done: (answer) => done(unpack(answer).args) }).catch((error: CrosspointError) => {
      if (error.code === 'io_unknown' && life === this.life) this.drop('transport close');
      failed(error);
    });
  }

  async close(): Promise<void> {
    const { server } = this;
    const { hub: client } = this.manager;
    this.lost();
    if (!server || !client) return;
    const leaving = client.ask({ type: 'io:disconnect', to: this.to, timeout_ms: CLOSE_MS }, { timeoutMs: CLOSE_MS });
    await leaving.catch(() => {});
    client.unwatch(server).catch(() => {});
  }

  /** A direct message came. */
  message({ type, data, from }: Message): void {
    if (type === 'io:unknown') this.doubt();
    if (!this.server || from.session !== this.server) return;
    if (type === 'io:leave') {
      this.leave(data);
    } else if (type === 'io:disconnect') {
      this.lost();
      this.host.ended();
    } else if (type === ESCAPED || !type.startsWith('io:')) {
      this.take(type, data);
    }
  }

  /** A request came. `false`: it is not the service's, for this socket. */
  request({ type, data, from }: Frame, answer: (data: unknown) => void): boolean {
    if (!this.server || from?.session !== this.server) return false;
    if (type === 'io:join') {
      // What is refused, the service hears by the answer that doesn't name it.
      const entered = names(data).map((room) => this.enter(room).then(() => [room], () => []));
      void Promise.all(entered).then((rooms) => answer({ rooms: rooms.flat() }));
    } else {
      this.take(type, data, (...args: unknown[]) => whenPacked(pack(args), answer));
    }
    return true;
  }

  /** A session that is watched has ended. */
  gone(session: string): void {
    if (session === this.server) this.drop('transport close');
  }

  private letIn(reply: Opened | null): void {
    const { hub: client } = this.manager;
    if (!client || typeof reply?.server !== 'string') {
      const error = new Error(reply?.error?.message ?? 'the service refused the connection') as Error & { data?: unknown };
      error.data = reply?.error?.data;
      this.lost();
      this.host.refused(error, true);
      return;
    }
    this.server = reply.server;
    this.backoff.reset();
    const { life } = this;
    client.watch(reply.server).catch(() => life === this.life && this.drop('transport close'));
    this.host.opened(reply.sid ?? client.session ?? '');
  }

  private failed(error: CrosspointError): void {
    this.lost();
    if (error.code === 'bye') return;
    const final = error.code === 'forbidden';
    if (!final) this.again();
    this.host.refused(error, final);
  }

  private drop(reason: string): void {
    this.lost();
    this.again();
    this.host.dropped(reason);
  }

  /** Opens again after a while, if the session is still there and the socket still wants to. */
  private again(): void {
    const { life } = this;
    clearTimeout(this.retry);
    this.retry = setTimeout(() => life === this.life && this.host.reopen(), this.backoff.next());
  }

  /** Somebody says that the service doesn't know this client. */
  private doubt(): void {
    if (this.checking || !this.server) return;
    this.checking = true;
    const { life, server } = this;
    const known = (reply: { server?: string } | null) => reply?.server === server;
    this.manager
      .hub!.ask<{ server?: string } | null>({ type: 'io:known', to: this.to }, { timeoutMs: OPEN_MS })
      .then((reply) => known(reply) || life !== this.life || this.drop('transport close'))
      .catch(() => {})
      .finally(() => (this.checking = false));
  }

  private enter(room: string): Promise<void> {
    this.rooms.add(room);
    return this.manager.join(room, this.event);
  }

  private leave(data: unknown): void {
    for (const room of names(data)) {
      if (this.rooms.delete(room)) void this.manager.leave(room, this.event);
    }
  }

  private readonly event = (event: RoomEvent): void => {
    const { type, data, id, room } = event;
    if (!this.server || !this.rooms.has(room) || (type.startsWith('io:') && type !== ESCAPED)) return;
    // The service names what it sends by several ways.
    const name = /^(io\.[^~]+)/.exec(id)?.[1];
    this.take(type, data, undefined, name);
  };

  private take(type: string, data: unknown, ack?: (...args: unknown[]) => void, name?: string): void {
    const { args, meta } = unpack(data);
    if (this.seenBefore(name ?? meta.id) || this.leftOut(meta)) return;
    const event = [meta.ev ?? type, ...args];
    this.host.event(ack ? [...event, ack] : event);
  }

  private seenBefore(name: string | undefined): boolean {
    if (typeof name !== 'string') return false;
    if (this.seen.has(name)) return true;
    this.seen.add(name);
    if (this.seen.size > SEEN_MAX) this.seen.delete(this.seen.values().next().value!);
    return false;
  }

  private leftOut({ except }: Meta): boolean {
    const { session } = this.manager.hub ?? {};
    return session != null && Array.isArray(except) && except.includes(session);
  }
}

function names(data: unknown): string[] {
  const rooms = (data as { rooms?: unknown } | null)?.rooms;
  return Array.isArray(rooms) ? rooms.filter((room): room is string => typeof room === 'string') : [];
}
