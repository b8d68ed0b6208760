import { Emitter, type Args, type DefaultEventsMap, type EventsMap, type Listener, type Names } from './emitter.js';
import type { Manager } from './manager.js';
import { type Packet } from './outbound.js';
import type { Auth, DisconnectDescription, DisconnectReason, SocketOptions } from './types.js';
export interface SocketReservedEvents {
    connect: () => void;
    connect_error: (error: Error & {
        data?: any;
        description?: any;
        context?: any;
    }) => void;
    disconnect: (reason: DisconnectReason, description?: DisconnectDescription) => void;
}
/** A namespace, as socket.io-client has it. */
export declare class Socket<ListenEvents extends EventsMap = DefaultEventsMap, EmitEvents extends EventsMap = ListenEvents> extends Emitter<ListenEvents, SocketReservedEvents> {
    readonly io: Manager;
    readonly nsp: string;
    private readonly options;
    /** The session; absent while not connected. */
    id: string | undefined;
    connected: boolean;
    /** The session went on after a loss: nothing was missed. */
    recovered: boolean;
    auth: Auth | undefined;
    /** Events that were emitted while not connected. */
    sendBuffer: Packet[];
    /** Whether it connects, or is connected, by itself. */
    active: boolean;
    private flags;
    private readonly acks;
    private readonly incoming;
    private readonly outgoing;
    private readonly queue;
    private readonly outbound;
    constructor(io: Manager, nsp: string, options?: SocketOptions);
    get disconnected(): boolean;
    connect(): this;
    open(): this;
    disconnect(): this;
    close(): this;
    send(...args: any[]): this;
    emit<E extends Names<EmitEvents>>(event: E, ...args: Args<EmitEvents, E>): this;
    emitWithAck<E extends Names<EmitEvents>>(event: E, ...args: any[]): Promise<any>;
    timeout(ms: number): this;
    /** Dropped where it can't be sent at once, or can't keep up. */
    get volatile(): this;
    /** Means nothing here. */
    compress(_compress: boolean): this;
    onAny(listener: Listener): this;
    prependAny(listener: Listener): this;
    offAny(listener?: Listener): this;
    listenersAny(): Listener[];
    onAnyOutgoing(listener: Listener): this;
    prependAnyOutgoing(listener: Listener): this;
    offAnyOutgoing(listener?: Listener): this;
    listenersAnyOutgoing(): Listener[];
    private host;
    private join;
    private opened;
    private destroy;
    private closed;
    private failAcks;
    private push;
    private buffer;
    private transmit;
    private unsent;
}
