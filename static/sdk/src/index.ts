import { ClientImpl } from './client.js';
import { canShare, SharedClient } from './tabs/client.js';
import type { Client, Options } from './types.js';

/** Connects to the hub at `url` (`http(s):` or `ws(s):`; in a page also relative to it). Returns at once and connects in the background. */
export function connect(url: string, options: Options = {}): Client {
  return options.tabs === 'shared' && canShare() ? new SharedClient(url, options) : new ClientImpl(url, options);
}

export { CrosspointError, type Code, type Retry } from './codes.js';
export { VERSION as version } from './version.js';
export type { BackoffOptions } from './backoff.js';
export type { Frame, Sender } from './frame.js';
export type { TransportName } from './links/link.js';
export type * from './types.js';
