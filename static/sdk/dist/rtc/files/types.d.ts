import type { CrosspointError } from '../../codes.js';
import type { Via } from '../types.js';
/** `offered`: nothing has been decided; `active`: it flows, or could; `waiting`: the other end is away, and may come back; `done`, `failed`: it is over. */
export type FileState = 'offered' | 'active' | 'waiting' | 'done' | 'failed';
export interface FileSendOptions {
    /** One or several of `session:…` and `user:…` (all sessions of theirs). Default: everyone on the roster of peers. */
    to?: string | string[];
    /** Default: the file's own name, or `file`. At most 255 characters. */
    name?: string;
    /** The media type, parameters and all. Default: the file's own. At most 127 characters. */
    type?: string;
    /** Anything with a JSON form of at most 4 KiB; the offer shows it. */
    meta?: unknown;
    onProgress?: (progress: FileProgress) => void;
    /** Cancels the transfers to all receivers. */
    signal?: AbortSignal;
}
export interface FileAcceptOptions {
    onProgress?: (progress: FileProgress) => void;
    /** Where the bytes go instead of the store: they come in order. It is closed once the checksum is right, else aborted. */
    sink?: FileSink;
}
/** What takes a file piece by piece; a `FileSystemWritableFileStream` is one. */
export interface FileSink {
    write(bytes: Uint8Array): unknown;
    close(): unknown;
    abort?(reason?: unknown): unknown;
}
export interface FileProgress {
    /** Bytes that the receiver has. */
    bytes: number;
    size: number;
    transfer: FileTransfer;
}
export interface FileTransferEvents {
    progress: FileProgress;
    state: {
        state: FileState;
        previous: FileState;
        error: CrosspointError | null;
    };
    /** The way has changed. */
    path: {
        via: Via;
    };
}
/** A file on its way between this session and another one. */
export interface FileTransfer {
    /** The same at both ends, and after a reload. */
    readonly id: string;
    readonly name: string;
    /** The media type, as the sender says. */
    readonly type: string;
    /** In bytes. */
    readonly size: number;
    readonly meta: unknown;
    /** The other end. Its session may change. */
    readonly peer: {
        readonly user: string;
        readonly session: string;
    };
    readonly state: FileState;
    /** Bytes that the receiver has. */
    readonly bytes: number;
    /** How it goes now. */
    readonly via: Via;
    /** Why it failed. */
    readonly error: CrosspointError | null;
    /** Ends it at both ends, with `cancelled`. Has no effect once it is over. */
    cancel(reason?: string): void;
    on<K extends keyof FileTransferEvents>(event: K, fn: (value: FileTransferEvents[K]) => void): () => void;
    off<K extends keyof FileTransferEvents>(event: K, fn: (value: FileTransferEvents[K]) => void): void;
}
export interface FileUpload extends FileTransfer {
    /** Resolves when the receiver has the whole file, and its checksum is right. Rejects with `declined`, `cancelled`, `checksum`, `unreadable` (the file
     * has changed), `forbidden` (only the hub can be reached, and it relays no files here), `limit_exceeded` (the receiver has no room), `timeout`
     * (the receiver was away too long), or `bye` (I left). */
    readonly delivered: Promise<void>;
}
export interface FileOffer extends FileTransfer {
    /** Bytes that are here already, from before a reload. */
    readonly held: number;
    /** Resolves with the file, checked, or with `null` where a sink took it. Rejects with `cancelled`, `checksum`, `limit_exceeded` (no room), `timeout` (the sender was away too
     * long), `bye` (one of us left), or `unwritable` (the sink or the store failed). */
    accept(options?: FileAcceptOptions): Promise<File | null>;
    /** The sender gets `declined` with this text. */
    decline(reason?: string): void;
}
export interface FileEvents {
    /** Someone sends a file. Without an answer it waits until the sender gives up. */
    offer: FileOffer;
}
/** Files from and to the peers of a room. */
export interface Files {
    /** Offers a file, to each receiver on its own. Rejects with `not_joined` (`room.peers.join()` comes first), `not_found` (nobody of that name is on the roster), or
     * `limit_exceeded` (a name, a type or `meta` is too long, or too many are under way). Nobody on the roster: there are no transfers. */
    send(file: Blob | Uint8Array, options?: FileSendOptions): Promise<FileUpload[]>;
    /** Under way, the oldest first. */
    readonly list: readonly FileTransfer[];
    on<K extends keyof FileEvents>(event: K, fn: (value: FileEvents[K]) => void): () => void;
    once<K extends keyof FileEvents>(event: K, fn: (value: FileEvents[K]) => void): () => void;
    off<K extends keyof FileEvents>(event: K, fn: (value: FileEvents[K]) => void): void;
}
