import { Emitter, type DefaultEventsMap } from '../io/emitter.js';
import type { Options } from '../types.js';
import type { BroadcastOperator } from './broadcast.js';
import { Namespace } from './namespace.js';
import type { Socket } from './socket.js';
export interface ServerOptions extends Options {
    /** The service that serves the top namespace; `/chat` is served as `<service>/chat`. Default `io`. */
    service?: string;
    /** The hub's room for a room of a namespace. Default: the same name at the top, `<namespace>#<room>` elsewhere. */
    roomName?: (namespace: string, room: string) => string;
}
/** What socket.io's Server is to typical applications, as a service of the hub. Its token has to list the services, `io` and `io/*`, and to
 * allow publishing to rooms that were not joined. */
export declare class Server extends Emitter<DefaultEventsMap> {
    /** The hub's address. */
    readonly url: string;
    readonly sockets: Namespace;
    private readonly namespaces;
    private readonly service;
    constructor(
    /** The hub's address. */
    url: string, { service, roomName, ...options }?: ServerOptions);
    get engine(): {
        clientsCount: number;
    };
    /** Resolves once the clients of all namespaces are let in; rejects where the hub doesn't allow it. */
    ready(): Promise<void>;
    of(name: string): Namespace;
    /** `connection` is the top namespace's; `error` tells what went wrong between this server and the hub. */
    on(event: string, listener: (...args: any[]) => void): this;
    once(event: string, listener: (...args: any[]) => void): this;
    use(fn: Parameters<Namespace['use']>[0]): this;
    emit(event: string, ...args: any[]): boolean;
    send(...args: any[]): this;
    to(room: string | string[]): BroadcastOperator;
    in(room: string | string[]): BroadcastOperator;
    except(room: string | string[]): BroadcastOperator;
    get volatile(): BroadcastOperator;
    get local(): BroadcastOperator;
    timeout(ms: number): BroadcastOperator;
    fetchSockets(): Promise<Socket[]>;
    socketsJoin(room: string | string[]): void;
    socketsLeave(room: string | string[]): void;
    disconnectSockets(close?: boolean): void;
    close(done?: () => void): Promise<void>;
    private listen;
}
