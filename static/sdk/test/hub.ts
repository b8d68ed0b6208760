import { CrosspointError } from '../src/codes.js';
import { isCounted, type Frame } from '../src/frame.js';
import type { Link, LinkContext, TransportName } from '../src/links/link.js';
import { FakeClock } from './fakes.js';

/** Numbers that look random and are the same for the same seed. */
export function random(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

interface Session {
  name: string;
  received: number;
  /** Frames to the client from number `first` on. */
  outbox: Frame[];
  first: number;
  link: HubLink | null;
  joined: boolean;
}

/** A small model of a hub with one room, over links that take their time and lose what was under way when they die. */
export class ModelHub {
  readonly log: Frame[] = [];
  readonly links: HubLink[] = [];
  private readonly sessions = new Map<string, Session>();
  /** Transports that swallow everything. */
  readonly blackHoles = new Set<TransportName>();

  constructor(
    readonly clock: FakeClock,
    readonly random: () => number,
  ) {}

  make(transport: TransportName, context: LinkContext): Link {
    const link = new HubLink(this, transport, context);
    this.links.push(link);
    return link;
  }

  /** An event that somebody else published. */
  publish(data: unknown): void {
    this.event({ type: 'other', room: 'r', data, id: `o${this.log.length}` });
  }

  /** All sessions end, as if the hub had been restarted; the room's history stays. */
  restart(): void {
    this.sessions.clear();
    for (const link of this.links) link.die();
  }

  takes(link: HubLink, frame: Frame, seq: number | null): void {
    if (frame.type === 'hub:hello') return this.hello(link, frame.data);
    if (frame.type === 'hub:ping' && !link.session) return link.down({ type: 'hub:pong', data: {} });
    const session = link.session;
    if (!session || this.sessions.get(session.name) !== session) return;
    if (!isCounted(frame)) {
      const { received, t } = (frame.data ?? {}) as { received?: number; t?: number };
      while (received !== undefined && session.first <= received) {
        session.outbox.shift();
        session.first += 1;
      }
      if (frame.type === 'hub:ping') link.down({ type: 'hub:pong', data: { received: session.received, t } });
      return;
    }
    const n = link.transport === 'websocket' ? link.nextUp++ : seq!;
    if (n !== session.received + 1) {
      if (n > session.received) link.refuse(new CrosspointError('out_of_order'));
      return;
    }
    session.received = n;
    this.act(session, frame);
  }

  /** Pings and acks, as time passes. */
  beat(): void {
    for (const { link, received } of this.sessions.values()) link?.down({ type: 'hub:ping', data: { received } });
  }

  private hello(link: HubLink, data: any): void {
    let session = this.sessions.get(data.session);
    const resumed = session !== undefined;
    if (!session) {
      session = { name: `s${this.sessions.size}-${this.links.length}`, received: 0, outbox: [], first: 1, link: null, joined: false };
      this.sessions.set(session.name, session);
    }
    const old = session.link;
    if (old) this.clock.after(2_000, () => old.down({ type: 'hub:close', data: { code: 'replaced', message: 'moved', retry: 'never' } }));
    session.link = link;
    link.session = session;
    link.nextUp = session.received + 1;
    const start = resumed ? Math.max(data.received + 1, session.first) : 1;
    link.down({
      type: 'hub:welcome',
      data: {
        version: 1, session: session.name, resume: 'x', user: 'me', resumed, received: session.received, start,
        heartbeat_ms: 10_000, resume_ms: 60_000, ack_every: 8, ack_delay_ms: 500, limits: {},
      },
    });
    for (const frame of session.outbox.slice(start - session.first)) link.down(frame);
  }

  private act(session: Session, frame: Frame): void {
    if (frame.type === 'hub:join') {
      session.joined = true;
      const since = Number((frame.data as { since?: string }).since?.split('.')[1] ?? this.log.length);
      const id = this.log.at(-1)?.id ?? '';
      this.send(session, { type: 'hub:reply', id: frame.id!, data: { room: 'r', position: `e.${this.log.length}.${id}`, recovered: true } });
      for (const event of this.log.slice(since)) this.send(session, event);
      return;
    }
    const known = this.log.find(({ id }) => id === frame.id);
    if (!known) this.event({ type: frame.type, room: 'r', data: frame.data, id: frame.id! });
    this.send(session, { type: 'hub:reply', id: frame.id!, data: { id: frame.id, ts: 1, duplicate: known !== undefined } });
  }

  private event(event: Frame): void {
    const placed = { ...event, offset: this.log.length + 1, ts: 1, from: { user: 'me' } };
    this.log.push(placed);
    for (const session of this.sessions.values()) if (session.joined) this.send(session, placed);
  }

  private send(session: Session, frame: Frame): void {
    session.outbox.push(frame);
    session.link?.down(frame);
  }
}

export class HubLink implements Link {
  session: Session | null = null;
  nextUp = 1;
  private dead = false;
  private closed = false;
  private lastUp = 0;
  private lastDown = 0;
  private first = true;

  constructor(
    private readonly hub: ModelHub,
    readonly transport: TransportName,
    private readonly context: LinkContext,
  ) {}

  open(probe: boolean): void {
    if (probe) this.send({ type: 'hub:ping', data: {} }, null);
  }

  send(frame: Frame, seq: number | null): void {
    this.lastUp = this.later(this.lastUp, () => this.hub.takes(this, frame, seq));
  }

  down(frame: Frame): void {
    this.lastDown = this.later(this.lastDown, () => {
      if (this.closed) return;
      if (this.first) this.context.events.proven();
      this.first = false;
      if (!this.closed) this.context.events.frame(frame);
    });
  }

  beat(): void {}

  /** What is under way upward still arrives; that is what happens with a real socket. */
  close(): void {
    this.closed = true;
  }

  bye(): void {
    this.closed = true;
  }

  /** The connection breaks. */
  die(): void {
    this.refuse(new CrosspointError('unavailable'));
  }

  refuse(error: CrosspointError): void {
    this.dead = true;
    if (this.closed) return;
    this.closed = true;
    this.context.events.closed(error);
  }

  /** In order, after a while, unless the link is dead or swallows by then. */
  private later(after: number, fn: () => void): number {
    const { clock, random } = this.hub;
    const at = Math.max(after, clock.time + random() * 80);
    clock.after(at - clock.time, () => {
      // What was swallowed once never delivers again: a link has no holes.
      if (this.hub.blackHoles.has(this.transport)) this.dead = true;
      if (!this.dead) fn();
    });
    return at;
  }
}
