export { Server, Server as default, type ServerOptions } from './server.js';
export { Namespace, type NamespaceEvents } from './namespace.js';
export { Socket, type Handshake, type ServerSocketEvents } from './socket.js';
export { BroadcastOperator } from './broadcast.js';
export { CrosspointError } from '../codes.js';
