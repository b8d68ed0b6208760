import { Backoff } from '../backoff.js';
import { CrosspointError } from '../codes.js';
import type { Core } from '../core.js';
import { Driver } from '../driver.js';
import type { Frame } from '../frame.js';
import { CLIENT } from '../negotiate.js';
import { isCount, record, type LinkId, type Output } from '../session/types.js';
import { Jobs } from './jobs.js';

/** A link that nothing needs is closed after this (ms); the hub asks for one when it has something. */
const IDLE_MS = 60_000;
/** How long a hello may take, where the application says nothing (ms). */
const WELCOME_MS = 10_000;
/** How long a poll of a bulk link waits (ms). */
const POLL_WAIT_MS = 20_000;

export type BulkFrame = Frame & { id: string };
export type Delivered = { delivered: number };

/** All that it takes to go on with a bulk session. */
export interface BulkState {
  /** The session that it belongs to. */
  main: string;
  session: string;
  resume: string;
  received: number;
}

export interface BulkHooks {
  /** The session has begun, or has received more; perhaps a message. */
  came(state: BulkState, message: Frame | null): void;
  /** A session that another client has left to this one. */
  known(): BulkState | null;
}

/** The session beside a client's own that carries what must not delay the rest. Its link is of the kind that the main one has. */
export class Bulk {
  private readonly driver: Driver;
  private readonly jobs: Jobs;
  private readonly backoff: Backoff;
  /** The session that this one belongs to. */
  private main: string | null = null;
  /** What carries it, and what is asked to. */
  private link: LinkId | null = null;
  private asking: LinkId | null = null;
  /** The newest link lives within the main one. */
  private bound = false;
  /** No link is wanted. */
  private rests = true;
  private over = false;
  private cancelRetry: (() => void) | null = null;
  private cancelIdle: (() => void) | null = null;
  private readonly unwatch: (() => void)[];

  constructor(
    private readonly core: Core,
    private readonly hooks: BulkHooks,
  ) {
    const { driver, clock, emitter, options, queueMax } = core;
    this.backoff = new Backoff(options.backoff, clock.random);
    this.driver = new Driver(
      clock,
      { queue_max: queueMax, welcome_ms: options.connectTimeoutMs ?? WELCOME_MS, beat_ms: 0 },
      {
        proven: () => {},
        gone: (link, error, fault) => this.gone(link, error, fault),
        welcomed: (output, welcome) => this.welcomed(output, welcome),
        output: (output) => this.output(output),
        frame: (direction, frame) => emitter.emit('frame', { direction, frame, via: 'bulk' }),
        unsendable: ({ id = '' }, error) => this.jobs.fail(id, error),
      },
      { ...driver.context, pace: () => ({ ...driver.context.pace(), silenceMs: POLL_WAIT_MS }) },
      (target, context) => {
        const main = driver.link(core.connector.current!.id);
        const beside = main?.beside?.(context);
        this.bound = !!beside;
        return beside ?? driver.maker(target, context);
      },
    );
    this.jobs = new Jobs(queueMax, (frame) => this.driver.input({ op: 'send', frame }), () => core.frameBytesMax);
    const known = hooks.known();
    if (known?.main === core.session) this.adopt(known);
    this.unwatch = [
      emitter.on('transport', () => this.moved()),
      emitter.on('state', ({ state, error }) => {
        if (state === 'closed') this.stop(error);
        else if (state === 'reconnecting') this.drop();
      }),
    ];
  }

  /** Resolves when the frame is in the outbox of whoever it is for. */
  send(frame: BulkFrame, bytes: number, signal?: AbortSignal): Promise<Delivered> {
    const sent = this.jobs.add(frame, bytes, signal);
    this.wake();
    return sent;
  }

  /** The hub has something for this session, or it is wanted for another reason. */
  wake(): void {
    if (this.over) return;
    this.rests = false;
    this.busy();
    if (this.link === null && this.asking === null && !this.cancelRetry) this.connect();
    else if (this.link !== null) this.jobs.pump();
  }

