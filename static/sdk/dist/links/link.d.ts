import type { Clock } from '../clock.js';
import type { CrosspointError } from '../codes.js';
import type { Frame } from '../frame.js';
import type { Crowd } from './crowd.js';
/** A way to carry a session; `sse-poll` is SSE whose answers end after each batch. */
export type TransportName = 'websocket' | 'sse' | 'sse-poll' | 'webtransport' | 'webrtc';
/** How a frame travelled: on an ordered stream, as a datagram, which may be lost, or by the bulk session's link. */
export type Way = 'stream' | 'datagram' | 'bulk';
export interface LinkEvents {
    /** A frame came; `bytes`: the size of the message that it came in, where that is known. */
    frame(frame: Frame, way?: Way, bytes?: number): void;
    /** Something came that is no frame and answers nothing: the way down lives. */
    heard(): void;
    /** A beat came, which answers ours: both ways live. */
    beat(): void;
    /** A POST was answered: the hub has received so many counted frames. */
    acked(received: number): void;
    /** The path has shown that it carries both directions (an answered ping, a first event, a first batch). */
    proven(): void;
    /** The link is gone; said once, never after `close`. */
    closed(error: CrosspointError): void;
    /** This path doesn't take the frame, however often it is sent; the hub was given an empty one in its place. */
    refused(frame: Frame, error: CrosspointError): void;
}
/** One connection. What is sent before it is open waits and goes first; errors come by `events.closed`. */
export interface Link {
    readonly transport: TransportName;
    /** Begins to connect. A probe sends nothing of its own but what shows that the path works. */
    open(probe: boolean): void;
    /** `seq` is the frame's number if it is counted. */
    send(frame: Frame, seq: number | null): Way | void;
    /** Shows that the way up lives: by a beat, which is answered, or by a request. */
    beat(): void;
    /** Leaves without a word of the session; no events come after. */
    close(): void;
    /** Says `hub:bye` after all that waits, and closes. `leaving`: the page is going away at this moment. */
    bye(leaving: boolean): void;
    /** Another link within the same connection, where that can carry a second one. It ends with this link. */
    beside?(context: LinkContext): Link | null;
}
/** What links need from the outside. */
export interface LinkContext {
    clock: Clock;
    fetch: typeof fetch;
    WebSocket: typeof WebSocket | undefined;
    WebTransport: typeof WebTransport | undefined;
    RTCPeerConnection?: typeof RTCPeerConnection | undefined;
    events: LinkEvents;
    /** Largest POST body (bytes), as the hub last said. */
    postBytesMax(): number;
    /** How long silence may last at the moment, and an answer beyond what it has to wait for (ms). */
    pace(): Pace;
    /** Limits how many requests wait at a host. */
    crowd?: Crowd;
    /** What the links of a client learn of its POSTs. */
    posts: Posts;
}
export interface Pace {
    silenceMs: number;
    patienceMs: number;
}
export interface Posts {
    /** How many times as long as usual a POST may take; grows where a fresh link didn't help. */
    factor: number;
    /** Larger bodies did not get through lately. */
    bytesMax: number;
}
