import { ClientImpl } from '../client.js';
import { CrosspointError } from '../codes.js';
import type { Sender } from '../frame.js';
import type { TransportName } from '../links/link.js';
import type { Client, Message, Options, PerformanceMetrics, RoomEvent, State } from '../types.js';
import { Latencies } from './latencies.js';

export interface PlainOptions extends Options {
  /** The hub's address; in a page it may be relative. Default: the page's own. */
  url?: string;
  /** Messages are published to this room, and the room's events are received. */
  room?: string;
  /** Messages (where there is no `room`) and requests go to this service. */
  service?: string;
  /** With `room`: whether I receive my own messages, too. Default false. */
  echo?: boolean;
}

/** What a handler is told beside the data. */
export interface Envelope<T = any> {
  type: string;
  data: T;
  from: Sender;
  room?: string;
  id?: string;
  /** When the hub took it, ms since 1970. */
  ts?: number;
}

/** Happenings of the connection; an application's message of such a type is seen by `*` only. */
export interface PlainHappenings {
  connect: { resumed: boolean; transport: TransportName | null };
  disconnect: { error?: CrosspointError };
  error: CrosspointError;
}

export interface PlainMetrics {
  /** From `connect()` to the first welcome (ms). */
  connectionTime: number | null;
  /** Median of the last 256 ways to the other side and back: of requests, and of publishes until they were stored (ms). The round-trip time where there were none. */
  messageLatency: number | null;
  reconnects: number;
  messagesIn: number;
  messagesOut: number;
  /** All that the SDK measures. */
  details: PerformanceMetrics | null;
}

type Handler<T = any> = (data: T, message: Envelope<T>) => void;

/** A client for who wants `{type, data}` messages and nothing else. */
export class PlainClient {
  private hub: ClientImpl | null = null;
  private connecting: Promise<void> | null = null;
  private readonly handlers = new Map<string, Set<Handler>>();
  private readonly latencies = new Latencies();
  private connectionTime: number | null = null;
  private messagesIn = 0;
  private messagesOut = 0;

  constructor(private readonly options: PlainOptions) {}

  get connected(): boolean {
    return this.hub?.state === 'connected';
  }

  get state(): State {
    return this.hub?.state ?? 'closed';
  }

  /** The session. */
  get id(): string | null {
    return this.hub?.session ?? null;
  }

  /** The SDK's client, for all that this one doesn't do. */
  get client(): Client | null {
    return this.hub;
  }

  /** Resolves when connected, and in the room; rejects when the hub doesn't let this client in. It connects again by itself after a loss. */
  connect(): Promise<void> {
    if (!this.connecting) {
      const connecting = (this.connecting = this.begin());
      connecting.catch(() => {
        if (this.connecting === connecting) this.disconnect();
      });
    }
    return this.connecting;
  }

  /** Sends a message; while there is no link it waits. Resolves when it is stored (in a room), at once where it goes to a service. */
  async send(type: string, data?: unknown): Promise<void> {
    const hub = this.open();
    const { room, service, echo = false } = this.options;
    if (room !== undefined) {
      const done = this.latencies.begin();
      const sent = hub.room(room).publish(type, data, { echo });
      this.messagesOut += 1;
      await sent;
      done();
    } else {
      hub.send(this.service(service), type, data);
      this.messagesOut += 1;
    }
  }

  /** Asks the service, and resolves with its answer. */
  async request<T = any>(type: string, question?: unknown, options?: { timeoutMs?: number }): Promise<T> {
    const hub = this.open();
    const to = this.service(this.options.service);
    const done = this.latencies.begin();
    const answer = hub.request<T>(to, type, question, options);
    this.messagesOut += 1;
    return answer.then((data) => {
      done();
      this.messagesIn += 1;
      return data;
    });
  }

  on<K extends keyof PlainHappenings>(type: K, fn: (value: PlainHappenings[K]) => void): () => void;
  /** `*`: messages of all types. */
  on<T = any>(type: string, fn: Handler<T>): () => void;
  on(type: string, fn: Handler): () => void {
    let set = this.handlers.get(type);
    if (!set) this.handlers.set(type, (set = new Set()));
    set.add(fn);
    return () => this.off(type, fn);
  }

