/** What to do after an error: try again at once (then with backoff), with backoff, with a new token, or not at all. */
export type Retry = 'now' | 'backoff' | 'refresh' | 'never';

type Row = readonly [close: number, retry: Retry, message: string];

/** The protocol's one table of codes (docs/protocol.md, "Codes"). */
const TABLE = {
  bad_frame: [4400, 'never', 'a message is not a valid frame'],
  bad_request: [4405, 'never', 'a field or the data does not have the shape this type wants'],
  unknown_type: [4406, 'never', 'no such hub: type'],
  unauthorized: [4401, 'refresh', 'Authentication error: Invalid token'],
  token_expired: [4402, 'refresh', "the token's time is over"],
  token_revoked: [4415, 'refresh', 'the token was revoked'],
  forbidden: [4403, 'never', 'the grant does not allow it'],
  not_found: [4404, 'never', 'no such room, user, session, service or link'],
  not_joined: [4407, 'never', 'join the room first'],
  muted: [4416, 'never', 'the user may not publish in this room for now'],
  banned: [4417, 'never', 'the user may not be in this room for now'],
  hello_timeout: [4408, 'backoff', 'no hello in time'],
  replaced: [4409, 'never', 'another link carries the session now'],
  session_expired: [4410, 'now', 'the session is gone'],
  heartbeat_timeout: [4411, 'now', 'nothing heard for too long'],
  out_of_order: [4412, 'now', 'frames are missing before these'],
  frame_too_large: [1009, 'never', 'larger than frame_bytes_max or post_bytes_max'],
  limit_exceeded: [4413, 'never', 'a limit is exceeded'],
  idempotency_mismatch: [4418, 'never', 'the idempotency key came before with another request'],
  version_unsupported: [4426, 'never', 'this hub does not speak that version'],
  rate_limited: [4429, 'backoff', 'too fast'],
  slow_consumer: [4430, 'backoff', 'the client reads too slowly'],
  timeout: [4504, 'backoff', 'no answer in time'],
  shutdown: [1012, 'now', 'the hub restarts'],
  unavailable: [4503, 'backoff', 'the hub does not answer or is full'],
  bad_origin: [4420, 'never', 'pages of this origin may not connect'],
  internal: [4500, 'backoff', 'a fault of the hub'],
  bye: [1000, 'never', 'the session ended as asked'],
} as const satisfies Record<string, Row>;

/** The stable codes of the protocol. A newer hub may send others. */
export type Code = keyof typeof TABLE;

const ROWS = TABLE as Record<string, Row | undefined>;
const BY_CLOSE = new Map<number, string>(Object.entries(TABLE).map(([code, row]) => [row[0], code]));

/** How to go on after `code`; codes this version doesn't know are tried again with backoff. */
export function retryOf(code: string): Retry {
  return ROWS[code]?.[1] ?? 'backoff';
}

/** The code that a WebSocket close code stands for. */
export function codeOfClose(close: number): string {
  if (close === 1000) return 'unavailable';
  return BY_CLOSE.get(close) ?? 'unavailable';
}

/** An error with a stable code of the protocol and what to do about it. */
export class CrosspointError extends Error {
  override readonly name = 'CrosspointError';
  readonly code: string;
  readonly retry: Retry;
  /** Wait at least so long before the next attempt (ms). */
  readonly retryAfterMs: number | undefined;
  /** The hub to ask instead (an absolute http(s) URL). */
  readonly address: string | undefined;
  constructor(code: string, message?: string, retry?: Retry, retryAfterMs?: number, address?: string) {
    super(message || ROWS[code]?.[2] || code);
    this.code = code;
    this.retry = retry ?? retryOf(code);
    this.retryAfterMs = retryAfterMs;
    this.address = address;
  }

  /** Reads `{code, message, retry, retry_after_ms?, address?}`, as `hub:close`, `hub:error` and HTTP errors carry it. */
  static from(data: unknown, fallback = 'internal'): CrosspointError {
    const d = (typeof data === 'object' && data !== null ? data : {}) as Record<string, unknown>;
    const code = typeof d.code === 'string' ? d.code : fallback;
    const retry = ['now', 'backoff', 'refresh', 'never'].includes(d.retry as string) ? (d.retry as Retry) : undefined;
    const after = typeof d.retry_after_ms === 'number' && d.retry_after_ms >= 0 ? d.retry_after_ms : undefined;
    const address = typeof d.address === 'string' ? d.address : undefined;
    return new CrosspointError(code, typeof d.message === 'string' ? d.message : undefined, retry, after, address);
  }
}
