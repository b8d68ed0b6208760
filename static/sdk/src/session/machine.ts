import { isCounted, isLinkFrame, type Frame } from '../frame.js';
import { Links } from './links.js';
import { Patience, Pulse } from './pulse.js';
import { Rooms } from './rooms.js';
import { DEFAULT_CONFIG, isCount, record, welcomeOf, type Config, type Fault, type Input, type LinkId, type Output, type Snapshot, type Welcome } from './types.js';
import { Uplink } from './up.js';

const PROTOCOL_VERSION = 1;
/** A tick that comes so much later than it was due says more of this machine than of any link (ms). */
const LATE_MS = 1_000;

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
  private readonly patience = new Patience();
  private up = new Uplink();
  private rooms = new Rooms();
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
        this.frame(now, input.link, input.frame, input.bytes ?? 0);
        break;
      case 'closed':
        this.links.closed(input.link);
        break;
      case 'send':
        return this.send(now, input.frame);
      case 'acked':
        this.confirmed(now, input.link);
        this.hubReceived(input.link, input.received);
        break;
      case 'heard':
        this.links.get(input.link)?.pulse.heard(now, 0);
        break;
      case 'beat':
        this.beat(now, input.link);
        break;
      case 'unread':
        this.links.get(input.link)?.pulse.heard(now, 0);
        this.confirmed(now, input.link);
        break;
      case 'pace':
        this.config.beat_ms = input.beat_ms;
        this.ping(now, input.beat_ms);
        break;
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

  /** Whether the client is in the room, as far as the hub's replies say, and whether the room has a history. */
  room(name: string): { history: boolean } | null {
    return this.rooms.room(name);
  }

  /** All that it takes to go on in this machine's place, but for what judges whether links live; can be cloned. */
  snapshot(): Snapshot {
    const { identity, received, duplicates, ids } = this;
    return { identity, received, duplicates, ids, up: { ...this.up }, rooms: { ...this.rooms }, links: this.links.snapshot() };
  }

  /** Takes the place of another machine. */
  adopt(now: number, { identity, received, duplicates, ids, up, rooms, links }: Snapshot): void {
    Object.assign(this, { identity, received, duplicates, ids });
    Object.assign(this.up, up);
    Object.assign(this.rooms, rooms);
    this.links.adopt(now, links);
    this.tell();
  }

  /** Who had the links is gone: they are closed, and the hub may have received more of it than is known here. */
  inherit(): void {
    for (const [link] of this.links.sorted()) this.links.closed(link);
    this.up.inherited = true;
  }

  /** The session can't be gone on with: the next hello opens another, which restores what can be. */
  forget(): void {
    this.identity = null;
    this.received = 0;
    this.tell();
  }

  /** When a tick is due next; `Infinity` for never. */
  deadline(): number {
    const { heartbeat_ms, welcome_ms } = this.config;
    const patienceMs = this.patience.ms(heartbeat_ms);
    let at = Infinity;
    for (const [id, l] of this.links.sorted()) {
      if (l.nextDown === null) at = Math.min(at, l.helloAt + welcome_ms);
      else if (this.links.current === id) at = Math.min(at, l.pulse.deadline(heartbeat_ms, patienceMs), l.sentAt + heartbeat_ms);
    }
    return this.ackDue !== null && this.links.current !== null ? Math.min(at, this.ackDue) : at;
  }

  /** The pace of beats in force on the link that carries the session (ms); 0 where there are none. Who polls waits so long. */
  get beatMs(): number {
    return this.links.carrier()?.[1].pulse.beatMs ?? 0;
  }

  private hello(now: number, link: LinkId, cause: string, auth: Record<string, unknown>): void {
    const { beat_ms } = this.config;
    const data = { version: PROTOCOL_VERSION, ...this.identity, received: this.received, cause, ...(beat_ms > 0 && { beat_ms }), ...auth };
    if (this.links.asked !== null) this.giveUp(this.links.asked, 'replaced');
    this.links.greet(link, now);
    this.transmit(now, link, undefined, { type: 'hub:hello', data });
  }

  private frame(now: number, id: LinkId, frame: Frame, bytes: number): void {
    const link = this.links.get(id);
    if (!link) return;
    link.pulse.heard(now, bytes);
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
      this.deliver(now, frame);
    }
    if (this.received - this.told >= this.config.ack_every) this.ack(now);
  }

  private deliver(now: number, frame: Frame): void {
    if ((frame.type === 'hub:reply' || frame.type === 'hub:error') && frame.id !== undefined) {
      const asked = this.up.answered(frame.id);
      this.flush(now);
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
        const { received, t, beat_ms } = beatOf(frame.data);
        if (received !== undefined && !this.hubReceived(link, received)) return;
        if (frame.type === 'hub:ping') {
          const data = t === undefined ? { received: this.tell() } : { received: this.tell(), t };
          this.transmit(now, link, undefined, { type: 'hub:pong', data });
        } else if (frame.type === 'hub:pong') {
          this.confirmed(now, link);
          const l = this.links.get(link);
          if (l && beat_ms !== undefined) l.pulse.beatMs = beat_ms;
          if (t !== undefined) this.measured(link, Math.max(0, now - Math.max(0, Math.trunc(t))));
        }
        return;
      }
      case 'hub:close':
        this.links.closed(link);
        this.out.push({ op: 'refused', link, fault: faultOf(frame.data) });
        return;
      case 'hub:move': {
        const data = record(frame.data);
        const { to, within_ms = 0, reason = '' } = data ?? {};
        if (!data || !isCount(within_ms) || typeof reason !== 'string') return;
        if (typeof to === 'string') this.out.push({ op: 'move', to, within_ms, reason });
        else if (to == null) this.out.push({ op: 'move', within_ms, reason });
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
    // Below the count is fine: the link before may have brought frames since the hello.
    const startMax = same ? this.received + 1 : 1;
    const taken = same ? this.up.resume(w.received) : w.received === 0;
    if (w.resumed !== same || w.start === 0 || w.start > startMax || !taken) {
      this.giveUp(link, 'bad_frame');
      return;
    }
    const previous = this.links.current;
    if (previous !== null) this.giveUp(previous, 'replaced');
    this.links.current = link;
    if (w.heartbeat_ms > 0) this.config.heartbeat_ms = w.heartbeat_ms;
    this.config.ack_every = Math.max(1, w.ack_every);
    this.config.ack_delay_ms = w.ack_delay_ms;
    const l = this.links.get(link);
    if (l) {
      l.nextDown = w.start;
      l.pulse = new Pulse(now, this.config.beat_ms > 0 ? w.beat_ms : 0);
    }
    this.identity = { session: w.session, resume: w.resume };
    this.out.push({ op: 'welcomed', link, session: w.session, user: w.user, resumed: same });
    if (same && this.up.lost > 0) this.out.push({ op: 'lost', frames: this.up.lost });
    if (same) this.out.push({ op: 'acked', received: w.received });
    else this.beginSession(w.user);
    this.flush(now);
  }

  private beginSession(user: string): void {
    this.received = this.told = 0;
    this.ackDue = null;
    const frames = this.up.newSession(this.rooms.rejoin(() => this.ownId()), (frame) => this.config.again(frame, user));
    if (frames > 0) this.out.push({ op: 'lost', frames });
  }

  /** Sends what waits, if a link carries the session and not too many replies are due. */
  private flush(now: number): void {
    const link = this.links.current;
    if (link === null) return;
    for (let next = this.up.nextUnsent(this.config.window); next; next = this.up.nextUnsent(this.config.window)) {
      this.transmit(now, link, next.seq, next.frame);
    }
  }

  private send(now: number, frame: Frame): boolean {
    if (!isCounted(frame)) {
      if (this.links.current !== null) this.transmit(now, this.links.current, undefined, frame);
      return true;
    }
    if (this.up.waiting >= this.config.queue_max) return false;
    if (Rooms.wantsReply(frame) && frame.id === undefined) frame = { ...frame, id: this.ownId() };
    this.up.push(frame);
    this.flush(now);
    return true;
  }

  private ownId(): string {
    return `hub~${++this.ids}`;
  }

  /** The hub says what it has received. `false`: it can't have, and the link was given up. */
  private hubReceived(link: LinkId, received: number): boolean {
    if (this.links.current !== link) return true;
    if (!this.up.ack(received)) {
      this.giveUp(link, 'bad_frame');
      return false;
    }
    this.out.push({ op: 'acked', received });
    return true;
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
    if (now > this.deadline() + LATE_MS) this.forgive(now);
    if (this.ackDue !== null && this.ackDue <= now) this.ack(now);
    const { heartbeat_ms, welcome_ms } = this.config;
    for (const [link, l] of this.links.sorted()) {
      if (l.nextDown === null && now >= l.helloAt + welcome_ms) this.giveUp(link, 'hello_timeout');
    }
    const carrier = this.links.carrier();
    if (!carrier) return;
    const [link, l] = carrier;
    const due = l.pulse.due(now, heartbeat_ms, this.patience);
    if (due === 'death') {
      this.giveUp(link, 'heartbeat_timeout');
    } else if (due === 'beat') {
      l.sentAt = now;
      l.pulse.ask(now, true, this.up.unackedBytes, heartbeat_ms);
      this.out.push({ op: 'beat', link });
    } else if (now >= l.sentAt + heartbeat_ms) {
      this.ping(now, undefined);
    }
  }

  /** A tick comes late: whoever slept has heard nobody, and judges nobody by that. */
  private forgive(now: number): void {
    const { heartbeat_ms, welcome_ms } = this.config;
    const patienceMs = this.patience.ms(heartbeat_ms);
    for (const [, l] of this.links.sorted()) {
      if (l.nextDown === null) l.helloAt = Math.max(l.helloAt, now + patienceMs - welcome_ms);
      else l.pulse.forgive(now, heartbeat_ms, patienceMs);
    }
    this.ping(now, undefined);
  }

  /** Asks for a sign of life, and perhaps for another pace of beats. */
  private ping(now: number, beatMs: number | undefined): void {
    const received = this.tell();
    const carrier = this.links.carrier();
    if (!carrier) return;
    const [link, l] = carrier;
    l.pulse.ask(now, false, this.up.unackedBytes, this.config.heartbeat_ms);
    const data = { received, t: now, ...(beatMs !== undefined && { beat_ms: beatMs }) };
    this.transmit(now, link, undefined, { type: 'hub:ping', data });
  }

  /** The way up of this link lives. */
  private confirmed(now: number, link: LinkId): number | null {
    return this.links.get(link)?.pulse.confirmed(now, this.patience) ?? null;
  }

  private beat(now: number, link: LinkId): void {
    this.links.get(link)?.pulse.heard(now, 0);
    const ms = this.confirmed(now, link);
    if (ms !== null) this.measured(link, ms);
  }

  private measured(link: LinkId, ms: number): void {
    this.patience.measured(ms);
    this.out.push({ op: 'rtt', link, ms });
  }

  private bye(now: number): void {
    if (this.links.current !== null) this.transmit(now, this.links.current, undefined, { type: 'hub:bye' });
    for (const [link] of this.links.sorted()) this.giveUp(link, 'bye');
    this.identity = null;
    this.received = this.told = 0;
    this.ackDue = null;
    this.up = new Uplink();
    this.rooms = new Rooms();
  }
}

/** The data of an ack, ping or pong; one of the wrong shape says nothing. */
function beatOf(data: unknown): { received?: number; t?: number; beat_ms?: number } {
  const { received, t, beat_ms } = record(data) ?? {};
  const isWrong = (n: unknown) => n != null && !isCount(n);
  if (isWrong(received) || isWrong(beat_ms) || (t != null && typeof t !== 'number')) return {};
  return {
    ...(received != null && { received: received as number }),
    ...(t != null && { t }),
    ...(beat_ms != null && { beat_ms: beat_ms as number }),
  };
}

function faultOf(data: unknown): Fault {
  const { code, message, retry, retry_after_ms, address } = record(data) ?? {};
  if (typeof code !== 'string' || typeof message !== 'string') {
    return { code: 'internal', message: 'A fault of the hub', retry: 'backoff' };
  }
  const fault: Fault = { code, message, retry: typeof retry === 'string' ? retry : 'never' };
  if (isCount(retry_after_ms)) fault.retry_after_ms = retry_after_ms;
  if (typeof address === 'string') fault.address = address;
  return fault;
}
