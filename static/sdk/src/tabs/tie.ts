import type { Connector, ConnectorHooks } from '../connector.js';
import type { Core } from '../core.js';
import type { Frame } from '../frame.js';
import type { TransportName } from '../links/link.js';
import type { PageHooks } from '../page.js';

/** What binds a client to those of other tabs that share its session. */
export interface Tie {
  /** This tab has the link. */
  readonly leads: boolean;
  /** What carries the session, whichever tab has it. */
  readonly transport: TransportName | null;
  /** What the connector says is for all tabs. */
  connectorHooks(hooks: ConnectorHooks): ConnectorHooks;
  pageHooks(hooks: PageHooks): PageHooks;
  /** The client is complete: begins. */
  bind(core: Core, connector: Connector): void;
  /** Whether a new session begins with this frame, which the last one left unanswered; `null`: as without tabs. */
  again(frame: Frame): boolean | null;
  /** The hub has taken a new token. */
  renewed(token: string): void;
  /** This tab leaves the others. `false`: there are none, the session ends with it. */
  leave(): boolean;
}
