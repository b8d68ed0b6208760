import type { Clock } from './clock.js';
import { CrosspointError } from './codes.js';
import type { Frame } from './frame.js';
import type { Link, LinkContext, TransportName, Way } from './links/link.js';
import { SsePollLink, SseStreamLink } from './links/sse.js';
import { WebRtcLink } from './links/webrtc.js';
import { WebSocketLink } from './links/websocket.js';
import { WebTransportLink } from './links/webtransport.js';
import { Machine } from './session/machine.js';
import type { Config, Input, LinkId, Output } from './session/types.js';

export interface DriverHooks {
  /** A link showed that its path works. */
  proven(link: LinkId): void;
  /** A link is over. `fault`: the hub closed it, and said why. */
  gone(link: LinkId, error: CrosspointError, fault: boolean): void;
  welcomed(output: Output & { op: 'welcomed' }, welcome: Frame): void;
  /** Everything else that the machine says. */
  output(output: Output): void;
  frame(direction: 'in' | 'out', frame: Frame, via: Way): void;
  /** A frame that can't pass by this path, and was not given to the hub. */
  unsendable(frame: Frame, error: CrosspointError): void;
}

/** Where a link leads. */
export interface Target {
  transport: TransportName;
  url: string;
  /** Certificates that are trusted besides, by their SHA-256 hashes in base64. */
  hashes: string[];
  ice?: RTCIceServer[] | undefined;
}

type Makers = Pick<LinkContext, 'WebSocket' | 'WebTransport' | 'RTCPeerConnection'>;

/** What the application gives, else this runtime has. */
export function runtime(given: Partial<Makers>): Makers {
  const { WebSocket, WebTransport, RTCPeerConnection } = globalThis as Makers;
  return {
    WebSocket: given.WebSocket ?? WebSocket,
    WebTransport: given.WebTransport ?? WebTransport,
    RTCPeerConnection: given.RTCPeerConnection ?? RTCPeerConnection,
  };
}

export type LinkMaker = (target: Target, context: LinkContext) => Link;

export const makeLink: LinkMaker = ({ transport, url, hashes, ice }, context) => {
  if (transport === 'websocket') return new WebSocketLink(url, context);
  if (transport === 'webtransport') return new WebTransportLink(url, context, hashes);
  if (transport === 'webrtc') return new WebRtcLink(url, context, ice ?? []);
  return transport === 'sse' ? new SseStreamLink(url, context) : new SsePollLink(url, context);
};

/** Stands between a driver and its machine where tabs share a session. */
export interface Gate {
  /** Links may be opened here, and ticks are due. */
  readonly leads: boolean;
  input(input: Input): boolean;
  /** Sees what the machine says before anyone else. */
  output(output: Output): void;
}

/** A tick so much later than due is judged by nobody (ms): the machine asks for a sign of life first. */
const LATE_MS = 1_000;
/** But where all ticks are late, in a background tab, a link that gave none for so long is dead (ms). */
const DEAF_MS = 10_000;

/** Runs the machine: carries frames between it and the links, and wakes it in time. */
export class Driver {
  readonly machine: Machine;
  gate: Gate | null = null;
  private readonly links = new Map<LinkId, Link>();
  lastId = 0;
  private draining = false;
  lastWelcome: Frame = { type: 'hub:welcome' };
  private cancelTick: (() => void) | null = null;
  private tickAt = Infinity;
  /** The first of the late ticks since which nothing has come. */
  private deafSince: number | null = null;

  constructor(
    private readonly clock: Clock,
    config: Partial<Config>,
    private readonly hooks: DriverHooks,
    readonly context: Omit<LinkContext, 'events'>,
    readonly maker: LinkMaker,
  ) {
    this.machine = new Machine(config);
  }

  /** Whole milliseconds, as the machine counts them. */
  now(): number {
    return Math.floor(this.clock.now());
  }

