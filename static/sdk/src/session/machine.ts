import { isCounted, isLinkFrame, type Frame } from '../frame.js';
import { Links } from './links.js';
import { Rooms } from './rooms.js';
import { DEFAULT_CONFIG, isCount, record, welcomeOf, type Config, type Fault, type Input, type LinkId, type Output, type Welcome } from './types.js';
import { Uplink } from './up.js';

const PROTOCOL_VERSION = 1;

/** The client's half of a session, without I/O, clock or chance: the mirror of crosspoint-core's `client`, kept the same by
 * vectors. Feed `handle`, then do what `poll` says until it has nothing more. Times are whole milliseconds. */
export class Machine {
  private readonly config: Config;
  private identity: { session: string; resume: string } | null = null;
  /** Counted frames received. */
  received = 0;
  /** Counted frames that came again and were dropped. */
  duplicates = 0;
  private told = 0;
  private ackDue: number | null = null;
  private readonly links = new Links();
  private readonly up = new Uplink();
  private readonly rooms = new Rooms();
  private out: Output[] = [];
  private ids = 0;

  constructor(config: Partial<Config> = {}) {
    this.config = { ...DEFAULT_CONFIG, ...config };
  }

  /** Takes an input. `false`: a frame to send was not taken, because too many wait. */
  handle(now: number, input: Input): boolean {
    switch (input.op) {
      case 'hello':
        this.hello(now, input.link, input.cause, input.auth);
        break;
      case 'frame':
        this.frame(now, input.link, input.frame);
        break;
      case 'closed':
        this.links.closed(input.link);
        break;
      case 'send':
        return this.send(now, input.frame);
      case 'acked': {
        if (this.links.current === input.link) this.hubReceived(input.received);
        const link = this.links.get(input.link);
        if (link) link.heardAt = now;
        break;
      }
      case 'tick':
        this.tick(now);
        break;
      case 'bye':
        this.bye(now);
    }
    return true;
  }

  /** The next thing to do, until `undefined`. */
  poll(): Output | undefined {
    return this.out.shift();
  }

  get session(): string | null {
    return this.identity?.session ?? null;
  }

  /** The link that carries the session. */
  get link(): LinkId | null {
    return this.links.current;
  }

  /** Frames that the hub has not acknowledged, or that wait for their reply. */
  get waiting(): number {
    return this.up.waiting;
  }

  /** How far the client has come in a room that has a history. */
  position(room: string): string | null {
    return this.rooms.position(room);
  }

  /** When a tick is due next; `Infinity` for never. */
  deadline(): number {
    const { heartbeat_ms, welcome_ms } = this.config;
    let at = Infinity;
    for (const [id, l] of this.links.sorted()) {
      at = Math.min(at, l.nextDown === null ? l.helloAt + welcome_ms : l.heardAt + this.silence());
      if (this.links.current === id) at = Math.min(at, l.sentAt + heartbeat_ms);
    }
    return this.ackDue !== null && this.links.current !== null ? Math.min(at, this.ackDue) : at;
  }

  private silence(): number {
    return this.config.heartbeat_ms + Math.floor(this.config.heartbeat_ms / 2);
  }

  private hello(now: number, link: LinkId, cause: string, auth: Record<string, unknown>): void {
    const data = { version: PROTOCOL_VERSION, ...this.identity, received: this.received, cause, ...auth };
    this.links.greet(link, now);
    this.transmit(now, link, undefined, { type: 'hub:hello', data });
  }

  private frame(now: number, id: LinkId, frame: Frame): void {
    const link = this.links.get(id);
    if (!link) return;
    link.heardAt = now;
    if (isLinkFrame(frame.type)) {
      this.linkFrame(now, id, frame);
      return;
    }
    if (!isCounted(frame)) {
      this.out.push({ op: 'event', frame });
      return;
    }
    if (link.nextDown === null) {
      // Counted frames before the welcome: the hub is at fault; without a count they mean nothing.
      this.giveUp(id, 'bad_frame');
      return;
    }
    const seq = link.nextDown;
    link.nextDown += 1;
    if (seq > this.received + 1) {
      this.giveUp(id, 'out_of_order');
      return;
    }
    this.ackDue ??= now + this.config.ack_delay_ms;
    if (seq <= this.received) {
      this.duplicates += 1;
    } else {
      this.received = seq;
      this.deliver(frame);
    }
    if (this.received - this.told >= this.config.ack_every) this.ack(now);
  }

  private deliver(frame: Frame): void {
    if ((frame.type === 'hub:reply' || frame.type === 'hub:error') && frame.id !== undefined) {
      const asked = this.up.answered(frame.id);
      if (this.rooms.answered(frame.id, asked, frame, this.out)) return;
    }
    this.rooms.observe(frame);
    this.out.push({ op: 'event', frame });
  }

  /** A link that breaks the protocol or doesn't answer. */
  private giveUp(link: LinkId, code: string): void {
    this.links.closed(link);
    this.out.push({ op: 'close', link, code });
  }

  private transmit(now: number, link: LinkId, seq: number | undefined, frame: Frame): void {
    const l = this.links.get(link);
    if (l) l.sentAt = now;
    this.out.push(seq === undefined ? { op: 'transmit', link, frame } : { op: 'transmit', link, seq, frame });
  }

