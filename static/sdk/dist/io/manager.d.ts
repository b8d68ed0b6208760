import type { Client } from '../types.js';
import { Emitter } from './emitter.js';
import { Engine } from './engine.js';
import { Socket } from './socket.js';
import type { IoOptions, SocketOptions } from './types.js';
export interface ManagerEvents {
    open: () => void;
    close: (reason: string, description?: unknown) => void;
    error: (error: Error) => void;
    ping: () => void;
    reconnect: (attempt: number) => void;
    reconnect_attempt: (attempt: number) => void;
    reconnect_error: (error: Error) => void;
    reconnect_failed: () => void;
}
/** One session of the hub, shared by the sockets of all namespaces. */
export declare class Manager extends Emitter<ManagerEvents> {
    engine: Engine;
    readonly opts: IoOptions;
    readonly autoConnect: boolean;
    readonly queueMax: number;
    private readonly base;
    private readonly rooms;
    private readonly attempts;
    private onOpen;
    private volatiles;
    private isOpen;
    constructor(uri?: string | IoOptions, opts?: IoOptions);
    /** The SDK's client; `null` while nothing is open. */
    get client(): Client | null;
    reconnection(): boolean;
    reconnection(value: boolean): this;
    reconnectionAttempts(): number;
    reconnectionAttempts(value: number): this;
    reconnectionDelay(): number;
    reconnectionDelay(value: number): this;
    reconnectionDelayMax(): number;
    reconnectionDelayMax(value: number): this;
    randomizationFactor(): number;
    randomizationFactor(value: number): this;
    timeout(): number;
    timeout(value: number): this;
    open(fn?: (error?: Error) => void): this;
    connect(fn?: (error?: Error) => void): this;
    socket(nsp: string, opts?: SocketOptions): Socket<any, any>;
    /** Ends the session, and with it all sockets' connections. */
    disconnect(): this;
    private sockets;
    private services;
    private begin;
    private welcomed;
    private lost;
    private failed;
    /** The hub has ended the session for good, or doesn't let this client in. */
    private ended;
    private finish;
}
