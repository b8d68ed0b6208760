import { Manager } from './manager.js';
import { Socket } from './socket.js';
import type { DefaultEventsMap, EventsMap } from './emitter.js';
import type { IoOptions } from './types.js';
declare function lookup<L extends EventsMap = DefaultEventsMap, E extends EventsMap = L>(opts?: IoOptions): Socket<L, E>;
declare function lookup<L extends EventsMap = DefaultEventsMap, E extends EventsMap = L>(uri: string, opts?: IoOptions): Socket<L, E>;
/** The version of the Socket.IO protocol whose client this is shaped like. */
export declare const protocol = 5;
declare const io: typeof lookup & {
    Manager: typeof Manager;
    Socket: typeof Socket;
    io: typeof lookup;
    connect: typeof lookup;
    protocol: number;
};
export { io, io as connect, io as default, Manager, Socket };
export { CrosspointError } from '../codes.js';
export type { ManagerEvents } from './manager.js';
export type { SocketReservedEvents } from './socket.js';
export type { Engine, EngineEvents, EngineTransport } from './engine.js';
export type { DefaultEventsMap, EventsMap } from './emitter.js';
export type * from './types.js';
