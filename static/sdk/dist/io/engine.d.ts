import { Emitter } from './emitter.js';
/** A transport by socket.io's name: SSE, by stream or poll, is `polling`. */
export interface EngineTransport {
    name: 'websocket' | 'polling' | 'webtransport';
}
export interface EngineEvents {
    open: () => void;
    /** The session has moved to a better transport. */
    upgrade: (transport: EngineTransport) => void;
    close: (reason: string, description?: unknown) => void;
}
/** What pages look at in `socket.io.engine`. */
export declare class Engine extends Emitter<EngineEvents> {
    private readonly client;
    id: string | null;
    readyState: 'opening' | 'open' | 'closed';
    transport: EngineTransport;
    /** Cuts the link, as a lost network would. */
    close(): this;
}
