import type { Namespace } from './namespace.js';
import type { Socket } from './socket.js';
/** Who is meant, and how. */
export interface Target {
    rooms: ReadonlySet<string>;
    except: ReadonlySet<string>;
    volatile: boolean;
    timeoutMs: number | undefined;
    /** Whose broadcast it is: it is from them, and they don't get it. */
    self: Socket | undefined;
}
export type RoomNames = string | string[];
/** Stands for a name that no room can have: `to(undefined)` reaches nobody. */
export declare const NOBODY = "\0";
export declare function namesOf(rooms: RoomNames): string[];
/** Chooses sockets, then emits to them. Each choice makes a new one, as in socket.io. */
export declare class BroadcastOperator {
    private readonly nsp;
    private readonly target;
    constructor(nsp: Namespace, target: Target);
    to(room: RoomNames): BroadcastOperator;
    in(room: RoomNames): BroadcastOperator;
    except(room: RoomNames): BroadcastOperator;
    get volatile(): BroadcastOperator;
    /** All are local: the hub's rooms are one. */
    get local(): BroadcastOperator;
    compress(_compress: boolean): BroadcastOperator;
    timeout(ms: number): BroadcastOperator;
    /** With a callback as the last argument, `(error, answers)`, all must acknowledge. */
    emit(event: string, ...args: any[]): boolean;
    /** Resolves with the first argument of each acknowledgement; rejects if some don't come in time. */
    emitWithAck(event: string, ...args: any[]): Promise<any[]>;
    fetchSockets(): Promise<Socket[]>;
    allSockets(): Promise<Set<string>>;
    socketsJoin(room: RoomNames): void;
    socketsLeave(room: RoomNames): void;
    disconnectSockets(close?: boolean): void;
    private with;
}
