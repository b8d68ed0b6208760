import { CrosspointError } from '../codes.js';
import type { Sender } from '../frame.js';
import type { TransportName } from '../links/link.js';
import type { Client, Options, PerformanceMetrics, State } from '../types.js';
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
    connect: {
        resumed: boolean;
        transport: TransportName | null;
    };
    disconnect: {
        error?: CrosspointError;
    };
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
export declare class PlainClient {
    private readonly options;
    private hub;
    private connecting;
    private readonly handlers;
    private readonly latencies;
    private connectionTime;
    private messagesIn;
    private messagesOut;
    constructor(options: PlainOptions);
    get connected(): boolean;
    get state(): State;
    /** The session. */
    get id(): string | null;
    /** The SDK's client, for all that this one doesn't do. */
    get client(): Client | null;
    /** Resolves when connected, and in the room; rejects when the hub doesn't let this client in. It connects again by itself after a loss. */
    connect(): Promise<void>;
    /** Sends a message; while there is no link it waits. Resolves when it is stored (in a room), at once where it goes to a service. */
    send(type: string, data?: unknown): Promise<void>;
    /** Asks the service, and resolves with its answer. */
    request<T = any>(type: string, question?: unknown, options?: {
        timeoutMs?: number;
    }): Promise<T>;
    on<K extends keyof PlainHappenings>(type: K, fn: (value: PlainHappenings[K]) => void): () => void;
    /** `*`: messages of all types. */
    on<T = any>(type: string, fn: Handler<T>): () => void;
    once<K extends keyof PlainHappenings>(type: K, fn: (value: PlainHappenings[K]) => void): () => void;
    once<T = any>(type: string, fn: Handler<T>): () => void;
    /** Without a handler: all of that type. */
    off(type: string, fn?: (value: any, message: any) => void): void;
    getPerformanceMetrics(): PlainMetrics;
    /** Ends the session. */
    disconnect(): void;
    private begin;
    private open;
    private service;
    private take;
    private tell;
}
/** A client that `connect()` connects to the hub. */
export declare function createClient(options?: PlainOptions): PlainClient;
export { CrosspointError };
export type { Sender } from '../frame.js';
export type { TransportName } from '../links/link.js';
export type { Client, Options, PerformanceMetrics, State } from '../types.js';