  make(target: Target): { id: LinkId; link: Link } {
    const id = ++this.lastId;
    const came = (input: Input) => {
      this.deafSince = null;
      this.input(input);
    };
    const link = this.maker(target, {
      ...this.context,
      events: {
        frame: (frame, way = 'stream', bytes = 0) => {
          this.hooks.frame('in', frame, way);
          if (frame.type === 'hub:welcome') this.lastWelcome = frame;
          came({ op: 'frame', link: id, frame, bytes });
        },
        heard: () => came({ op: 'heard', link: id }),
        beat: () => came({ op: 'beat', link: id }),
        acked: (received) => came({ op: 'acked', link: id, received }),
        proven: () => this.hooks.proven(id),
        closed: (error) => {
          this.drop(id);
          this.hooks.gone(id, error, false);
        },
        refused: (frame, error) => this.hooks.unsendable(frame, error),
      },
    });
    this.links.set(id, link);
    return { id, link };
  }

  link(id: LinkId): Link | undefined {
    return this.links.get(id);
  }

  /** The link was closed; nothing of it counts any more. */
  drop(id: LinkId): void {
    this.links.get(id)?.close();
    this.links.delete(id);
    this.input({ op: 'closed', link: id });
  }

  /** `false`: too many frames wait. */
  input(input: Input): boolean {
    return this.gate ? this.gate.input(input) : this.apply(this.now(), input);
  }

  apply(now: number, input: Input): boolean {
    const taken = this.machine.handle(now, input);
    this.drain();
    return taken;
  }

  /** Ends the session with a goodbye. */
  bye(leaving: boolean): void {
    const current = this.machine.link;
    const link = current === null ? undefined : this.links.get(current);
    if (current !== null) this.links.delete(current);
    link?.bye(leaving);
    this.input({ op: 'bye' });
    this.detach();
  }

  /** Closes all links; the session stays as it is. */
  detach(): void {
    for (const link of this.links.values()) link.close();
    this.links.clear();
    this.cancelTick?.();
    this.cancelTick = null;
    this.tickAt = Infinity;
  }

  private drain(): void {
    if (this.draining) return;
    this.draining = true;
    try {
      for (let output = this.machine.poll(); output; output = this.machine.poll()) this.act(output);
    } finally {
      this.draining = false;
    }
    this.schedule();
  }

  private act(output: Output): void {
    this.gate?.output(output);
    switch (output.op) {
      case 'transmit':
        this.hooks.frame('out', output.frame, this.links.get(output.link)?.send(output.frame, output.seq ?? null) ?? 'stream');
        this.hooks.output(output);
        break;
      case 'beat':
        this.links.get(output.link)?.beat();
        break;
      case 'close':
        // The machine's verdict is on this link only: another may do.
        this.end(output.link, new CrosspointError(output.code, undefined, 'backoff'), false);
        break;
      case 'refused':
        this.end(output.link, CrosspointError.from(output.fault), true);
        break;
      case 'welcomed':
        this.hooks.welcomed(output, this.lastWelcome);
        break;
      default:
        this.hooks.output(output);
    }
  }

  private end(id: LinkId, error: CrosspointError, fault: boolean): void {
    const link = this.links.get(id);
    this.links.delete(id);
    link?.close();
    if (link) this.hooks.gone(id, error, fault);
  }

  private schedule(): void {
    const at = this.gate?.leads === false ? Infinity : this.machine.deadline();
    if (at === this.tickAt) return;
    this.cancelTick?.();
    this.cancelTick = null;
    this.tickAt = at;
    if (at === Infinity) return;
    this.cancelTick = this.clock.after(at - this.clock.now(), () => {
      this.tickAt = Infinity;
      this.cancelTick = null;
      this.leaveTheDeaf(this.clock.now() > at + LATE_MS);
      this.input({ op: 'tick' });
    });
  }

  private leaveTheDeaf(late: boolean): void {
    const now = this.clock.now();
    const { link } = this.machine;
    if (!late) {
      this.deafSince = null;
    } else if (this.deafSince === null) {
      this.deafSince = now;
    } else if (link !== null && this.links.has(link) && now - this.deafSince >= DEAF_MS) {
      this.deafSince = null;
      this.drop(link);
      this.hooks.gone(link, new CrosspointError('heartbeat_timeout'), false);
    }
  }
}
