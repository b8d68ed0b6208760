import type { Clock } from '../clock.js';
import { CrosspointError } from '../codes.js';

export interface PostOptions {
  headers?: Record<string, string>;
  /** Given up if the answer has not been read by then (ms). */
  deadlineMs?: number;
  /** Goes on when the page goes away. */
  keepalive?: boolean;
  signal?: AbortSignal;
}

/** The hub said nothing: the request hung, or something in between answered. */
export class PathError extends CrosspointError {
  constructor(
    /** `overslept`: it may have hung, but the deadline came so late that nobody can tell. `refused`: this request will not pass here;
     * `answered`: what is behind isn't there, or too busy. */
    readonly kind: 'hung' | 'overslept' | 'refused' | 'answered',
    code: string,
    message: string,
    retryAfterMs?: number,
  ) {
    super(code, message, undefined, retryAfterMs);
  }
}

/** A timer so much later than due says more of this machine than of any path (ms). */
const LATE_MS = 1_000;

/** One POST and the reading of its answer. Rejects with `CrosspointError` only. */
export async function post<T>(
  clock: Clock,
  fetchFn: typeof fetch,
  url: string,
  body: string,
  read: (response: Response) => Promise<T>,
  options: PostOptions = {},
): Promise<T> {
  const abort = new AbortController();
  let late: 'hung' | 'overslept' | null = null;
  const due = clock.now() + (options.deadlineMs ?? 0);
  const onAbort = () => abort.abort();
  if (options.signal?.aborted) abort.abort();
  options.signal?.addEventListener('abort', onAbort);
  const cancel = options.deadlineMs
    ? clock.after(options.deadlineMs, () => {
        late = clock.now() > due + LATE_MS ? 'overslept' : 'hung';
        abort.abort();
      })
    : undefined;
  try {
    const response = await fetchFn(url, {
      method: 'POST',
      body,
      headers: { 'content-type': 'text/plain;charset=UTF-8', ...options.headers },
      signal: abort.signal,
      keepalive: options.keepalive ?? false,
      cache: 'no-store',
      credentials: 'same-origin',
    });
    if (!response.ok) throw await errorOf(response, clock);
    return await read(response);
  } catch (error) {
    if (late) throw new PathError(late, 'timeout', `no answer from ${url} within ${Math.round(options.deadlineMs ?? 0)} ms`);
    if (error instanceof CrosspointError) throw error;
    throw new CrosspointError('unavailable', `${url}: ${describe(error)}`);
  } finally {
    cancel?.();
    options.signal?.removeEventListener('abort', onAbort);
  }
}

function describe(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? `: ${error.cause.message}` : '';
  return `${error instanceof Error ? error.message : String(error)}${cause}`;
}

/** An answer that isn't the hub's JSON came from something in between: worth another try, unless it says "too large". */
async function errorOf(response: Response, clock: Clock): Promise<CrosspointError> {
  const after = retryAfter(response.headers.get('retry-after'), clock);
  try {
    const { error } = (await response.json()) as { error?: { code?: unknown } };
    if (typeof error?.code === 'string') return CrosspointError.from({ retry_after_ms: after, ...error });
  } catch {
    // Not the hub's.
  }
  const { status } = response;
  const code = status === 413 ? 'frame_too_large' : status === 429 ? 'rate_limited' : 'unavailable';
  return new PathError(status >= 500 || status === 429 ? 'answered' : 'refused', code, `${response.url} answered ${status}`, after);
}

/** `Retry-After` (RFC 9110 §10.2.3): seconds, or a date. */
function retryAfter(value: string | null, clock: Clock): number | undefined {
  if (!value) return undefined;
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - clock.date();
  return ms >= 0 ? ms : undefined;
}

/** Whether the same request may well succeed in a moment. */
export function isPassing(error: CrosspointError): boolean {
  return ['timeout', 'unavailable', 'internal', 'rate_limited'].includes(error.code);
}