  /** Ends here, not at the hub. What was to be sent fails. */
  stop(error: CrosspointError = new CrosspointError('bye', 'the client is closed')): void {
    this.over = true;
    for (const off of this.unwatch) off();
    this.cancelRetry?.();
    this.cancelIdle?.();
    this.driver.detach();
    this.jobs.failAll(error);
  }

  private adopt({ main, session, resume, received }: BulkState): void {
    const { machine } = this.driver;
    machine.adopt(this.driver.now(), { ...machine.snapshot(), identity: { session, resume }, received });
    // Somebody else has sent what the hub has got so far.
    machine.inherit();
    this.main = main;
  }

  private connect(): void {
    const { core, driver } = this;
    const { connector, session } = core;
    const { identity } = core.driver.machine.snapshot();
    const { current } = connector;
    const target = connector.candidates.find(({ transport }) => transport === current?.transport);
    this.cancelRetry?.();
    this.cancelRetry = null;
    if (!current || !target || !identity || identity.session !== session) return;
    if (record(core.driver.lastWelcome.data)?.bulk !== true) {
      this.rests = true;
      return this.jobs.failAll(new CrosspointError('unavailable', 'this hub takes no bulk', 'never'));
    }
    const cause = this.main === session ? 'lost' : 'connect';
    if (this.main !== session) this.forget();
    this.main = session;
    const { id, link } = driver.make(target);
    this.asking = id;
    driver.input({ op: 'hello', link: id, cause, auth: { bulk_for: identity, client: CLIENT } });
    link.open(false);
  }

  /** The main session is another one: this one has ended with the last. */
  private forget(): void {
    this.drop();
    this.driver.machine.forget();
  }

  /** Is without a link until the main one comes back, or longer. */
  private drop(): void {
    const { link, asking } = this;
    this.link = this.asking = null;
    this.cancelRetry?.();
    this.cancelRetry = null;
    for (const id of [link, asking]) if (id !== null) this.driver.drop(id);
  }

  /** The main session has another link. */
  private moved(): void {
    const { link, core } = this;
    if (this.rests || this.over) return;
    const here = link === null ? undefined : this.driver.link(link);
    if (here?.transport !== core.transport || this.bound || this.main !== core.session) this.connect();
  }

  private welcomed({ link }: Output & { op: 'welcomed' }, { data }: Frame): void {
    const limits = record(record(data)?.limits) ?? {};
    this.link = link;
    this.asking = null;
    this.backoff.reset();
    this.jobs.limit(isCount(limits.bulk_frames_max) ? limits.bulk_frames_max : 1, isCount(limits.bulk_bytes_max) ? limits.bulk_bytes_max : 0);
    this.tell(null);
    this.busy();
    // The machine sends what it has first.
    queueMicrotask(() => this.link !== null && this.jobs.pump());
  }

  private gone(id: LinkId, error: CrosspointError, fault: boolean): void {
    if (id === this.asking) this.asking = null;
    else if (id === this.link) this.link = null;
    else return;
    if (this.over || this.rests || this.link !== null || this.asking !== null) return;
    if (fault && error.retry === 'never' && error.code !== 'replaced') {
      this.rests = true;
      return this.jobs.failAll(error);
    }
    this.cancelRetry = this.core.clock.after(this.backoff.next(error.retryAfterMs ?? 0), () => this.connect());
  }

  private output(output: Output): void {
    if (output.op !== 'event') return;
    const { frame } = output;
    this.busy();
    if (frame.type === 'hub:reply') this.jobs.settle(frame.id, frame.data as Delivered);
    else if (frame.type === 'hub:error') this.jobs.fail(frame.id ?? '', CrosspointError.from(frame.data));
    this.tell(frame.type.startsWith('hub:') && frame.type !== 'hub:signal' ? null : frame);
  }

  private tell(message: Frame | null): void {
    const { identity, received } = this.driver.machine.snapshot();
    if (identity) this.hooks.came({ main: this.main!, ...identity, received }, message);
  }

  private busy(): void {
    this.cancelIdle?.();
    this.cancelIdle = this.core.clock.after(IDLE_MS, () => {
      if (this.jobs.size > 0) return this.busy();
      this.rests = true;
      this.drop();
    });
  }
}
