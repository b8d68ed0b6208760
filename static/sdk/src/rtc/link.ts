import type { Clock } from '../clock.js';
import { CrosspointError } from '../codes.js';
import { guarded } from '../emitter.js';
import { decode, encode, type Frame } from '../frame.js';
import { Connection, type Signal } from './connection.js';
import { Pair, type Packet, type PairOutput, type Way } from './pair.js';
import { Path } from './path.js';
import type { Peer, Via } from './types.js';

/** Says who is here at most this often (ms). */
const HELLO_EVERY_MS = 1_000;
/** Volatile messages that may be on their way to the hub. */
const VOLATILES_MAX = 8;

export interface LinkHooks {
  /** Sends data to the peer by the hub; rejects if the hub didn't take it. */
  signal(data: unknown): Promise<unknown>;
  config(): Promise<RTCConfiguration>;
  message(topic: string, data: unknown, via: Via, volatile: boolean): void;
  path(previous: Via): void;
  /** The peer has enough connections. */
  full(): void;
  /** An attempt has brought no direct path. */
  failed(): void;
  /** Whether a connection that the peer wants may be made. */
  welcome(need: boolean): boolean;
  /** Somebody new has taken the peer's place, and said this. */
  stranger(remote: string, data: unknown): void;
  report(error: unknown): void;
}

/** A message as it goes over a channel or, with `i` and `j`, through the hub: who wrote it, and whom they take the receiver for. */
type Wire = Frame & { i?: string; j?: string };

/** Everything between this page and one peer: the connection, and the messages that take it or the hub. */
export class PeerLink {
  readonly connection: Connection | null;
  readonly pair = new Pair();
  /** The peer has enough connections. */
  full = false;
  /** Others try first. */
  rests = false;
  via: Via = 'hub';
  readonly path = new Path();
  private opened = false;
  private volatiles = 0;
  private saidAt = -Infinity;
  private cancelTick: (() => void) | null = null;
  private tickAt = Infinity;
  private closed = false;
  private working = false;

  constructor(
    public peer: Peer,
    /** Names this end, and nothing else ever. */
    readonly local: string,
    /** The other end's name, once it is known. */
    public remote: string | null,
    polite: boolean,
    private readonly clock: Clock,
    Make: typeof RTCPeerConnection | null,
    private readonly hooks: LinkHooks,
  ) {
    this.connection = Make && new Connection(polite, clock, Make, {
      signal: (signal) => this.signal(signal),
      config: () => hooks.config(),
      message: (data, volatile) => this.direct(data, volatile),
      open: (open) => this.open(open),
      doubt: () => {
        this.path.doubt(this.clock.now());
        this.settle();
      },
      failed: () => hooks.failed(),
      kind: () => this.settle(),
      report: (error) => hooks.report(error),
    });
  }

  get rtt(): number | null {
    return this.path.rtt;
  }

  /** Sends a message that arrives once and in order. Throws `limit_exceeded`. `done` is told when it has arrived, or that nobody knows. */
  send(topic: string, data: unknown, bytes: number, done: (error: CrosspointError | null) => void): void {
    this.pair.send(this.clock.now(), { topic, data, bytes, done: (error) => guarded(done, error, (e) => this.hooks.report(e)) });
    this.work();
  }

  sendVolatile(topic: string, data: unknown): void {
    const frame: Frame & { t: string } = { type: 'v', t: topic, data };
    if (this.path.up && this.connection?.send(encode(frame), true)) return;
    if (this.volatiles >= VOLATILES_MAX) return;
    this.volatiles += 1;
    void this.toHub(frame).finally(() => (this.volatiles -= 1));
  }

  /** What came from the peer by the hub. */
  signalled(data: unknown): void {
    const wire = (data instanceof Uint8Array ? decode(data) : data) as Wire | null;
    if (this.closed || !wire || typeof wire.type !== 'string' || typeof wire.i !== 'string') return;
    const { i, j } = wire;
    if (!this.knows(wire)) {
      if (j === undefined || j === this.local) this.hooks.stranger(i, data);
    } else if (wire.type === 'm' || wire.type === 'a' || wire.type === 'v') this.came('hub', wire);
    else if (wire.type === 'dead') this.doubted();
    else this.negotiate(wire as unknown as Signal);
  }

  /** Tries to have a direct path. */
  want(): void {
    this.connection?.want();
  }

  /** Does without. */
  give(): void {
    this.connection?.close();
    this.settle();
  }

  hubLinked(linked: boolean): void {
    this.pair.link(this.clock.now(), linked);
    this.work();
  }

  /** One of the sessions is another one now: what was on its way through the hub may be lost. */
  moved(): void {
    if (this.pair.way === 'hub') this.pair.begin(this.clock.now());
    this.work();
  }

  /** Ends it. `heir`: a link to whoever has come in the peer's place, which sends what nobody there has had. */
  close(error: CrosspointError, heir?: PeerLink): void {
    if (this.closed) return;
    if (heir) this.pair.bequeath(this.clock.now(), heir.pair);
    this.closed = true;
    this.cancelTick?.();
    this.connection?.close();
    this.pair.close(error);
  }

  /** Says who is here. `anew`: to whoever is there. */
  hello(anew = false): void {
    const now = this.clock.now();
    if (this.closed || now < this.saidAt + HELLO_EVERY_MS) return;
    this.saidAt = now;
    this.toHub({ type: 'hi' }, anew).catch(() => {});
  }

  /** Whether a signal is of the peer's end that this link leads to, and meant for this end of it. */
  private knows({ i, j }: Wire): boolean {
    if (j !== undefined && j !== this.local) {
      this.hello(true);
      return false;
    }
    this.remote ??= i!;
    return this.remote === i;
  }

