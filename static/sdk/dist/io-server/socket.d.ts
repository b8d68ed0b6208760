import { Emitter, type DefaultEventsMap, type Listener } from '../io/emitter.js';
import { BroadcastOperator } from './broadcast.js';
import type { Namespace } from './namespace.js';
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
export declare class Socket extends Emitter<DefaultEventsMap, ServerSocketEvents> {
    readonly nsp: Namespace;
    /** The session. */
    readonly id: string;
    readonly handshake: Handshake;
    connected: boolean;
    /** The application's own. */
    data: any;
    /** Always `false`: who comes back in the same session never was away. */
    readonly recovered = false;
    private readonly acks;
    private readonly incoming;
    private readonly outgoing;
    private middlewares;
    private flags;
    private readonly outbound;
    /** What came before the application knew of this socket. */
    private early;
    constructor(nsp: Namespace, 
    /** The session. */
    id: string, handshake: Handshake);
    get disconnected(): boolean;
    /** The rooms it is in, its own among them. */
    get rooms(): Set<string>;
    emit(event: string, ...args: any[]): boolean;
    emitWithAck(event: string, ...args: any[]): Promise<any>;
    send(...args: any[]): this;
    write(...args: any[]): this;
    timeout(ms: number): this;
    get volatile(): this;
    compress(_compress: boolean): this;
    to(room: string | string[]): BroadcastOperator;
    in(room: string | string[]): BroadcastOperator;
    except(room: string | string[]): BroadcastOperator;
    get broadcast(): BroadcastOperator;
    get local(): BroadcastOperator;
    /** It is in the room at once for this server; resolves when the hub has it there, too. */
    join(room: string | string[]): Promise<void>;
    leave(room: string): Promise<void>;
    /** `close`: ends its whole session, all namespaces of it. */
    disconnect(close?: boolean): this;
    use(fn: Middleware): this;
    onAny(listener: Listener): this;
    prependAny(listener: Listener): this;
    offAny(listener?: Listener): this;
    listenersAny(): Listener[];
    onAnyOutgoing(listener: Listener): this;
    offAnyOutgoing(listener?: Listener): this;
    private through;
    private others;
    private transmit;
}
export {};
