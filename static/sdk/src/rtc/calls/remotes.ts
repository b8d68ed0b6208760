import type { PeerLink } from '../link.js';

/** What comes from each peer, in a stream that stays the same over all RTCPeerConnections with it. */
export class Remotes {
  private readonly streams = new Map<PeerLink, MediaStream>();
  private readonly seen = new WeakSet<PeerLink>();

  constructor(private readonly came: (link: PeerLink) => void) {}

  watch(link: PeerLink): void {
    if (this.seen.has(link)) return;
    this.seen.add(link);
    link.connection?.events.on('track', ({ track }) => this.take(link, track));
  }

  of(link: PeerLink): MediaStream | null {
    return this.streams.get(link) ?? null;
  }

  /** Forgets all others. */
  keep(links: Set<PeerLink>): void {
    for (const link of this.streams.keys()) if (!links.has(link)) this.streams.delete(link);
  }

  drop(link: PeerLink): void {
    this.streams.delete(link);
  }

  private take(link: PeerLink, track: MediaStreamTrack): void {
    let stream = this.of(link);
    if (!stream) this.streams.set(link, (stream = new MediaStream()));
    // Those of a connection that is gone, or of an earlier stay in the call.
    for (const old of stream.getTracks()) if (old.kind === track.kind) stream.removeTrack(old);
    stream.addTrack(track);
    this.came(link);
  }
}
