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
  let late = false;
  const onAbort = () => abort.abort();
  if (options.signal?.aborted) abort.abort();
  options.signal?.addEventListener('abort', onAbort);
  const cancel = options.deadlineMs
    ? clock.after(options.deadlineMs, () => {
        late = true;
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
    if (!response.ok) throw await errorOf(response);
    return await read(response);
  } catch (error) {
    if (error instanceof CrosspointError) throw error;
    throw late
      ? new CrosspointError('timeout', `no answer from ${url} within ${options.deadlineMs} ms`)
      : new CrosspointError('unavailable', `${url}: ${describe(error)}`);
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
async function errorOf(response: Response): Promise<CrosspointError> {
  try {
    const body = (await response.json()) as { error?: { code?: unknown } };
    if (typeof body.error?.code === 'string') return CrosspointError.from(body.error);
  } catch {
    // Not the hub's.
  }
  const code = response.status === 413 ? 'frame_too_large' : response.status === 429 ? 'rate_limited' : 'unavailable';
  const after = Number(response.headers.get('retry-after')) * 1000 || undefined;
  return new CrosspointError(code, `${response.url} answered ${response.status}`, undefined, after);
}

/** Whether the same request may well succeed in a moment. */
export function isPassing(error: CrosspointError): boolean {
  return ['timeout', 'unavailable', 'internal', 'rate_limited'].includes(error.code);
}
