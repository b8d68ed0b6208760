import type { Clock } from '../clock.js';
import type { CrosspointError } from '../codes.js';
import type { Frame } from '../frame.js';
/** A way to carry a session; `sse-poll` is SSE whose answers end after each batch. */
export type TransportName = 'websocket' | 'sse' | 'sse-poll';
export interface LinkEvents {
    /** A frame came. */
    frame(frame: Frame): void;
    /** The path has shown that it carries both directions (an answered ping, a first event, a first batch). */
    proven(): void;
    /** The link is gone; said once, never after `close`. */
    closed(error: CrosspointError): void;
}
/** One connection. What is sent before it is open waits and goes first; errors come by `events.closed`. */
export interface Link {
    readonly transport: TransportName;
    /** Begins to connect. A probe sends nothing of its own but what shows that the path works. */
    open(probe: boolean): void;
    /** `seq` is the frame's number if it is counted. */
    send(frame: Frame, seq: number | null): void;
    /** Leaves without a word of the session; no events come after. */
    close(): void;
    /** Says `hub:bye` after all that waits, and closes. `leaving`: the page is going away at this moment. */
    bye(leaving: boolean): void;
}
/** What links need from the outside. */
export interface LinkContext {
    clock: Clock;
    fetch: typeof fetch;
    WebSocket: typeof WebSocket | undefined;
    events: LinkEvents;
    /** Largest POST body (bytes), as the hub last said. */
    postBytesMax(): number;
}
