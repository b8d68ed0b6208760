import type { Sender } from '../frame.js';
/** How a peer is reached: directly, directly by a TURN server, or through the hub. */
export type Via = 'direct' | 'relay' | 'hub';
/** A session on the room's roster of peers. */
export interface Peer {
    session: string;
    user: string;
    /** From the peer's grant. */
    info?: Record<string, unknown>;
    /** As the peer last set it. */
    state?: Record<string, unknown>;
    /** Since when it is on the roster, ms since 1970. */
    since: number;
    /** How what is sent now goes there. */
    via: Via;
}
export interface PeerMessage<T = any> {
    data: T;
    from: Required<Sender>;
    /** Which way it came. */
    via: Via;
    /** Sent as such: others may have been lost, or come in another order. */
    volatile: boolean;
}
export interface PeersOptions {
    /** What the others see of me (at most 1 KiB of JSON, together with what the SDK keeps there). */
    state?: Record<string, unknown>;
    /** To how many peers there may be a direct path; the others are reached through the hub. 0: to none. Default 8, at most 32. */
    max?: number;
    /** Instead of those that the hub names. */
    iceServers?: RTCIceServer[];
    /** `relay`: by TURN servers only, so that peers don't learn my addresses. Default `all`. */
    iceTransportPolicy?: RTCIceTransportPolicy;
}
export interface PeerSendOptions {
    /** `user:…` (all sessions of theirs) or `session:…`. Default: everyone on the roster. */
    to?: string;
    /** May be lost, doubled by nobody, and overtakes what stands before it. Resolves at once. */
    volatile?: boolean;
}
export interface PeerEvents {
    message: PeerMessage;
    join: Peer;
    /** Another state. */
    update: Peer;
    /** `code`: why its session ended, if that was it; `replaced`: it goes on as another session, whose `join` follows. */
    leave: {
        session: string;
        user: string;
        code?: string;
    };
    /** Messages to this peer go another way from now on. */
    path: {
        session: string;
        user: string;
        via: Via;
        previous: Via;
    };
}
/** The peers of a room. */
export interface Peers {
    /** This session is on the roster. */
    readonly joined: boolean;
    /** The others on it, the one that is longest there first. */
    readonly list: readonly Peer[];
    /** Goes onto the roster; the room must have been joined. Again: changes the options. */
    join(options?: PeersOptions): Promise<readonly Peer[]>;
    /** Leaves it, and closes all direct paths. What has not arrived by then fails with `bye`. */
    leave(): Promise<void>;
    setState(state: Record<string, unknown>): Promise<void>;
    /** Resolves when those it is for have got it, with how many these were. Rejects with `not_found` if nobody with that name is there or all have left before, and
     * with `limit_exceeded` if it does not fit into a frame, or too much waits. */
    send(data: unknown, options?: PeerSendOptions): Promise<{
        delivered: number;
    }>;
    on<K extends keyof PeerEvents>(event: K, fn: (value: PeerEvents[K]) => void): () => void;
    once<K extends keyof PeerEvents>(event: K, fn: (value: PeerEvents[K]) => void): () => void;
    off<K extends keyof PeerEvents>(event: K, fn: (value: PeerEvents[K]) => void): void;
}
