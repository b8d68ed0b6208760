import { addressOf } from './address.js';
import { Manager } from './manager.js';
import { Socket } from './socket.js';
import type { DefaultEventsMap, EventsMap } from './emitter.js';
import type { IoOptions } from './types.js';

const cache = new Map<string, Manager>();

function lookup<L extends EventsMap = DefaultEventsMap, E extends EventsMap = L>(opts?: IoOptions): Socket<L, E>;
function lookup<L extends EventsMap = DefaultEventsMap, E extends EventsMap = L>(uri: string, opts?: IoOptions): Socket<L, E>;
/** A socket of the hub at `uri`, whose path is the namespace; in a page the page's own hub is the default. Sockets of one hub share a session. */
function lookup(uri?: string | IoOptions, opts: IoOptions = {}): Socket<any, any> {
  const options = typeof uri === 'object' ? uri : opts;
  const { base, nsp, query } = addressOf(typeof uri === 'object' ? undefined : uri, options.path);
  if (!options.query && Object.keys(query).length > 0) options.query = query;
  const known = cache.get(base);
  const own = options.forceNew || options.multiplex === false || (known && nsp in known.nsps && options.room === undefined);
  let manager = own ? undefined : known;
  if (!manager) {
    manager = new Manager(new URL(base).origin, options);
    if (!own) cache.set(base, manager);
  }
  return manager.socket(nsp, options);
}

/** The version of the Socket.IO protocol whose client this is shaped like. */
export const protocol = 5;

const io = Object.assign(lookup, { Manager, Socket, io: lookup, connect: lookup, protocol });

export { io, io as connect, io as default, Manager, Socket };
export { CrosspointError } from '../codes.js';
export type { ManagerEvents } from './manager.js';
export type { SocketReservedEvents } from './socket.js';
export type { Engine, EngineEvents, EngineTransport } from './engine.js';
export type { DefaultEventsMap, EventsMap } from './emitter.js';
export type * from './types.js';