  once<K extends keyof PlainHappenings>(type: K, fn: (value: PlainHappenings[K]) => void): () => void;
  once<T = any>(type: string, fn: Handler<T>): () => void;
  once(type: string, fn: Handler): () => void {
    const off = this.on(type, (data: any, message: Envelope) => {
      off();
      fn(data, message);
    });
    return off;
  }

  /** Without a handler: all of that type. */
  off(type: string, fn?: (value: any, message: any) => void): void {
    const set = this.handlers.get(type);
    if (fn) set?.delete(fn);
    if (!fn || set?.size === 0) this.handlers.delete(type);
  }

  getPerformanceMetrics(): PlainMetrics {
    const { connectionTime, messagesIn, messagesOut } = this;
    const details = this.hub?.getPerformanceMetrics() ?? null;
    const messageLatency = this.latencies.median() ?? details?.rtt ?? null;
    return { connectionTime, messageLatency, reconnects: details?.reconnects ?? 0, messagesIn, messagesOut, details };
  }

  /** Ends the session. */
  disconnect(): void {
    const { hub } = this;
    this.hub = null;
    this.connecting = null;
    if (!hub) return;
    const was = hub.state === 'connected';
    hub.close();
    if (was) this.tell('disconnect', {});
  }

  private async begin(): Promise<void> {
    const { url = '/', room, service: _, echo: __, ...options } = this.options;
    const began = performance.now();
    const hub = (this.hub = new ClientImpl(url, options));
    const mine = <V>(fn: (value: V) => void) => (value: V) => void (this.hub === hub && fn(value));
    hub.on('message', mine((message: Message) => this.take(message)));
    hub.on('error', mine((error: CrosspointError) => this.tell('error', error)));
    let down = true;
    hub.on('session', mine(({ resumed }: { resumed: boolean }) => {
      if (down) this.tell('connect', { resumed, transport: hub.transport });
      down = false;
    }));
    hub.on('state', mine(({ state, previous, error }: { state: State; previous: State; error?: CrosspointError }) => {
      if (state === 'connected') return;
      down = true;
      if (previous === 'connected') this.tell('disconnect', error ? { error } : {});
    }));
    if (room !== undefined) hub.room(room).on('*', mine((event: RoomEvent) => this.take(event)));
    const joined = room === undefined ? undefined : hub.room(room).join();
    await hub.ready();
    if (this.hub === hub) this.connectionTime = Math.round(performance.now() - began);
    await joined;
  }

  private open(): ClientImpl {
    if (!this.hub) throw new CrosspointError('unavailable', 'connect() first');
    return this.hub;
  }

  private service(name: string | undefined): string {
    if (name === undefined) throw new CrosspointError('bad_request', 'createClient() was given no service');
    return `service:${name}`;
  }

  private take({ type, data, from, id, ts, ...rest }: RoomEvent | Message): void {
    this.messagesIn += 1;
    const message: Envelope = { type, data, from };
    if (id !== undefined) message.id = id;
    if (ts !== undefined) message.ts = ts;
    if ('room' in rest) message.room = rest.room;
    if (!['connect', 'disconnect', 'error'].includes(type)) this.tell(type, data, message);
    this.tell('*', data, message);
  }

  private tell(type: string, ...args: unknown[]): void {
    for (const fn of [...(this.handlers.get(type) ?? [])] as ((...args: unknown[]) => void)[]) {
      try {
        fn(...args);
      } catch (error) {
        setTimeout(() => {
          throw error;
        });
      }
    }
  }
}

/** A client that `connect()` connects to the hub. */
export function createClient(options: PlainOptions = {}): PlainClient {
  return new PlainClient(options);
}

export { CrosspointError };
export type { Sender } from '../frame.js';
export type { TransportName } from '../links/link.js';
export type { Client, Options, PerformanceMetrics, State } from '../types.js';
