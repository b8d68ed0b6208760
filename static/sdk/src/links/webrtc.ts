import { CrosspointError } from '../codes.js';
import { BEAT, decode, encode, type Frame } from '../frame.js';
import { post } from './http.js';
import type { Link, LinkContext, Way } from './link.js';
import { Joiner, split } from './pieces.js';

/** Above this many unsent bytes volatile frames are dropped. */
const BUFFERED_MAX = 256 * 1024;
/** How long a goodbye may take to arrive before the connection is closed under it (ms). */
const GOODBYE_MS = 1_000;
/** How long the hub may take to answer an offer (ms). */
const OFFER_MS = 5_000;
const MESSAGE_BYTES_MAX = 65_536;

/** Frames on one DataChannel. */
class ChannelLink implements Link {
  readonly transport = 'webrtc';
  protected channel: RTCDataChannel | null = null;
  private waiting: (string | Uint8Array)[] = [];
  private joiner = new Joiner();
  protected done = false;
  private proven = false;
  private last: CrosspointError | null = null;

  constructor(protected readonly context: LinkContext) {}

  open(probe: boolean): void {
    if (probe) this.waiting.unshift(encode({ type: 'hub:ping', data: { received: 0 } }));
  }

  send(frame: Frame): Way {
    if (!this.done && (frame.volatile === undefined || (this.channel?.bufferedAmount ?? 0) < BUFFERED_MAX)) this.put(encode(frame));
    return 'stream';
  }

  beat(): void {
    if (!this.done && this.channel?.readyState === 'open') this.put(BEAT);
  }

  close(): void {
    this.end();
  }

  bye(leaving: boolean): void {
    if (this.done || leaving || this.channel?.readyState !== 'open') return this.end();
    this.put(encode({ type: 'hub:bye' }));
    this.done = true;
    const cancel = this.context.clock.after(GOODBYE_MS, () => this.end());
    // The hub closes when it has heard it.
    this.channel.onclose = () => {
      cancel();
      this.end();
    };
  }

  protected carry(channel: RTCDataChannel): void {
    this.channel = channel;
    channel.binaryType = 'arraybuffer';
    channel.onopen = () => {
      for (const message of this.waiting.splice(0)) this.put(message);
    };
    channel.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => {
      const message = this.joiner.next(data);
      if (message === BEAT && !this.done) this.context.events.beat();
      else if (message !== null) this.take(decode(message), 'stream', message.length);
    };
    channel.onclose = () => this.fail(new CrosspointError('unavailable', 'the channel closed'));
  }

  protected take(frame: Frame | null, way: Way, bytes = 0): void {
    if (this.done) return;
    if (!this.proven) {
      this.proven = true;
      this.context.events.proven();
    }
    if (!frame || this.done) return;
    if (frame.type === 'hub:close') this.last = CrosspointError.from(frame.data);
    this.context.events.frame(frame, way, bytes);
  }

  private put(message: string | Uint8Array): void {
    const { channel } = this;
    if (channel?.readyState !== 'open') {
      this.waiting.push(message);
      return;
    }
    try {
      for (const piece of split(message, MESSAGE_BYTES_MAX)) channel.send(piece as string & Uint8Array<ArrayBuffer>);
    } catch (error) {
      this.fail(new CrosspointError('unavailable', String(error)));
    }
  }

  protected end(): void {
    this.done = true;
    this.waiting = [];
    this.channel?.close();
  }

  /** The link is over; what the hub said of it counts more. */
  protected fail(error: CrosspointError): void {
    if (this.done) return;
    this.end();
    this.context.events.closed(this.last ?? error);
  }
}

/** A link on a further channel of the connection that another link has; it ends with that. */
class FurtherChannelLink extends ChannelLink {
  constructor(
    context: LinkContext,
    private readonly make: () => RTCDataChannel,
  ) {
    super(context);
  }

  override open(probe: boolean): void {
    super.open(probe);
    this.carry(this.make());
  }
}

/** A connection by WebRTC whose other end is the hub: frames on a DataChannel, volatile ones on one that may lose them. */
export class WebRtcLink extends ChannelLink {
  private pc: RTCPeerConnection | null = null;
  /** Where the hub knows the connection. */
  private peer: string | null = null;

  constructor(
    private readonly url: string,
    context: LinkContext,
    private readonly iceServers: RTCIceServer[],
  ) {
    super(context);
  }

  override open(probe: boolean): void {
    super.open(probe);
    this.run().catch((error: unknown) => this.fail(error instanceof CrosspointError ? error : new CrosspointError('unavailable', String(error))));
  }

  override bye(leaving: boolean): void {
    // A page that closes has no time for the channel.
    if (leaving && this.peer && !this.done) this.context.fetch(this.peer, { method: 'DELETE', keepalive: true }).catch(() => {});
    super.bye(leaving);
  }

  beside(context: LinkContext): Link | null {
    const { pc } = this;
    if (!pc || this.done) return null;
    return new FurtherChannelLink(context, () => pc.createDataChannel('crosspoint-bulk'));
  }

  private async run(): Promise<void> {
    const { RTCPeerConnection, clock, fetch } = this.context;
    if (!RTCPeerConnection) throw new Error('no WebRTC here');
    const pc = (this.pc = new RTCPeerConnection({ iceServers: this.iceServers }));
    this.carry(pc.createDataChannel('crosspoint'));
    const volatile = pc.createDataChannel('crosspoint-volatile', { negotiated: true, id: 0, ordered: false, maxRetransmits: 0 });
    volatile.onmessage = ({ data }) => this.take(decode(data as string), 'datagram');
    pc.onconnectionstatechange = () => {
      if (pc.connectionState === 'failed') this.fail(new CrosspointError('unavailable', 'no path by UDP'));
    };
    await pc.setLocalDescription();
    // The hub wants no candidates: it sees where the checks come from.
    const offer = pc.localDescription?.sdp ?? '';
    const read = async (response: Response) => {
      this.peer = new URL(response.headers.get('location') ?? '', this.url).href;
      return response.text();
    };
    const headers = { 'content-type': 'application/sdp' };
    const sdp = await post(clock, fetch, this.url, offer, read, { headers, deadlineMs: OFFER_MS });
    if (!this.done) await pc.setRemoteDescription({ type: 'answer', sdp });
  }

  protected override end(): void {
    super.end();
    this.pc?.close();
  }
}
