import type { Core } from '../core.js';
import { record } from '../session/types.js';

/** A hub that has no answer, or gave one, isn't asked again before (ms). */
const SILENT_MS = 10_000;

/** The STUN and TURN servers that the hub names (docs/protocol.md, "ICE servers"). */
export class IceServers {
  private servers: RTCIceServer[] = [];
  private freshUntil = -Infinity;
  private since = -Infinity;
  private asking: Promise<void> | null = null;

  constructor(private readonly core: Core) {}

  /** Never rejects: without servers there may still be a path. */
  async get(): Promise<RTCIceServer[]> {
    if (this.core.clock.now() >= this.freshUntil) {
      this.asking ??= this.ask().finally(() => (this.asking = null));
      await this.asking;
    }
    return this.servers;
  }

  /** They may not be good any more: another hub has others, and so has one that was restarted (`surely`). */
  forget(surely = false): void {
    if (surely || this.core.clock.now() >= this.since + SILENT_MS) this.freshUntil = -Infinity;
  }

  private async ask(): Promise<void> {
    const { core } = this;
    const since = (this.since = core.clock.now());
    try {
      const reply = record(await core.call({ type: 'hub:ice' }, { timeoutMs: 5_000 })) ?? {};
      const { ice_servers: servers, ice_ms: ms } = reply;
      this.servers = Array.isArray(servers) ? servers : [];
      this.freshUntil = since + (typeof ms === 'number' ? ms * 0.75 : Infinity);
    } catch {
      this.freshUntil = core.clock.now() + SILENT_MS;
    }
  }
}
