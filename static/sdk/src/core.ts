import { asError, check } from './check.js';
import { Beats } from './beats.js';
import type { Clock } from './clock.js';
import { CrosspointError } from './codes.js';
import { Connector, type Connected, type ConnectorHooks } from './connector.js';
import { Directory } from './directory.js';
import { Driver, runtime, type LinkMaker } from './driver.js';
import { Emitter } from './emitter.js';
import type { Frame } from './frame.js';
import { Crowd } from './links/crowd.js';
import type { Pace as LinkPace, TransportName } from './links/link.js';
import { defaultStore, NetworkMemory } from './memory.js';
import { Metrics } from './metrics.js';
import { Moves } from './moves.js';
import { baseUrl } from './negotiate.js';
import { pageNow, watchPage, type PageHooks } from './page.js';
import { openOutbox } from './offline/index.js';
import { queueFull, type Outbox } from './offline/outbox.js';
import { Pending, type CallOptions } from './pending.js';
import { Allowed } from './plan.js';
import { Pace, Reputation } from './policy.js';
import { Renewal } from './renewal.js';
import { Reports } from './report.js';
import { isCount, record, type Output } from './session/types.js';
import type { Tie } from './tabs/tie.js';
import { Tokens } from './tokens.js';
import type { ClientEvents, Counters, Options, State } from './types.js';

/** How often the round-trip time is measured where no beats do (ms): with the usual heartbeat no further pings are due. */
const RTT_EVERY_MS = 9_000;
/** How long polls wait where there are no beats (ms). */
const POLL_WAIT_MS = 20_000;

/** What the core tells the application's side. */
export interface CoreHooks {
  /** A frame from the hub that answers no call. */
  frame(frame: Frame): void;
  /** A new session took the old one's place; its rooms are being joined again. */
  renewed(): void;
  rejoined(room: string, data: unknown): void;
  rejoinFailed(room: string, error: CrosspointError): void;
  /** So many frames without a reply may not have arrived. */
  lostFrames(count: number): void;
}

/** A session and its links, as one thing that frames can be given to. */
export class Core {
  state: State = 'connecting';
  session: string | null = null;
  user: string | null = null;
  rtt: number | null = null;
  connectMs: number | null = null;
  readonly counters: Counters = { sent: 0, received: 0, acked: 0, gaps: 0, duplicates: 0, reconnects: 0, moves: 0, resumes: 0 };
  readonly emitter = new Emitter<ClientEvents>((error) => this.report(error));
  readonly pending: Pending;
  readonly outbox: Outbox;
  readonly ready: Promise<void>;
  /** The hub's address. */
  readonly base: string;
  readonly requestTimeoutMs: number;
  readonly tokens: Tokens;
  readonly driver: Driver;
  readonly moves: Moves;
  readonly metrics: Metrics;
  readonly connector: Connector;
  readonly renewal: Renewal;
  private readonly allowed: Allowed;
  private readonly reports: Reports;
  private takesReports = false;
  private readonly beats: Beats;
  readonly queueMax: number;
  private settle!: (error: CrosspointError | null) => void;
  private readonly unwatch: () => void;
  frameBytesMax = Infinity;
  private postBytesMax = 65_536;
  private ids = 0;
  private readonly prefix = randomPrefix();
  private cancelPing: (() => void) | null = null;
  private previous: TransportName | null = null;
  private counted = { sent: 0, received: 0, acked: 0 };
  private wasLost = false;

