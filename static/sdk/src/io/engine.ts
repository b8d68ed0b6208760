import type { ClientImpl } from '../client.js';
import type { TransportName } from '../links/link.js';
import { Emitter } from './emitter.js';

/** A transport by socket.io's name: SSE, by stream or poll, is `polling`. */
export interface EngineTransport {
  name: 'websocket' | 'polling' | 'webtransport';
}

export interface EngineEvents {
  open: () => void;
  /** The session has moved to a better transport. */
  upgrade: (transport: EngineTransport) => void;
  close: (reason: string, description?: unknown) => void;
}

/** What pages look at in `socket.io.engine`. */
export class Engine extends Emitter<EngineEvents> {
  id: string | null = null;
  readyState: 'opening' | 'open' | 'closed' = 'opening';
  transport: EngineTransport;

  /** @internal */
  constructor(
    private readonly client: ClientImpl,
    expected: EngineTransport['name'],
  ) {
    super();
    this.transport = { name: expected };
  }

  /** Cuts the link, as a lost network would. */
  close(): this {
    this.client.debug.killLink();
    return this;
  }

  /** @internal */
  opened(session: string): void {
    this.id = session;
    this.readyState = 'open';
    this.tell('open');
  }

  /** @internal */
  closed(reason: string, description?: unknown): void {
    this.readyState = 'closed';
    this.tell('close', reason, description);
  }

  /** @internal */
  moved(transport: TransportName | null, upgrade: boolean): void {
    if (transport === null) return;
    const name = nameOf(transport);
    if (name === this.transport.name) return;
    this.transport = { name };
    if (upgrade) this.tell('upgrade', this.transport);
  }
}

function nameOf(transport: TransportName): EngineTransport['name'] {
  return transport === 'websocket' || transport === 'webtransport' ? transport : 'polling';
}