  private linkFrame(now: number, link: LinkId, frame: Frame): void {
    switch (frame.type) {
      case 'hub:welcome': {
        const welcome = welcomeOf(frame.data);
        if (welcome) this.welcome(now, link, welcome);
        else this.giveUp(link, 'bad_frame');
        return;
      }
      case 'hub:ack':
      case 'hub:ping':
      case 'hub:pong': {
        const { received, t } = record(frame.data) ?? {};
        if (isCount(received) && this.links.current === link) this.hubReceived(received);
        if (frame.type === 'hub:ping') {
          const data = typeof t === 'number' ? { received: this.tell(), t } : { received: this.tell() };
          this.transmit(now, link, undefined, { type: 'hub:pong', data });
        } else if (frame.type === 'hub:pong' && typeof t === 'number') {
          this.out.push({ op: 'rtt', link, ms: Math.max(0, now - Math.trunc(t)) });
        }
        return;
      }
      case 'hub:close':
        this.links.closed(link);
        this.out.push({ op: 'refused', link, fault: faultOf(frame.data) });
        return;
      case 'hub:move': {
        const { to, within_ms = 0, reason = '' } = record(frame.data) ?? {};
        if (!isCount(within_ms) || typeof reason !== 'string') return;
        this.out.push(typeof to === 'string' ? { op: 'move', to, within_ms, reason } : { op: 'move', within_ms, reason });
        return;
      }
      default:
        this.giveUp(link, 'bad_frame');
    }
  }

  private welcome(now: number, link: LinkId, w: Welcome): void {
    if (this.links.asked !== link) {
      // A hello on another link came later: that one has the session.
      this.giveUp(link, 'replaced');
      return;
    }
    this.links.asked = null;
    const same = this.identity?.session === w.session;
    if ((w.resumed && !same) || w.start !== (same ? this.received + 1 : 1)) {
      const behind = same && w.start <= this.received;
      if (!behind) {
        this.giveUp(link, 'bad_frame');
        return;
      }
    }
    const previous = this.links.current;
    if (previous !== null) this.giveUp(previous, 'replaced');
    this.links.current = link;
    if (w.heartbeat_ms > 0) this.config.heartbeat_ms = w.heartbeat_ms;
    this.config.ack_every = Math.max(1, w.ack_every);
    this.config.ack_delay_ms = w.ack_delay_ms;
    const l = this.links.get(link);
    if (l) l.nextDown = w.start;
    const first = this.identity === null;
    this.identity = { session: w.session, resume: w.resume };
    this.out.push({ op: 'welcomed', link, session: w.session, user: w.user, resumed: same });
    if (same) {
      this.up.resume(w.received);
      this.out.push({ op: 'acked', received: w.received });
    } else {
      this.beginSession(first);
    }
    this.flush(now);
  }

  private beginSession(first: boolean): void {
    this.received = this.told = 0;
    this.ackDue = null;
    const frames = this.up.newSession((frame) => frame.id === undefined || !this.rooms.isOwn(frame.id));
    if (frames > 0) this.out.push({ op: 'lost', frames });
    if (first) return;
    this.up.pushFront(
      this.rooms.rejoin(
        (room) => this.up.joins(room),
        () => `hub~${++this.ids}`,
      ),
    );
  }

  /** Sends what waits, if a link carries the session. */
  private flush(now: number): void {
    const link = this.links.current;
    if (link === null) return;
    for (const { seq, frame } of this.up.unsent()) this.transmit(now, link, seq, frame);
  }

  private send(now: number, frame: Frame): boolean {
    if (!isCounted(frame)) {
      if (this.links.current !== null) this.transmit(now, this.links.current, undefined, frame);
      return true;
    }
    if (this.up.waiting >= this.config.queue_max) return false;
    this.rooms.sending(frame);
    this.up.push(frame);
    this.flush(now);
    return true;
  }

  private hubReceived(received: number): void {
    this.up.ack(received);
    this.out.push({ op: 'acked', received });
  }

  private tell(): number {
    this.told = this.received;
    this.ackDue = null;
    return this.received;
  }

  private ack(now: number): void {
    if (this.links.current === null) return;
    const received = this.tell();
    this.transmit(now, this.links.current, undefined, { type: 'hub:ack', data: { received } });
  }

  private tick(now: number): void {
    if (this.ackDue !== null && this.ackDue <= now) this.ack(now);
    const links = this.links.sorted();
    const silent = links.filter(([, l]) => l.nextDown === null && now >= l.helloAt + this.config.welcome_ms);
    const dead = links.filter(([, l]) => l.nextDown !== null && now >= l.heardAt + this.silence());
    for (const [link] of silent) this.giveUp(link, 'hello_timeout');
    for (const [link] of dead) this.giveUp(link, 'heartbeat_timeout');
    const { current } = this.links;
    const l = current === null ? undefined : this.links.get(current);
    if (current !== null && l && now >= l.sentAt + this.config.heartbeat_ms) {
      this.transmit(now, current, undefined, { type: 'hub:ping', data: { received: this.tell(), t: now } });
    }
  }

  private bye(now: number): void {
    if (this.links.current !== null) this.transmit(now, this.links.current, undefined, { type: 'hub:bye' });
    for (const [link] of this.links.sorted()) this.giveUp(link, 'bye');
    this.identity = null;
  }
}

function faultOf(data: unknown): Fault {
  const { code, message, retry, retry_after_ms } = record(data) ?? {};
  if (typeof code !== 'string' || typeof message !== 'string') {
    return { code: 'internal', message: 'A fault of the hub', retry: 'backoff' };
  }
  const fault: Fault = { code, message, retry: typeof retry === 'string' ? retry : 'never' };
  if (isCount(retry_after_ms)) fault.retry_after_ms = retry_after_ms;
  return fault;
}
