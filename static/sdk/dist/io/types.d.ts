import type { Options } from '../types.js';
/** What `socket.auth` may be: an object, or a function that is called with a callback for one at each connection. */
export type Auth = Record<string, unknown> | ((done: (data: Record<string, unknown>) => void) => void);
/** Options of a connection. Those of socket.io-client that mean nothing here (`upgrade`, `rememberUpgrade`, `parser`, …) are ignored. */
export interface ManagerOptions {
    /** Whether to connect again after a loss. Default true. */
    reconnection?: boolean;
    /** Attempts in a row before giving up. Default Infinity. */
    reconnectionAttempts?: number;
    /** Upper bound of the first wait (ms). Default the SDK's: 200. */
    reconnectionDelay?: number;
    /** Upper bound of all waits (ms). Default the SDK's: 20,000. */
    reconnectionDelayMax?: number;
    /** Taken and not used: waits are always jittered in full, so that many clients don't come back at once. */
    randomizationFactor?: number;
    /** How long an attempt may take (ms). Default 10,000. */
    timeout?: number;
    /** Whether to connect without being told to. Default true. */
    autoConnect?: boolean;
    /** `polling` is SSE, by stream or poll. Default all. */
    transports?: string[];
    /** Where the hub is below its host; socket.io's own `/socket.io` means its top. */
    path?: string;
    /** The service's `handshake.query`. */
    query?: Record<string, unknown>;
    /** Sends cookies to a hub of another origin. */
    withCredentials?: boolean;
    /** The hub's token. Default: the `token` in `auth`, if it looks like a JSON Web Token. */
    token?: Options['token'] | null;
    /** Who I am, on a hub in dev mode. */
    user?: string;
    /** What others see of me, on a hub in dev mode. */
    info?: object;
    /** Frames that may wait for the hub's receipt. Default 16,384. */
    queueMax?: number;
    fetch?: typeof fetch;
    WebSocket?: typeof WebSocket;
}
export interface SocketOptions {
    auth?: Auth;
    /** How often an emit is repeated when its acknowledgement doesn't come in `ackTimeout`. Emits go one after another then. */
    retries?: number;
    /** How long an acknowledgement may take (ms). */
    ackTimeout?: number;
    /** The service that serves the top namespace; `/chat` is served by `<service>/chat`. Default `io`. */
    service?: string;
    /** No service: emit publishes to this room of the hub, and its events are received. */
    room?: string;
    /** With `room`: whether I receive my own events, too. Default false. */
    echo?: boolean;
}
export interface IoOptions extends ManagerOptions, SocketOptions {
    /** A session of its own, even where there is one for this hub. */
    forceNew?: boolean;
    /** `false` is `forceNew`. */
    multiplex?: boolean;
    [other: string]: unknown;
}
export type DisconnectReason = 'io server disconnect' | 'io client disconnect' | 'ping timeout' | 'transport close' | 'transport error' | 'parse error';
/** What is known of a loss. */
export interface DisconnectDescription {
    description: string;
    context?: unknown;
}
