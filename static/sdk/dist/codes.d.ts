/** What to do after an error: try again at once (then with backoff), with backoff, with a new token, or not at all. */
export type Retry = 'now' | 'backoff' | 'refresh' | 'never';
/** The protocol's one table of codes (docs/protocol.md, "Codes"). */
declare const TABLE: {
    readonly bad_frame: readonly [4400, "never", "a message is not a valid frame"];
    readonly bad_request: readonly [4405, "never", "a field or the data does not have the shape this type wants"];
    readonly unknown_type: readonly [4406, "never", "no such hub: type"];
    readonly unauthorized: readonly [4401, "refresh", "Authentication error: Invalid token"];
    readonly token_expired: readonly [4402, "refresh", "the token's time is over"];
    readonly token_revoked: readonly [4415, "refresh", "the token was revoked"];
    readonly forbidden: readonly [4403, "never", "the grant does not allow it"];
    readonly not_found: readonly [4404, "never", "no such room, user, session, service or link"];
    readonly not_joined: readonly [4407, "never", "join the room first"];
    readonly muted: readonly [4416, "never", "the user may not publish in this room for now"];
    readonly banned: readonly [4417, "never", "the user may not be in this room for now"];
    readonly hello_timeout: readonly [4408, "backoff", "no hello in time"];
    readonly replaced: readonly [4409, "never", "another link carries the session now"];
    readonly session_expired: readonly [4410, "now", "the session is gone"];
    readonly heartbeat_timeout: readonly [4411, "now", "nothing heard for too long"];
    readonly out_of_order: readonly [4412, "now", "frames are missing before these"];
    readonly frame_too_large: readonly [1009, "never", "larger than frame_bytes_max or post_bytes_max"];
    readonly limit_exceeded: readonly [4413, "never", "a limit is exceeded"];
    readonly idempotency_mismatch: readonly [4418, "never", "the idempotency key came before with another request"];
    readonly version_unsupported: readonly [4426, "never", "this hub does not speak that version"];
    readonly rate_limited: readonly [4429, "backoff", "too fast"];
    readonly slow_consumer: readonly [4430, "backoff", "the client reads too slowly"];
    readonly timeout: readonly [4504, "backoff", "no answer in time"];
    readonly shutdown: readonly [1012, "now", "the hub restarts"];
    readonly unavailable: readonly [4503, "backoff", "the hub does not answer or is full"];
    readonly bad_origin: readonly [4420, "never", "pages of this origin may not connect"];
    readonly internal: readonly [4500, "backoff", "a fault of the hub"];
    readonly bye: readonly [1000, "never", "the session ended as asked"];
};
/** The stable codes of the protocol. A newer hub may send others. */
export type Code = keyof typeof TABLE;
/** How to go on after `code`; codes this version doesn't know are tried again with backoff. */
export declare function retryOf(code: string): Retry;
/** The code that a WebSocket close code stands for. */
export declare function codeOfClose(close: number): string;
/** An error with a stable code of the protocol and what to do about it. */
export declare class CrosspointError extends Error {
    readonly name = "CrosspointError";
    readonly code: string;
    readonly retry: Retry;
    /** Wait at least so long before the next attempt (ms). */
    readonly retryAfterMs: number | undefined;
    /** The hub to ask instead (an absolute http(s) URL). */
    readonly address: string | undefined;
    constructor(code: string, message?: string, retry?: Retry, retryAfterMs?: number, address?: string);
    /** Reads `{code, message, retry, retry_after_ms?, address?}`, as `hub:close`, `hub:error` and HTTP errors carry it. */
    static from(data: unknown, fallback?: string): CrosspointError;
}
export {};
