import type { Clock } from '../clock.js';
import { Emitter } from '../emitter.js';
import { Attempts } from './attempts.js';
import { kindOf, type Kind } from './kind.js';
import { Media } from './media.js';

/** What two ends of a connection say to each other through the hub. `g` counts the RTCPeerConnections they have had together. */
export type Signal =
  | { type: 'sdp'; g: number; description: RTCSessionDescriptionInit; need?: true }
  | { type: 'ice'; g: number; candidates: RTCIceCandidateInit[] }
  /** Please offer me a connection: a new one if `g` is that of the present one, or the same with `restart`. */
  | { type: 'want'; g: number; restart?: true; need?: true }
  /** I have enough of them. */
  | { type: 'full' };

export interface ConnectionHooks {
  signal(signal: Signal): void;
  /** The servers to use now. */
  config(): Promise<RTCConfiguration>;
  /** A message on the channel for messages, or on that for volatile ones. */
  message(data: unknown, volatile: boolean): void;
  /** The channel for messages is open: `true`, or not any more. */
  open(open: boolean): void;
  /** The browser sees the path dead, or alive again. */
  doubt(): void;
  /** An attempt has brought no path. */
  failed(): void;
  /** The kind of path has changed. */
  kind(): void;
  report(error: unknown): void;
}

export interface ConnectionEvents {
  /** The peer has opened a channel. Who doesn't take it (by its label) leaves it alone. */
  channel: RTCDataChannel;
  track: RTCTrackEvent;
  /** A new RTCPeerConnection has taken the last one's place: channels are gone, tracks have been added again. */
  renewed: RTCPeerConnection;
}

/** Candidates are sent together when so much time has passed (ms). */
const GATHER_MS = 20;
/** The kind of path is looked at again after this (ms). */
const LOOK_EVERY_MS = 10_000;
const CANDIDATES_MAX = 64;
/** Channels of one connection that the peer may open. */
const CHANNELS_MAX = 128;

/** The one RTCPeerConnection between two peers, made anew when it can't be mended. The end that isn't polite makes the first offer of each, and mends it;
 * the polite one asks for that. Later offers (for tracks) are made by either end, by perfect negotiation. */
export class Connection {
  readonly events: Emitter<ConnectionEvents>;
  readonly media: Media;
  /** Which kind of path is in use; `null`: none yet. */
  kind: Kind | null = null;
  pc: RTCPeerConnection | null = null;
  private g = 0;
  private messages: RTCDataChannel | null = null;
  private volatiles: RTCDataChannel | null = null;
  private making = false;
  private ignoring = false;
  private channels = 0;
  private gathered: RTCIceCandidateInit[] = [];
  private cancelGather: (() => void) | null = null;
  private cancelLook: (() => void) | null = null;
  /** What came and what is to be done with the connection, one after the other. */
  private chain: Promise<unknown> = Promise.resolve();
  private readonly attempts: Attempts;
  /** Has to be there even where the peer has enough others. */
  need = false;

  constructor(
    private readonly polite: boolean,
    private readonly clock: Clock,
    private readonly Make: typeof RTCPeerConnection,
    private readonly hooks: ConnectionHooks,
  ) {
    this.events = new Emitter((error) => hooks.report(error));
    this.media = new Media();
    this.attempts = new Attempts(clock, (restart) => this.attempt(restart), () => hooks.failed());
  }

  /** A connection is wanted, or being made, or there. */
  get wanted(): boolean {
    return this.attempts.wanted;
  }

  /** Tries to have a connection, again and again. */
  want(): void {
    this.attempts.begin();
  }

  /** Gives it up. */
  close(): void {
    this.attempts.stop();
    this.drop();
  }

  /** The path has carried a question and its answer. */
  proven(): void {
    this.attempts.proven();
    void this.look();
  }

  /** The path is dead as far as anyone can tell; the connection may be mended. */
  lost(): void {
    this.attempts.lost(this.mendable);
  }

  /** The network isn't what it was: what failed may work now, what works may be gone. */
  networkChanged(): void {
    if (!this.wanted) return;
    this.attempts.hurry(this.mendable);
    this.hooks.doubt();
  }