  constructor(
    url: string,
    readonly options: Options,
    private readonly hooks: CoreHooks,
    readonly clock: Clock,
    maker: LinkMaker,
    /** Binds this client to those of other tabs. */
    readonly tie: Tie | null = null,
  ) {
    this.base = baseUrl(url);
    this.pending = new Pending(clock);
    const wrap = (hooks: ConnectorHooks) => tie?.connectorHooks(hooks) ?? hooks;
    const page = (hooks: PageHooks) => tie?.pageHooks(hooks) ?? hooks;
    this.requestTimeoutMs = options.requestTimeoutMs ?? 15_000;
    this.queueMax = options.queueMax ?? 1_000;
    this.ready = new Promise((resolve, reject) => {
      this.settle = (error) => (error ? reject(error) : resolve());
    });
    this.ready.catch(() => {});
    const fetchFn: typeof fetch = options.fetch ?? ((input, init) => fetch(input, init));
    const { WebSocket: Socket, WebTransport: Session, RTCPeerConnection: Peer } = runtime(options);
    const families = (['webtransport', 'websocket', 'sse', 'webrtc'] as const).filter((_, i) => [Session, Socket, true, Peer][i]);
    const connectTimeoutMs = options.connectTimeoutMs ?? 10_000;
    this.allowed = new Allowed(options.transports ?? families, options.ssePoll ?? 'auto');
    this.tokens = new Tokens(options.token, clock, connectTimeoutMs);
    this.renewal = new Renewal(clock, this.tokens, {
      isOn: () => this.state === 'connected' && tie?.leads !== false,
      refresh: (token) => this.call({ type: 'hub:refresh', data: { token } }, { timeoutMs: this.requestTimeoutMs }),
      renewed: (token) => tie?.renewed(token),
    });
    this.driver = new Driver(
      clock,
      { queue_max: this.queueMax, welcome_ms: connectTimeoutMs, again: (frame, user) => frame.type !== 'hub:signal' && (tie?.again(frame) ?? this.outbox.again(frame, user)) },
      {
        proven: (link) => this.connector.proven(link),
        gone: (link, error, fault) => this.connector.gone(link, error, fault),
        welcomed: (output, welcome) => this.welcomed(output, welcome),
        output: (output) => this.output(output),
        frame: (direction, frame, via) => this.emitter.emit('frame', { direction, frame, via }),
        unsendable: (frame, error) => {
          if (frame.id !== undefined) this.pending.fail(frame.id, error);
          else this.emitter.emit('error', error);
        },
      },
      { clock, fetch: fetchFn, WebSocket: Socket, WebTransport: Session, RTCPeerConnection: Peer, crowd: new Crowd(clock), postBytesMax: () => this.postBytesMax, pace: () => this.pace(), posts: { factor: 1, bytesMax: Infinity } },
      maker,
    );
    this.beats = new Beats(clock, (beat_ms) => this.driver.input({ op: 'pace', beat_ms }));
    this.outbox = openOutbox(this.base, options, this.queueMax, clock, {
      pending: this.pending,
      emitter: this.emitter,
      machine: this.driver.machine,
      send: (frame) => this.driver.input({ op: 'send', frame }),
      bytesMax: () => this.frameBytesMax,
      report: (error) => this.report(error),
    });
    const metrics = (this.metrics = new Metrics(clock));
    this.reports = new Reports(
      clock,
      (frame) => this.driver.input({ op: 'send', frame }),
      (ms) => (metrics.firstMs ??= Math.round(ms)),
    );
    const { user, info, redirect = true } = options;
    const memory = new NetworkMemory(clock, options.networkMemory === false ? null : defaultStore());
    const reputation = new Reputation(clock);
    const directory = new Directory(
      { base: this.base, user, info, fetch: fetchFn, families, connectTimeoutMs, redirect },
      clock,
      this.tokens,
      memory,
    );
    this.connector = new Connector(
      clock,
      this.driver,
      this.tokens,
      directory,
      this.allowed,
      memory,
      reputation,
      new Pace(clock, options.backoff),
      wrap({
        connected: (how) => this.connected(how),
        lost: (error) => this.lost(error),
        failed: (error) => this.emitter.emit('error', error),
        ended: (error) => this.end(error),
        negotiated: ({ frameBytesMax, postBytesMax }) => this.limits(frameBytesMax, postBytesMax),
        tried: (transport, outcome, ms) => {
          metrics.tried(transport, outcome);
          this.reports.tried(transport, outcome, ms);
        },
      }),
    );
    this.moves = new Moves(
      clock,
      this.connector,
      this.allowed,
      reputation,
      options.autoUpgrade ?? true,
      (error) => this.cut(error),
      () => this.renewal.renew(),
    );
    this.connector.offline = pageNow().offline;
    this.unwatch = watchPage(page({
      leave: () => this.leave(),
      freeze: () => this.freeze(),
      thaw: () => this.wake(),
      wake: () => this.wake(),
      hidden: (hidden) => this.beats.hide(hidden),
      online: (online) => this.online(online),
      changed: (another) => {
        if (another) this.connector.networkChanged();
        this.wake(another);
      },
    }));
    if (pageNow().hidden) this.beats.hide(true);
    if (tie) tie.bind(this, this.connector);
    else queueMicrotask(() => this.connector.connect());
  }

  get offered(): readonly TransportName[] {
    return this.connector.candidates.map(({ transport }) => transport);
  }

  get transport(): TransportName | null {
    return this.tie ? this.tie.transport : (this.connector.current?.transport ?? null);
  }