  private negotiate(signal: Signal): void {
    const { connection } = this;
    if (signal.type === 'full') {
      this.full = true;
      connection?.close();
      this.hooks.full();
    } else if (signal.type === 'want' || signal.type === 'sdp') {
      this.full = this.rests = false;
      if (!connection) return this.signal({ type: 'full' });
      const answer = signal.type === 'sdp' && signal.description?.type !== 'offer';
      if (!connection.wanted && (answer || !this.hooks.welcome(signal.need === true))) {
        if (!answer) this.signal({ type: 'full' });
      } else if (signal.type === 'want' && !connection.wanted) {
        connection.want();
      } else {
        connection.take(signal);
      }
    } else if (signal.type === 'ice' && Array.isArray(signal.candidates)) {
      connection?.take(signal);
    }
  }

  private signal(signal: Signal): void {
    // What the hub doesn't take is tried again by the next attempt.
    this.toHub(signal as unknown as Frame).catch(() => {});
  }

  private toHub(frame: Frame, anew = false): Promise<unknown> {
    const wire: Wire = { ...frame, i: this.local };
    if (this.remote !== null && !anew) wire.j = this.remote;
    return this.hooks.signal(wire.data instanceof Uint8Array ? encode(wire) : wire);
  }

  private direct(data: unknown, volatile: boolean): void {
    const frame = typeof data === 'string' || data instanceof ArrayBuffer ? decode(data) : null;
    if (this.closed || !frame) return;
    const now = this.clock.now();
    this.path.heard(now);
    const { t } = frame as { t?: unknown };
    if (frame.type === 'ping') {
      this.connection?.send(encode({ type: 'pong', t } as Frame));
    } else if (frame.type === 'pong') {
      const before = this.path.up;
      this.path.pong(now, t);
      if (this.path.up && !before) this.connection?.proven();
      this.settle();
    } else if ((frame.type === 'v') === volatile) {
      this.came('direct', frame);
    }
  }

  private came(way: Way, frame: Wire): void {
    const { t, n, a, r, data = null } = frame as Wire & { t?: unknown; n?: unknown; a?: unknown; r?: unknown };
    const now = this.clock.now();
    if (frame.type === 'v') {
      if (typeof t === 'string') this.hooks.message(t, data, this.viaOf(way), true);
      return;
    }
    if (!Number.isSafeInteger(a)) return;
    if (frame.type === 'm' && typeof t === 'string' && Number.isSafeInteger(n)) {
      this.pair.came(now, way, { type: 'm', n: n as number, a: a as number, t, data });
    } else if (frame.type === 'a') {
      this.pair.came(now, way, { type: 'a', a: a as number, ...(r === 1 && { r: 1 }) });
    }
    this.work();
  }

  private viaOf(way: Way): Via {
    return way === 'hub' ? 'hub' : (this.connection?.kind ?? 'direct');
  }

  private open(open: boolean): void {
    if (open) this.path.opened(this.clock.now());
    else this.path.closed();
    this.opened = open;
    this.settle();
  }

  /** The peer hears nothing of me any more. */
  private doubted(): void {
    if (!this.path.up) return;
    this.path.doubt(this.clock.now());
    this.settle();
  }

  /** Lets the messages take the way that is good now. */
  private settle(): void {
    if (this.closed) return;
    const { path, pair } = this;
    const way: Way = path.up ? 'direct' : 'hub';
    if (pair.way !== way) {
      pair.use(this.clock.now(), way);
      if (way === 'hub') {
        this.connection?.lost();
        if (this.opened) this.toHub({ type: 'dead' }).catch(() => {});
      }
    }
    const via = this.viaOf(way);
    if (via !== this.via) {
      const previous = this.via;
      this.via = this.peer.via = via;
      this.hooks.path(previous);
    }
    this.work();
  }

  private work(): void {
    // What a handler does comes after what it was called for.
    if (this.working || this.closed) return;
    this.working = true;
    for (let output = this.pair.poll(); output && !this.closed; output = this.pair.poll()) this.act(output);
    this.working = false;
    if (!this.closed) this.schedule();
  }

  private act(output: PairOutput): void {
    if (output.op === 'message') return this.hooks.message(output.topic, output.data, this.viaOf(output.way), false);
    const { packet, round } = output;
    if (output.way === 'hub') this.toHub(packet as Packet & Frame).catch((error: CrosspointError) => this.refused(round, error));
    // A channel that took nothing is about to say that it is closed; all that is not acknowledged goes another way then.
    else if (!this.connection?.send(encode(packet as Packet & Frame))) this.connection?.broken();
  }

  private refused(round: number, { retryAfterMs }: CrosspointError): void {
    if (this.closed) return;
    this.pair.refused(this.clock.now(), round, retryAfterMs);
    this.work();
  }

  private schedule(): void {
    const at = Math.min(this.pair.deadline(), this.path.deadline());
    if (at === this.tickAt && this.cancelTick) return;
    this.cancelTick?.();
    this.cancelTick = null;
    this.tickAt = at;
    if (at === Infinity) return;
    this.cancelTick = this.clock.after(at - this.clock.now(), () => {
      this.cancelTick = null;
      this.tick();
    });
  }

  private tick(): void {
    const now = this.clock.now();
    if (this.path.tick(now) && !this.connection?.send(encode({ type: 'ping', t: now } as unknown as Frame))) this.connection?.broken();
    this.pair.tick(now);
    this.settle();
  }
}
