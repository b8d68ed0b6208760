import type { BackoffOptions } from './backoff.js';
import type { CrosspointError } from './codes.js';
import type { Frame, Sender } from './frame.js';
import type { TransportName, Way } from './links/link.js';
import type { Call, Calls } from './rtc/calls/types.js';
import type { Files } from './rtc/files/types.js';
import type { Peers } from './rtc/types.js';
export type * from './rtc/calls/types.js';
export type * from './rtc/files/types.js';
export type * from './rtc/types.js';
export interface Options {
    /** The user's JWT, or a function that fetches one; it is called again when the hub asks for a new one. */
    token?: string | (() => string | Promise<string>);
    /** Who I am; only a hub in dev mode believes it. */
    user?: string;
    /** What others see of me in presence; dev mode only, else the token says it. */
    info?: object;
    /** Transports that may be used. Default: all this runtime can do. */
    transports?: ('websocket' | 'sse' | 'webtransport' | 'webrtc')[];
    /** Whether SSE may or must end each answer after a batch. Default `auto`: where a stream doesn't get through. */
    ssePoll?: 'auto' | 'always' | 'never';
    /** Looks for a better transport in the background and moves there. Default true. */
    autoUpgrade?: boolean;
    /** Whether the hub may send the client to another one (drain, rebalancing); a function is asked for each address. Default true. */
    redirect?: boolean | ((url: string) => boolean);
    /** Remembers per network what worked and what failed there, in `localStorage` where there is one. Default true. */
    networkMemory?: boolean;
    /** Waits between attempts, with full jitter. Default 200 ms growing twofold to 20 s. */
    backoff?: BackoffOptions;
    /** The longest a negotiation, or a transport's hello, may take (ms, default 10,000). */
    connectTimeoutMs?: number;
    /** How long a request, a history or presence read may take (ms, default 15,000). */
    requestTimeoutMs?: number;
    /** Frames that may wait for their reply; beyond, calls fail with `limit_exceeded`. Default 1,000. */
    queueMax?: number;
    /** What is done where the hub refuses a publish, a message to a user or a join as too fast (`rate_limited`). `wait` (the default): it is sent
     * again when the hub says, within a minute, in order; `fail`: the call fails at once, its error says `retryAfterMs`. */
    rateLimited?: 'wait' | 'fail';
    /** What becomes of publishes, and of messages to users, that can't be sent at once. */
    offline?: OfflineOptions;
    /** `shared`: tabs of this origin with the same user at the same hub share one session and one link. Default `own`. Where the browser
     * lacks Web Locks or BroadcastChannel, each tab has its own. */
    tabs?: 'own' | 'shared';
    /** Default: the runtime's. */
    fetch?: typeof fetch;
    /** Default: the runtime's, if it has one. */
    WebSocket?: typeof WebSocket;
    /** Default: the runtime's, if it has one. */
    WebTransport?: typeof WebTransport;
    /** For peers and the transport `webrtc`. Default: the runtime's, if it has one; without, they are reached through the hub. */
    RTCPeerConnection?: typeof RTCPeerConnection;
}
/** Publishes and messages to users wait for a link and for their reply, in order. What exceeds a bound fails at once. */
export interface OfflineOptions {
    /** How many may wait; a further one fails with `limit_exceeded`. Default `queueMax`. */
    max?: number;
    /** How many bytes they may have together, as JSON text; beyond, `limit_exceeded`. Default 4,194,304. */
    maxBytes?: number;
    /** How long one may wait to be sent (ms); then it fails with `timeout`. Default a day; `Infinity` for ever. */
    maxAgeMs?: number;
    /** `indexeddb`: they survive a reload, a crash and the end of the browser. Default `memory`. */
    store?: 'memory' | 'indexeddb' | OfflineStore;
    /** Tells queues in one store apart: give each client of a page its own, or each user. */
    key?: string;
}
/** A frame as a store keeps it; plain JSON. */
export interface StoredFrame {
    id: string;
    /** Whose it is, if that is known. */
    user: string | null;
    /** When it was made, ms since 1970. `n` orders what was made in one millisecond. */
    since: number;
    n: number;
    /** When it was first sent, ms since 1970; `null`: never. */
    tried: number | null;
    /** The frame as JSON text. */
    frame: string;
}
/** Where queues are kept. Calls come one after another, but for `write` during a `claim`. A call that fails, or takes 5 s, makes the
 * client go on in memory and say so by an `error` event. */
