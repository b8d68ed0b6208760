import { Emitter, type DefaultEventsMap } from '../io/emitter.js';
import type { Client } from '../types.js';
import { BroadcastOperator } from './broadcast.js';
import { Rooms } from './rooms.js';
import type { Server } from './server.js';
import { Socket } from './socket.js';
export interface NamespaceEvents {
    connection: (socket: Socket) => void;
    connect: (socket: Socket) => void;
}
type Middleware = (socket: Socket, next: (error?: Error & {
    data?: unknown;
}) => void) => void;
/** A namespace: one session of the hub that serves its clients. */
export declare class Namespace extends Emitter<DefaultEventsMap, NamespaceEvents> {
    readonly server: Server;
    readonly name: string;
    private readonly service;
    readonly sockets: Map<string, Socket>;
    readonly adapter: Rooms;
    /** Resolves once clients are let in. */
    readonly attached: Promise<void>;
    private readonly backoff;
    private middlewares;
    private volatiles;
    private ids;
    private settle;
    constructor(server: Server, name: string, service: string);
    /** The SDK's client. */
    get client(): Client;
    use(fn: Middleware): this;
    to(room: string | string[]): BroadcastOperator;
    in(room: string | string[]): BroadcastOperator;
    except(room: string | string[]): BroadcastOperator;
    get volatile(): BroadcastOperator;
    get local(): BroadcastOperator;
    timeout(ms: number): BroadcastOperator;
    emit(event: string, ...args: any[]): boolean;
    send(...args: any[]): this;
    fetchSockets(): Promise<Socket[]>;
    private all;
    private hubRoom;
    private leftOut;
    private publish;
    private fire;
    private attach;
    private message;
    private request;
    private welcome;
    private dropAll;
}
export {};
