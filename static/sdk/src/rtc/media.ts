/** A track of mine that the peer gets, over whichever RTCPeerConnection there is. */
export interface Outlet {
  readonly track: MediaStreamTrack | null;
  readonly sender: RTCRtpSender | null;
  /** Another track of the same kind in its place (`null`: none), without negotiation. */
  replace(track: MediaStreamTrack | null): Promise<void>;
  remove(): void;
}

interface Held {
  track: MediaStreamTrack | null;
  kind: string;
  streams: MediaStream[];
  sender: RTCRtpSender | null;
}

/** My tracks, added to each new RTCPeerConnection again. */
export class Media {
  private readonly held = new Set<Held>();
  private pc: RTCPeerConnection | null = null;

  add(track: MediaStreamTrack, ...streams: MediaStream[]): Outlet {
    const held: Held = { track, kind: track.kind, streams, sender: null };
    this.held.add(held);
    this.give(held);
    return {
      get track() {
        return held.track;
      },
      get sender() {
        return held.sender;
      },
      replace: async (next) => {
        held.track = next;
        await held.sender?.replaceTrack(next);
      },
      remove: () => {
        if (!this.held.delete(held) || !held.sender || this.pc?.signalingState === 'closed') return;
        this.pc?.removeTrack(held.sender);
      },
    };
  }

  /** @internal */
  moveTo(pc: RTCPeerConnection): void {
    this.pc = pc;
    for (const held of this.held) this.give(held);
  }

  private give(held: Held): void {
    const { pc } = this;
    held.sender = null;
    if (!pc || pc.signalingState === 'closed') return;
    // Where there is no track now, one may come back without negotiation.
    if (held.track) held.sender = pc.addTrack(held.track, ...held.streams);
    else held.sender = pc.addTransceiver(held.kind, { direction: 'sendonly', streams: held.streams }).sender;
  }
}