export interface OfflineStore {
    /** Opens the queue of this name, and drops what is older. Resolves with the user of the last `claim`, if there was one. */
    open(key: string, maxAgeMs: number): Promise<string | null>;
    /** The client acts for this user from now on. `take` is called with their frames, and those that are nobody's, which no other
     * living client has: before this resolves, and again whenever another client ends. */
    claim(user: string, take: (frames: StoredFrame[]) => void): Promise<void>;
    /** Puts frames, in the place of those with the same id, and removes others by id; all or nothing. */
    write(put: StoredFrame[], remove: string[]): Promise<void>;
    /** The client ends: what it has left may be claimed by others. */
    close(): void;
}
/** What waits in the queue. */
export interface QueuedFrame {
    id: string;
    /** Where it is published … */
    room?: string;
    /** … or whom it is for (`user:…`). */
    to?: string;
    type: string;
    data: any;
    status: Status;
    /** When it was made, ms since 1970. */
    since: number;
}
/** The present user's publishes and messages to users that have no reply yet. */
export interface Queue {
    readonly size: number;
    /** Oldest first; those of earlier pages too. */
    list(): QueuedFrame[];
    /** Takes one back: it fails with `bye`. `false`: it isn't there, or is on its way and may come. */
    cancel(id: string): boolean;
    /** Takes back all that can be. */
    clear(): void;
    /** Resolves when all that was published so far is in the store, if there is one that works. */
    saved(): Promise<void>;
}
export type State = 'connecting' | 'connected' | 'reconnecting' | 'closed';
/** Why a link was opened. */
export type Cause = 'connect' | 'lost' | 'up' | 'down' | 'manual' | 'asked';
export type Status = 'queued' | 'sending' | 'stored' | 'failed';
/** A user in a room, however many sessions they have. */
export interface Member {
    user: string;
    info?: Record<string, unknown>;
    state?: Record<string, unknown>;
    sessions: number;
    /** Milliseconds since 1970. */
    since: number;
}
/** What was published to a room. */
export interface RoomEvent<T = any> {
    type: string;
    data: T;
    room: string;
    from: Sender;
    id: string;
    /** Place in the room's history; absent in rooms without one. */
    offset?: number;
    /** When the hub took it, ms since 1970. */
    ts: number;
    volatile: boolean;
}
/** A message sent to this user or session. */
export interface Message<T = any> {
    type: string;
    data: T;
    from: Sender;
    id?: string;
    ts?: number;
    request?: string;
    volatile: boolean;
    /** It was sent in bulk. */
    bulk: boolean;
}
/** Something could not be delivered. `room`: events are missing before what follows; `lost`: frames of mine that are gone. */
export interface Gap {
    room?: string;
    reason: string;
    position?: string;
    lost?: number;
}
export interface ClientEvents {
    state: {
        state: State;
        previous: State;
        error?: CrosspointError;
    };
    transport: {
        transport: TransportName | null;
        previous: TransportName | null;
        cause: Cause;
        ms: number;
    };
    /** Round-trip time (ms). */
    rtt: number;
    message: Message;
    error: CrosspointError;
    gap: Gap;
    session: {
        session: string;
        resumed: boolean;
    };
    /** My token ends in so many ms. A token function is called by itself; who gave a string calls `refresh`. */
    token_expiring: {
        expiresInMs: number;
    };
    /** The hub has put me into a room, at a backend's wish. */
    added: {
        room: string;
    };
    /** The hub has taken me out of a room. */
    removed: Removed;
    /** A session that is watched has ended; `code` says why. */
    ended: {
        session: string;
        user: string;
        code: string;
    };
    status: {
        id: string;
        status: Status;
        error?: CrosspointError;
    };
    /** A frame went or came, by an ordered stream, as a datagram, or in bulk. */
    frame: {
        direction: 'in' | 'out';
        frame: Frame;
        via: Way;
    };
}
export interface Counters {
    /** Counted frames that left, each once however often it was repeated. */
    sent: number;
    /** Counted frames that came. */
    received: number;
    /** Counted frames of mine that the hub has acknowledged. */
    acked: number;
    gaps: number;
    /** Frames that came again and were dropped by count. */
    duplicates: number;
    /** Links lost and found again. */
    reconnects: number;
    /** Changes of link while the old one lived. */
    moves: number;
    /** Welcomes that resumed the session. */
    resumes: number;
}
/** From a publish on a link to its reply (ms), of the last 256. */
export interface Latency {
    /** Replies measured so far. */
    count: number;
    last: number | null;
    p50: number | null;
    p95: number | null;
}
export interface TransportMetrics {
    attempts: number;
    wins: number;
    /** Attempts that failed; those that were only overtaken don't count. */
    failures: number;
    /** How long it has carried the session (ms). */
    ms: number;
}
export interface PerformanceMetrics extends Counters {
    transport: TransportName | null;
    rtt: number | null;
    /** How long the newest link took from its start to the welcome (ms). */
    connectMs: number | null;
    /** From the beginning of the first attempt, negotiation included, to the first reply or event (ms). */
    firstMessageMs: number | null;
    latency: Latency;
    /** Changes to a better transport, found by looking for one, and to a lesser one, after a loss. */
    movesUp: number;
    movesDown: number;
    transports: Partial<Record<TransportName, TransportMetrics>>;
    /** Frames that wait for a reply. */
    waiting: number;
}
export interface JoinOptions {
    /** Position after which events are wanted. */
    since?: string;
    /** Begin with the last so many events. */
    history?: number;
    /** Keep `members` up to date. */
    presence?: boolean;
    /** My state, as others see it in presence. */
    state?: object;
    /** A token for this room alone, which adds to what mine allows; or a function that fetches one, called again when the last is over. */
    token?: string | (() => string | Promise<string>);
}
/** The hub has taken this session out of a room. It isn't joined again by itself, unless `returning`. */
export interface Removed {
    room: string;
    /** `kicked`, `banned`, `token` (what allowed it is over), `revoked`, `backend`; `refused`: a new session could not join it again. */
    reason: string;
    /** What the hub says. */
    error: CrosspointError;
    /** `banned`: until when (ms since 1970); absent: until somebody ends it. */
    until: number | undefined;
    /** It is being joined again: with a new token, or when the hub takes joins again. What happens meanwhile follows. */
    returning: boolean;
}
/** Something was done about a user in a room. */
export interface Moderated {
    action: string;
    user: string;
    /** Until when (ms since 1970); absent: until somebody ends it. */
    until?: number;
    by?: string;
    reason?: string;
}
/** For who may `moderate` a room; all calls fail with `forbidden` otherwise. Without `forMs` it holds until it is undone; `reason` is shown to the user. */
export interface Moderation {
    /** They may not publish there; they go on reading. */
    mute(user: string, options?: {
        forMs?: number;
        reason?: string;
    }): Promise<{
        until?: number;
    }>;
    unmute(user: string): Promise<{
        until?: number;
    }>;
    /** Takes them out of the room; they may come back. */
    kick(user: string, options?: {
        reason?: string;
    }): Promise<{
        until?: number;
    }>;
    /** Takes them out, and keeps them out. */
    ban(user: string, options?: {
        forMs?: number;
        reason?: string;
    }): Promise<{
        until?: number;
    }>;
    unban(user: string): Promise<{
        until?: number;
    }>;
    /** Who is muted or banned. */
    list(): Promise<Moderated[]>;
}
export interface HistoryOptions {
    since?: string;
    before?: string;
    limit?: number;
}
export interface PublishResult {
    id: string;
    offset?: number;
    position?: string;
    ts: number;
    duplicate?: boolean;
}
/** A publish under way; resolves once the hub has stored it. */
export interface Publish extends PromiseLike<PublishResult> {
    readonly id: string;
    readonly status: Status;
    /** Called at each change, and at once with the status it has. */
    onStatus(fn: (status: Status, error?: CrosspointError) => void): () => void;
    catch<T>(fn: (error: CrosspointError) => T | PromiseLike<T>): Promise<PublishResult | T>;
}
export interface PresenceChange {
    join: Member[];
    update: Member[];
    leave: string[];
    members: Map<string, Member>;
}
export interface JoinResult {
    recovered?: boolean;
    members?: Member[];
    position?: string;
}
/** A happening of the room itself, by its reserved name. */
export interface RoomHappenings {
    presence: PresenceChange;
    gap: Gap;
    join: JoinResult;
    removed: Removed;
    /** A backend put me there. */
    added: JoinResult;
    /** Told to the user it is about, and to who may moderate. */
    moderated: Moderated;
}
export interface Room {
    readonly name: string;
    /** The hub has this session in the room, as far as is known. */
    readonly joined: boolean;
    /** Why the hub has taken this session out, until it is in again. */
    readonly removed: Removed | null;
    readonly moderation: Moderation;
    /** By user; kept up to date with `presence: true`. */
    readonly members: Map<string, Member>;
    /** Position of the newest event seen. */
    readonly position: string | null;
    /** Audio and video with whoever is in the room (docs/calls.md). */
    readonly call: Call;
    /** Straight from browser to browser where that works (docs/peers.md). */
    readonly peers: Peers;
    /** Files of any size, to and from these peers (docs/files.md). */
    readonly files: Files;
    /** `options` are added to the room's. */
    join(options?: JoinOptions): Promise<JoinResult>;
    leave(): Promise<void>;
    /** `keep: false`: a reload forgets it, even if there is a store (`Options.offline`). */
    publish(type: string, data?: unknown, options?: {
        id?: string;
        echo?: boolean;
        keep?: boolean;
    }): Publish;
    /** May be dropped; of those with one key the newest wins. */
    volatile(type: string, data?: unknown, key?: string): void;
    history(options?: HistoryOptions): Promise<{
        events: RoomEvent[];
        position: string;
        complete: boolean;
    }>;
    presence(): Promise<Member[]>;
    setState(state: object): Promise<void>;
    on<K extends keyof RoomHappenings>(type: K, fn: (value: RoomHappenings[K]) => void): () => void;
    on<T = any>(type: string, fn: (event: RoomEvent<T>) => void): () => void;
    off(type: string, fn: (value: any) => void): void;
}
export interface Client {
    readonly state: State;
    readonly transport: TransportName | null;
    /** What the hub offers to this client, best first; empty before the first negotiation. */
    readonly offered: readonly TransportName[];
    readonly session: string | null;
    readonly user: string | null;
    /** Round-trip time (ms). */
    readonly rtt: number | null;
    readonly counters: Counters;
    readonly queue: Queue;
    /** Calls that ring (docs/calls.md). */
    readonly calls: Calls;
    /** The first welcome; rejects when the client ends before it. */
    ready(): Promise<void>;
    on<K extends keyof ClientEvents>(event: K, fn: (value: ClientEvents[K]) => void): () => void;
    once<K extends keyof ClientEvents>(event: K, fn: (value: ClientEvents[K]) => void): () => void;
    off<K extends keyof ClientEvents>(event: K, fn: (value: ClientEvents[K]) => void): void;
    /** The same object for the same name. */
    room(name: string, options?: JoinOptions): Room;
    /** `to`: `user:…`, `session:…` or `service:…`. */
    send(to: string, type: string, data?: unknown, options?: {
        volatile?: boolean | string;
    }): void;
    /** Resolves once it is on its way to all sessions of the user. It waits for a link like a publish; its id is in `status` events. */
    sendToUser(user: string, type: string, data?: unknown, options?: {
        id?: string;
    }): Promise<{
        delivered: number;
    }>;
    /** Sends what is large to `session:…` or `service:…` by a session and a link of its own, so that it delays nothing else. Resolves once it
     * is on its way to the receiver, who gets it as a `message` with `bulk`; those to one receiver come in order, each once. At most 16 are
     * on their way at a time (fewer where the hub wants that), `queueMax` more may wait. Fails with `not_found`, `forbidden`, `timeout` (the
     * receiver took nothing for the hub's `resume_ms`), `frame_too_large`, `limit_exceeded`, `unavailable` (this hub takes no bulk), `bye` (`signal`
     * was aborted: what had left may come all the same). Sent again with the same `id` within a minute of its reply it is not delivered twice. */
    sendBulk(to: string, type: string, data?: unknown, options?: {
        signal?: AbortSignal;
        id?: string;
    }): Promise<{
        delivered: number;
    }>;
    /** How many bytes one `sendBulk` may have at this hub; `Infinity` until it is known. */
    readonly bulkBytesMax: number;
    request<T = any>(to: string, type: string, data?: unknown, options?: {
        timeoutMs?: number;
    }): Promise<T>;
    /** Answers requests of this type; what the handler throws is the asker's error. */
    onRequest(type: string, handler: (data: any, context: {
        from: Sender;
    }) => unknown): () => void;
    attach(service: string): Promise<void>;
    detach(service: string): Promise<void>;
    /** Asks for an `ended` event when that session is over. A new session of mine watches nobody. */
    watch(session: string): Promise<void>;
    unwatch(session: string): Promise<void>;
    /** Resolves when the new link carries the session. */
    moveTo(transport: TransportName): Promise<void>;
    /** Changes what may be used; a transport that no longer may is left. */
    allow(transports: string[]): void;
    getPerformanceMetrics(): PerformanceMetrics;
    /** Gives the hub a new token for the running session. */
    refresh(token: string): Promise<void>;
    /** Says goodbye; the session is over. */
    close(): void;
    readonly debug: {
        /** Cuts the current link without a goodbye. */
        killLink(): void;
    };
}