  /** Sends a frame and resolves with the data of its reply. Rejects with `CrosspointError` only. */
  call<T>(frame: Frame, options: CallOptions = {}): Promise<T> {
    const id = (frame.id ??= this.nextId());
    const refuse = (error: unknown): Promise<T> => {
      const e = asError(error);
      options.onStatus?.('failed', e);
      return Promise.reject(e);
    };
    if (this.state === 'closed') return refuse(closed());
    const { keep } = options;
    let bytes: number;
    try {
      bytes = check(frame, this.frameBytesMax);
    } catch (error) {
      return refuse(error);
    }
    if (this.pending.has(id)) return refuse(new CrosspointError('bad_request', `a frame with the id ${id} is under way`));
    if (!keep && this.pending.size - this.outbox.total >= this.queueMax) return refuse(queueFull(this.queueMax));
    const result = this.pending.add<T>(id, options);
    try {
      this.outbox.push(frame, bytes, keep);
    } catch (error) {
      this.pending.fail(id, asError(error));
    }
    return result;
  }

  /** Sends a frame that has no reply. Throws what the hub would refuse. */
  fire(frame: Frame): void {
    if (this.state === 'closed') throw closed();
    const bytes = check(frame, this.frameBytesMax);
    if (frame.volatile === undefined) this.outbox.push(frame, bytes);
    else this.driver.input({ op: 'send', frame });
  }

  /** Resolves after so long, unless the client ends before. */
  sleep(ms: number): Promise<void> {
    const id = this.nextId();
    const cancel = this.clock.after(ms, () => void this.pending.settle({ type: 'hub:reply', id }));
    return this.pending.add<void>(id, {}).finally(cancel);
  }

  nextId(): string {
    return `${this.prefix}${(++this.ids).toString(36)}`;
  }

  allow(transports: string[]): void {
    if (this.state === 'closed') return;
    this.allowed.set(transports);
    this.moves.allowedChanged();
  }

  /** Cuts the current link without a goodbye. */
  cut(error: CrosspointError): void {
    const { current } = this.connector;
    if (!current) return;
    this.driver.drop(current.id);
    this.connector.gone(current.id, error, false);
  }

  close(): void {
    if (this.state === 'closed') return;
    if (!this.tie?.leave()) this.driver.bye(false);
    this.end(closed());
  }

  /** What an application's handler threw, or could not be told otherwise. */
  report(error: unknown): void {
    const e = error instanceof CrosspointError ? error : new CrosspointError('internal', `a handler failed: ${error}`);
    if (e !== error) e.cause = error;
    if (!this.reporting && this.emitter.has('error')) {
      this.reporting = true;
      this.emitter.emit('error', e);
      this.reporting = false;
    } else {
      console.error(error);
    }
  }

  private reporting = false;

  private limits(frameBytesMax: number | null, postBytesMax: number | null): void {
    if (frameBytesMax) this.frameBytesMax = frameBytesMax;
    if (postBytesMax) this.postBytesMax = postBytesMax;
  }

  welcomed(output: Output & { op: 'welcomed' }, welcome: Frame): void {
    const { link, session, user, resumed } = output;
    const renewed = this.session !== null && !resumed;
    const data = record(welcome.data);
    const limits = record(data?.limits) ?? {};
    this.takesReports = data?.reports === true;
    const limit = (value: unknown) => (isCount(value) && value > 0 ? value : null);
    this.limits(limit(limits.frame_bytes_max), limit(limits.post_bytes_max));
    this.session = session;
    this.user = user || null;
    if (resumed) this.counters.resumes += 1;
    else this.counted = { sent: 0, received: 0, acked: 0 };
    this.connector.welcomed(link);
    if (this.state === 'closed') return;
    if (renewed) this.hooks.renewed();
    this.outbox.welcomed(user);
    this.emitter.emit('session', { session, resumed });
    this.settle(null);
  }

  private pace(): LinkPace {
    return { silenceMs: this.driver.machine.beatMs || POLL_WAIT_MS, patienceMs: Math.max(2_000, 4 * (this.rtt ?? 0)) };
  }

  private connected(how: Connected): void {
    const { transport, cause, ms } = how;
    const { previous, metrics } = this;
    this.previous = transport;
    this.connectMs = Math.round(ms);
    if (this.wasLost) this.counters.reconnects += 1;
    else if (previous !== null) this.counters.moves += 1;
    this.wasLost = false;
    if (cause === 'up') metrics.movesUp += 1;
    else if (cause === 'down') metrics.movesDown += 1;
    metrics.carriedBy(transport);
    this.reports.connected(how, previous, this.takesReports);
    this.moves.connected(transport, cause);
    // The machine has still to send what waits; the ping follows that.
    this.cancelPing?.();
    this.cancelPing = this.clock.after(0, () => this.ping());
    // Last, for the application may close the client in any event.
    this.enter('connected');
    this.renewal.arm();
    if (this.state === 'connected') this.emitter.emit('transport', { transport, previous, cause, ms: this.connectMs });
  }

