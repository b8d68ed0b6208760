import type { Connector, ConnectorHooks } from '../connector.js';
import type { Core } from '../core.js';
import type { Frame } from '../frame.js';
import type { TransportName } from '../links/link.js';
import type { PageHooks } from '../page.js';
import type { Tie } from './tie.js';

/** Stands in for the tie to other tabs until that is loaded, and for good where it can't be. */
export class Late implements Tie {
  private tie: Tie | null = null;
  /** This tab has a session of its own. */
  alone = false;
  private core!: Core;
  private connector!: Connector;
  private hooks!: ConnectorHooks;
  private tied!: ConnectorHooks;
  private page!: PageHooks;

  get leads(): boolean {
    return this.tie?.leads ?? this.alone;
  }

  get transport(): TransportName | null {
    return this.tie ? this.tie.transport : (this.connector.current?.transport ?? null);
  }

  connectorHooks(hooks: ConnectorHooks): ConnectorHooks {
    this.hooks = this.tied = hooks;
    return late(hooks, () => this.tied);
  }

  pageHooks(hooks: PageHooks): PageHooks {
    this.page = hooks;
    return late(hooks, () => this.page);
  }

  bind(core: Core, connector: Connector): void {
    this.core = core;
    this.connector = connector;
    connector.idle = true;
  }

  again(frame: Frame): boolean | null {
    return this.tie?.again(frame) ?? null;
  }

  renewed(token: string): void {
    this.tie?.renewed(token);
  }

  leave(): boolean {
    return this.tie?.leave() ?? false;
  }

  become(tie: Tie): void {
    this.tie = tie;
    this.tied = tie.connectorHooks(this.hooks);
    this.page = tie.pageHooks(this.page);
    tie.bind(this.core, this.connector);
  }

  /** There is nothing to share with. */
  giveUp(): void {
    this.alone = true;
    this.connector.idle = false;
    this.connector.connect();
  }
}

/** Calls what `now` has at the moment. */
function late<T extends object>(hooks: T, now: () => T): T {
  const call = (name: string) => (...args: unknown[]) => (now() as Record<string, (...args: unknown[]) => unknown>)[name]!(...args);
  return Object.fromEntries(Object.keys(hooks).map((name) => [name, call(name)])) as T;
}