  /** What was sent didn't leave. */
  broken(): void {
    if (this.messages?.readyState !== 'open') this.ended();
  }

  /** `false`: there is no channel. */
  send(message: string | Uint8Array, volatile = false): boolean {
    const channel = volatile ? this.volatiles : this.messages;
    if (channel?.readyState !== 'open') return false;
    try {
      channel.send(message as string);
      return true;
    } catch (error) {
      // Its buffer is full, which the window makes unlikely, or it is closing.
      this.hooks.report(error);
      return false;
    }
  }

  /** Opens a channel; the peer gets it by the event `channel`. `null`: there is no connection now. */
  channel(label: string, init?: RTCDataChannelInit): RTCDataChannel | null {
    if (!this.pc || this.messages?.readyState !== 'open') return null;
    return this.pc.createDataChannel(label, init);
  }

  /** A signal of the peer came. One that makes no sense has no effect. */
  take(signal: Signal): void {
    this.queue(async () => {
      if (signal.type === 'sdp') await this.described(signal);
      else if (signal.type === 'ice') await this.candidates(signal);
      else if (signal.type === 'want' && !this.polite) this.asked(signal);
    }, () => {});
  }

  private get mendable(): boolean {
    return this.pc !== null && this.messages?.readyState === 'open' && this.pc.connectionState !== 'failed' && this.pc.connectionState !== 'closed';
  }

  private attempt(restart: boolean): void {
    if (this.polite) {
      const want: Signal = { type: 'want', g: this.g };
      if (restart) want.restart = true;
      if (this.need) want.need = true;
      this.hooks.signal(want);
    } else {
      this.queue(() => (restart && this.mendable ? this.mend() : this.renew(this.g + 1)));
    }
  }

  /** The polite end wants a connection. */
  private asked({ g, restart }: Signal & { type: 'want' }): void {
    if (!Number.isSafeInteger(g) || (g < this.g && !restart)) return;
    if (g !== this.g && restart) return;
    // The peer has counted on, with an offer that came to nothing, and takes none with a lower number.
    const behind = g > this.g;
    this.g = Math.max(this.g, g);
    if (this.attempts.again(restart === true && this.mendable, behind)) this.hooks.doubt();
  }

  private async mend(): Promise<void> {
    const { pc } = this;
    if (await this.configured(pc)) pc!.restartIce();
  }

  /** Candidates that are gathered from now on come from the servers that are good now. */
  private async configured(pc: RTCPeerConnection | null): Promise<boolean> {
    const config = await this.hooks.config();
    if (!pc || pc !== this.pc || pc.signalingState === 'closed') return false;
    pc.setConfiguration({ ...pc.getConfiguration(), ...config });
    return true;
  }

  private async renew(g: number): Promise<void> {
    const { Make } = this;
    const config = await this.hooks.config();
    if (!this.wanted || g <= this.g) return;
    this.drop();
    this.g = g;
    const pc = (this.pc = new Make(config));
    this.making = this.ignoring = false;
    this.channels = 0;
    const here = (fn: (...args: any[]) => void) => (...args: any[]) => this.pc === pc && fn(...args);
    pc.onnegotiationneeded = here(() => void this.offer(pc).catch((error) => this.hooks.report(error)));
    pc.onicecandidate = here(({ candidate }: RTCPeerConnectionIceEvent) => candidate && this.gather(candidate.toJSON()));
    pc.onconnectionstatechange = here(() => this.changed(pc.connectionState));
    pc.ondatachannel = here(({ channel }: RTCDataChannelEvent) => {
      this.channels += 1;
      channel.addEventListener('close', () => this.pc === pc && (this.channels -= 1));
      if (this.channels > CHANNELS_MAX) channel.close();
      else this.events.emit('channel', channel);
    });
    pc.ontrack = here((event: RTCTrackEvent) => this.events.emit('track', event));
    this.messages = this.own(pc, 'crosspoint', { negotiated: true, id: 0 }, false);
    this.volatiles = this.own(pc, 'crosspoint-volatile', { negotiated: true, id: 1, ordered: false, maxRetransmits: 0 }, true);
    this.media.moveTo(pc);
    if (g > 1) this.events.emit('renewed', pc);
  }