  private ping(): void {
    const { machine } = this.driver;
    this.driver.input({ op: 'send', frame: { type: 'hub:ping', data: { received: machine.received, t: this.driver.now() } } });
    this.measureLater();
  }

  private measureLater(): void {
    this.cancelPing = this.clock.after(RTT_EVERY_MS, () => {
      // The answers to beats measure it besides.
      const beats = this.driver.machine.beatMs > 0 && this.transport !== 'sse' && this.transport !== 'sse-poll';
      if (beats) this.measureLater();
      else this.ping();
    });
  }

  private lost(error: CrosspointError): void {
    this.wasLost = true;
    this.cancelPing?.();
    this.renewal.stop();
    this.metrics.carriedBy(null);
    this.reports.stop();
    this.moves.disconnected();
    this.outbox.lost();
    this.pending.unsent();
    this.enter('reconnecting', error);
  }

  private output(output: Output): void {
    switch (output.op) {
      case 'transmit':
        if (output.frame.id !== undefined) this.pending.sent(output.frame.id);
        this.metrics.sent(output.frame);
        if (output.seq !== undefined) this.count('sent', output.seq);
        break;
      case 'event':
        this.count('received', this.driver.machine.received);
        this.reports.came(output.frame);
        if (!this.settleCall(output.frame)) this.hooks.frame(output.frame);
        break;
      case 'acked':
        this.count('acked', output.received);
        this.outbox.pump();
        break;
      case 'rejoined':
        this.hooks.rejoined(output.room, output.data);
        this.outbox.rejoined(output.room);
        break;
      case 'rejoin_failed':
        this.hooks.rejoinFailed(output.room, new CrosspointError(output.code));
        break;
      case 'lost':
        this.hooks.lostFrames(output.frames);
        break;
      case 'move':
        this.moves.asked(output.to, output.within_ms);
        break;
      case 'rtt':
        this.rtt = output.ms;
        this.emitter.emit('rtt', output.ms);
    }
    this.counters.duplicates = this.driver.machine.duplicates;
  }

  private settleCall(frame: Frame): boolean {
    if (frame.type !== 'hub:reply' && frame.type !== 'hub:error') return false;
    if (frame.id === undefined) {
      this.emitter.emit('error', CrosspointError.from(frame.data));
    } else if (frame.type === 'hub:reply' || !this.outbox.refused(frame)) {
      this.metrics.answered(frame.id);
      this.pending.settle(frame);
      this.outbox.answered(frame);
    }
    return true;
  }

  private count(what: 'sent' | 'received' | 'acked', to: number): void {
    if (to <= this.counted[what]) return;
    this.counters[what] += to - this.counted[what];
    this.counted[what] = to;
  }

  private leave(): void {
    if (this.tie?.leave()) return;
    this.connector.pause();
    this.driver.bye(true);
  }

  private freeze(): void {
    if (!this.connector.current) return;
    const error = new CrosspointError('unavailable', 'the page is frozen');
    this.driver.drop(this.connector.current.id);
    this.connector.pause();
    this.lost(error);
  }

  /** What had to wait or be trusted while nobody looked is looked at now. */
  private wake(better = true): void {
    if (this.state !== 'connected') return this.connector.hurry();
    this.beats.ask();
    if (better) this.moves.again();
  }

  private online(online: boolean): void {
    this.connector.offline = !online;
    if (online) {
      this.connector.networkChanged();
      this.wake();
    } else if (this.state === 'connected') {
      this.beats.ask();
    }
  }

  private end(error: CrosspointError): void {
    this.connector.stop();
    this.driver.bye(false);
    this.cancelPing?.();
    this.renewal.stop();
    this.beats.stop();
    this.metrics.carriedBy(null);
    this.reports.stop();
    this.unwatch();
    const final = error.code === 'bye' ? undefined : error;
    this.enter('closed', final);
    if (final) this.emitter.emit('error', final);
    this.settle(error);
    this.moves.stop(error);
    for (const id of this.outbox.close()) this.pending.abandon(id, error);
    this.pending.failAll(error);
  }

  private enter(state: State, error?: CrosspointError): void {
    const previous = this.state;
    if (previous === state || previous === 'closed') return;
    this.state = state;
    this.emitter.emit('state', error ? { state, previous, error } : { state, previous });
  }
}

export function closed(): CrosspointError {
  return new CrosspointError('bye', 'the client is closed');
}

/** What sets this client's ids apart from those of the user's other clients: 72 random bits. */
function randomPrefix(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(9));
  return `${btoa(String.fromCharCode(...bytes)).replace(/\+/g, '-').replace(/\//g, '_')}-`;
}
