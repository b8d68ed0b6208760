import type { BackoffOptions } from '../backoff.js';
import type { Options } from '../types.js';
import type { Auth, ManagerOptions } from './types.js';

type Families = NonNullable<Options['transports']>;

const FAMILIES: Record<string, Families[number]> = { polling: 'sse', sse: 'sse', websocket: 'websocket', webtransport: 'webtransport' };

/** The SDK's options for socket.io's. */
export function clientOptions(
  opts: ManagerOptions,
  backoff: BackoffOptions,
  queueMax: number,
  auth: Auth | undefined,
): Options {
  const options: Options = { backoff, queueMax };
  const { transports, timeout, user, info, fetch: fetchFn, WebSocket: Socket } = opts;
  if (transports) options.transports = transports.flatMap((name) => FAMILIES[name] ?? []);
  if (timeout !== undefined) options.connectTimeoutMs = timeout;
  if (user !== undefined) options.user = user;
  if (info !== undefined) options.info = info;
  if (Socket) options.WebSocket = Socket;
  if (fetchFn) options.fetch = fetchFn;
  else if (opts.withCredentials) options.fetch = (input, init) => fetch(input, { ...init, credentials: 'include' });
  const { token = tokenOf(auth) } = opts;
  if (token !== null) options.token = token;
  return options;
}

/** The token in what a page gives socket.io as `auth`, if it is one that the hub could know. */
function tokenOf(auth: Auth | undefined): Options['token'] | null {
  if (typeof auth !== 'function') return tokenIn(auth) || null;
  return async () => tokenIn(await new Promise((resolve) => auth(resolve)));
}

function tokenIn(data: Record<string, unknown> | undefined): string {
  const token = data?.token;
  return typeof token === 'string' && /^[\w-]+\.[\w-]+\.[\w-]+$/.test(token) ? token : '';
}
