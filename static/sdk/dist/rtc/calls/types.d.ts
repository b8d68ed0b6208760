import type { Sender } from '../../frame.js';
import type { Room } from '../../types.js';
import type { Via } from '../types.js';
/** What I send. */
export interface CallMedia {
    /** My microphone: `true`, or constraints. */
    audio?: boolean | MediaTrackConstraints;
    /** My camera. */
    video?: boolean | MediaTrackConstraints;
    /** Tracks to send instead (at most one of each kind). They stay the application's: leaving the call doesn't stop them. */
    stream?: MediaStream;
}
export interface CallOptions extends CallMedia {
    /** With how many others there may be a call. Default 8, at most 32. */
    max?: number;
}
/** Someone else in the call. */
export interface CallPeer {
    session: string;
    user: string;
    /** From the peer's grant. */
    info?: Record<string, unknown>;
    /** The peer's microphone is on. */
    audio: boolean;
    /** The peer's camera, or screen, is on. */
    video: boolean;
    /** What comes from the peer; the same object as long as the peer is in the call. `null`: nothing yet. */
    stream: MediaStream | null;
    /** `hub`: there is no direct path now, so nothing is seen or heard. */
    via: Via;
}
export interface CallState {
    joined: boolean;
    audio: boolean;
    video: boolean;
    /** Why I am no longer in it, if I didn't leave myself. */
    error?: Error;
}
export interface CallEvents {
    join: CallPeer;
    /** `code`: why its session ended, if that was it; `replaced`: it goes on as another session, whose `join` follows. */
    leave: {
        session: string;
        user: string;
        code?: string;
    };
    /** Muted or not, or another path. */
    update: CallPeer;
    /** Something comes from this peer. */
    stream: {
        peer: CallPeer;
        stream: MediaStream;
    };
    /** My own. */
    state: CallState;
}
/** The call of a room: who is in it sends to all others directly. */
export interface Call {
    readonly joined: boolean;
    /** My microphone is on. */
    readonly audio: boolean;
    /** My camera, or screen, is on. */
    readonly video: boolean;
    /** What I send. */
    readonly stream: MediaStream | null;
    /** The others in it; also seen by those on the roster of peers who aren't in it. */
    readonly list: readonly CallPeer[];
    /** The room must have been joined. Fails with `not_found` (no such device), `forbidden` (not allowed to use it, or to be a peer here), `unavailable` (it is in use, or this
     * page can't), `limit_exceeded` (the call is full), `not_joined`. */
    join(options?: CallOptions): Promise<readonly CallPeer[]>;
    /** Hangs up: lets the devices go, and stops my ringing for this room. */
    leave(): Promise<void>;
    /** `true` mutes, `false` unmutes; the others are told. Fails with `not_joined`, and `not_found` when there is nothing to unmute. */
    mute(what: {
        audio?: boolean;
        video?: boolean;
    }): Promise<void>;
    /** Sends this track instead of the present one of its kind (another camera, a screen), or adds it; `null` ends that kind. What the SDK opened is stopped. */
    replaceTrack(kind: 'audio' | 'video', track: MediaStreamTrack | null): Promise<void>;
    /** Has the call ring for these users. */
    ring(users: string | readonly string[], options?: RingOptions): Promise<OutgoingCall>;
    on<K extends keyof CallEvents>(event: K, fn: (value: CallEvents[K]) => void): () => void;
    once<K extends keyof CallEvents>(event: K, fn: (value: CallEvents[K]) => void): () => void;
    off<K extends keyof CallEvents>(event: K, fn: (value: CallEvents[K]) => void): void;
}
export interface RingOptions {
    /** For the application of whoever is called (a few KiB at most). */
    data?: unknown;
    /** How long it rings (ms). Default 30,000; 1,000 to 300,000. */
    timeoutMs?: number;
}
/** `calling`: nobody has said yet that it rings there. All but the first two are final. */
export type RingState = 'calling' | 'ringing' | 'accepted' | 'declined' | 'busy' | 'no_answer' | 'offline' | 'cancelled' | 'failed';
/** How far it is with one user. */
export interface Ringing {
    user: string;
    state: RingState;
    /** The session that answered. */
    session?: string;
    /** As the user gave it, or the code of what failed. */
    reason?: string;
}
export interface OutgoingCallEvents {
    update: Ringing;
    /** Nobody is left who may still answer. */
    end: readonly Ringing[];
}
/** Users that I have called. */
export interface OutgoingCall {
    readonly id: string;
    readonly room: string;
    readonly users: readonly Ringing[];
    /** Resolves when nobody is left who may still answer. */
    readonly ended: Promise<readonly Ringing[]>;
    /** Stops ringing for this user, or all. */
    cancel(user?: string): void;
    on<K extends keyof OutgoingCallEvents>(event: K, fn: (value: OutgoingCallEvents[K]) => void): () => void;
    once<K extends keyof OutgoingCallEvents>(event: K, fn: (value: OutgoingCallEvents[K]) => void): () => void;
    off<K extends keyof OutgoingCallEvents>(event: K, fn: (value: OutgoingCallEvents[K]) => void): void;
}
/** Why a call rings no more. `gone`: the caller's session has ended. */
export type RingEnd = 'accepted' | 'declined' | 'busy' | 'cancelled' | 'no_answer' | 'gone';
export interface CallEnd {
    reason: RingEnd;
    /** It was this page that answered. */
    here: boolean;
}
/** Someone calls. */
export interface IncomingCall {
    readonly id: string;
    readonly room: string;
    readonly from: Required<Sender>;
    readonly data: any;
    /** It rings. */
    readonly ringing: boolean;
    /** Opens the devices, joins the room, answers, and joins its call. Fails with `replaced` (answered elsewhere), `not_found` (it rings no more), `timeout`, and as `room.join` and
     * `room.call.join` do; after a device or the room failed it still rings. */
    accept(options?: CallOptions): Promise<Room>;
    /** For all tabs and devices of mine. Without effect once it is accepted. */
    decline(reason?: string): void;
    on(event: 'end', fn: (end: CallEnd) => void): () => void;
    once(event: 'end', fn: (end: CallEnd) => void): () => void;
    off(event: 'end', fn: (end: CallEnd) => void): void;
}
export interface CallsEvents {
    incoming: IncomingCall;
    /** It rings no more, here at least. */
    end: CallEnd & {
        call: IncomingCall;
    };
}
/** Calls that ring, in whichever room. */
export interface Calls {
    /** Those that ring here. */
    readonly list: readonly IncomingCall[];
    /** Let it ring while this page is in another room's call; else that is answered with `busy`. Default `false`. */
    waiting: boolean;
    ring(room: string, users: string | readonly string[], options?: RingOptions): Promise<OutgoingCall>;
    on<K extends keyof CallsEvents>(event: K, fn: (value: CallsEvents[K]) => void): () => void;
    once<K extends keyof CallsEvents>(event: K, fn: (value: CallsEvents[K]) => void): () => void;
    off<K extends keyof CallsEvents>(event: K, fn: (value: CallsEvents[K]) => void): void;
}