  private own(pc: RTCPeerConnection, label: string, init: RTCDataChannelInit, volatile: boolean): RTCDataChannel {
    const channel = pc.createDataChannel(label, init);
    channel.binaryType = 'arraybuffer';
    channel.onmessage = ({ data }) => this.pc === pc && this.hooks.message(data, volatile);
    if (volatile) return channel;
    channel.onopen = () => {
      if (this.pc !== pc) return;
      const { iceTransport } = pc.sctp?.transport ?? {};
      iceTransport?.addEventListener('selectedcandidatepairchange', () => this.pc === pc && void this.look());
      void this.look().then(() => this.pc === pc && this.hooks.open(true));
    };
    channel.onclose = () => this.pc === pc && this.ended();
    return channel;
  }

  private changed(state: RTCPeerConnectionState): void {
    if (state === 'connected') void this.look();
    else if (state === 'disconnected') this.hooks.doubt();
    else if (state === 'failed' || state === 'closed') this.ended();
  }

  private ended(): void {
    this.hooks.open(false);
    this.attempts.lost(this.mendable);
  }

  private async offer(pc: RTCPeerConnection): Promise<void> {
    // The first offer is the other end's.
    if (this.polite && !pc.remoteDescription) return;
    try {
      this.making = true;
      await pc.setLocalDescription();
      if (this.pc === pc) this.describe(pc);
    } finally {
      if (this.pc === pc) this.making = false;
    }
  }

  private describe(pc: RTCPeerConnection): void {
    const signal: Signal = { type: 'sdp', g: this.g, description: pc.localDescription!.toJSON() };
    if (this.need) signal.need = true;
    this.hooks.signal(signal);
  }

  private async described({ g, description }: Signal & { type: 'sdp' }): Promise<void> {
    const offered = description.type === 'offer';
    if (g > this.g && offered) {
      this.attempts.offered();
      await this.renew(g);
    }
    const { pc } = this;
    if (!pc || g !== this.g || (offered && !(await this.configured(pc)))) return;
    const collides = offered && (this.making || pc.signalingState !== 'stable');
    this.ignoring = !this.polite && collides;
    if (this.ignoring || (!offered && pc.signalingState !== 'have-local-offer')) return;
    await pc.setRemoteDescription(description);
    if (!offered || this.pc !== pc) return;
    await pc.setLocalDescription();
    if (this.pc === pc) this.describe(pc);
  }

  private async candidates({ g, candidates }: Signal & { type: 'ice' }): Promise<void> {
    const { pc } = this;
    if (!pc || this.ignoring || g !== this.g || !pc.remoteDescription) return;
    for (const candidate of candidates.slice(0, CANDIDATES_MAX)) {
      // One that can't be read, or is of an offer that is over, is not used; others may do.
      await pc.addIceCandidate(candidate).catch(() => {});
    }
  }

  private gather(candidate: RTCIceCandidateInit): void {
    this.gathered.push(candidate);
    this.cancelGather ??= this.clock.after(GATHER_MS, () => {
      this.cancelGather = null;
      this.hooks.signal({ type: 'ice', g: this.g, candidates: this.gathered.splice(0, CANDIDATES_MAX) });
    });
  }

  /** Which kind of path is in use. */
  private async look(): Promise<void> {
    const { pc } = this;
    const kind = pc && pc.connectionState !== 'closed' ? await kindOf(pc).catch(() => null) : null;
    if (pc !== this.pc) return;
    this.cancelLook?.();
    this.cancelLook = pc && this.clock.after(LOOK_EVERY_MS, () => void this.look());
    if (kind === null || kind === this.kind) return;
    this.kind = kind;
    this.hooks.kind();
  }

  private drop(): void {
    const { pc } = this;
    this.cancelGather?.();
    this.cancelLook?.();
    this.cancelGather = this.cancelLook = this.pc = this.messages = this.volatiles = this.kind = null;
    this.gathered = [];
    if (!pc) return;
    pc.close();
    this.hooks.open(false);
  }

  private queue(work: () => unknown, failed = (error: unknown) => this.hooks.report(error)): void {
    this.chain = this.chain.then(work).catch(failed);
  }
}
