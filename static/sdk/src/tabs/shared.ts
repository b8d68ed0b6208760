import { Backoff } from '../backoff.js';
import type { BulkFrame } from '../bulk/bulk.js';
import type { BulkDoor } from '../bulk/door.js';
import type { Clock } from '../clock.js';
import { CrosspointError } from '../codes.js';
import type { Connected, Connector, ConnectorHooks } from '../connector.js';
import type { Core } from '../core.js';
import type { Gate } from '../driver.js';
import { encodeText, frameOf, isCounted, isLinkFrame, type Frame } from '../frame.js';
import type { TransportName } from '../links/link.js';
import { doubtful } from '../offline/kept.js';
import { queueFull } from '../offline/outbox.js';
import type { PageHooks } from '../page.js';
import { DEFAULT_CONFIG, type Input, type LinkId, type Output } from '../session/types.js';
import type { Options } from '../types.js';
import { Calls, type CallName } from './calls.js';
import { SharedBulk } from './bulk.js';
import { pack, unpack } from './codec.js';
import { watchFreeze } from './freeze.js';
import { Group } from './group.js';
import { keyOf } from './key.js';
import type { Ask, Entry, Message, State } from './messages.js';
import { emptyTable, Shares, type ShareOp } from './shares.js';
import type { Tie } from './tie.js';

/** A change of leader shows as a lost link only if none is found for so long (ms). */
const QUIET_MS = 2_000;
/** What changes a machine as all tabs have it; what else comes in only judges links. */
export const REPLICATED = new Set(['hello', 'frame', 'closed', 'send', 'acked', 'bye']);

/** What the application's side is told. */
export interface SharedHooks {
  /** An operation was applied. */
  shared(op: ShareOp): void;
  /** A join that tabs may wait for was answered. */
  joinAnswered(room: string, id: string, good: boolean): void;
  /** The tab was away: the others saw what it did not. */
  returned(): void;
  lost(frames: number): void;
  /** A message came in bulk. */
  bulk(frame: Frame): void;
}

/** One session for all tabs: each has a machine, and all get the same inputs in the same order. The leader's has links. */
export class Shared implements Tie, Gate {
  readonly shares = new Shares();
  readonly group: Group;
  readonly bulk: SharedBulk;
  private readonly calls: Calls;
  transport: TransportName | null = null;
  private core!: Core;
  private connector!: Connector;
  private local!: ConnectorHooks;
  private carrier: Connected | null = null;
  private known = false;
  private left = false;
  private greeted: LinkId = 0;
  /** This tab leads, and no link of it was welcomed yet. */
  private fresh = false;
  /** What waits until this tab is sure to lead. */
  private stalled: Stalled[] | null = null;
  private running = false;
  private now = 0;
  /** Own frames that a new session doesn't send again. */
  private dropped: string[] = [];
  private cancelQuiet: (() => void) | null = null;
  private unwatch: () => void = () => {};

  constructor(
    private readonly base: string,
    private readonly options: Options,
    private readonly clock: Clock,
    private readonly hooks: SharedHooks,
    private readonly door: BulkDoor,
  ) {
    this.bulk = new SharedBulk({
      door,
      leads: () => this.leads,
      isClosed: () => this.isClosed,
      post: (message) => this.group.post(message),
      call: (frame) => this.call('bulk', plain(frame)),
      take: (frame) => hooks.bulk(frame),
    });
    this.calls = new Calls(
      (message) => this.group.post(message),
      (name, arg) => this.act(name, arg),
    );
    this.group = new Group(clock, {
      hasState: () => this.known,
      state: () => this.state(),
      adopt: (state) => this.adopt(state),
      apply: (entry) => this.apply(entry),
      asked: (ask, by) => this.run(() => this.asked(ask, by)),
      heard: (tab) => this.shares.table.heard.get(tab),
      tabs: () => this.shares.table.tabs,
      came: (tab) => this.share({ op: 'come', tab }),
      gone: (tab) => this.run(() => this.share({ op: 'gone', tab })),
      lead: (alone) => this.lead(alone),
      unlead: () => this.unlead(),
      lost: (frames) => this.left || this.hooks.lost(frames),
      led: () => this.calls.again(),
      other: (message) => this.other(message),
    });
  }

  get me(): string {
    return this.group.me;
  }

  get leads(): boolean {
    return this.group.leads;
  }

  connectorHooks(hooks: ConnectorHooks): ConnectorHooks {
    this.local = hooks;
    const tell = (name: string) => (...args: unknown[]) => void this.run(() => this.commit({ hook: [name, args.map(pack)] }));
    return Object.fromEntries(Object.keys(hooks).map((name) => [name, tell(name)])) as unknown as ConnectorHooks;
  }

  pageHooks(hooks: PageHooks): PageHooks {
    return { ...hooks, freeze: () => this.group.stop(), thaw: () => this.start() };
  }

  bind(core: Core, connector: Connector): void {
    this.core = core;
    this.connector = connector;
    connector.idle = true;
    core.driver.gate = this;
    this.unwatch = watchFreeze(
      () => this.group.freeze(),
      () => this.group.stand(),
    );
    this.start();
  }

  again(frame: Frame): boolean {
    const { core, shares } = this;
    const history = core.driver.machine.room(frame.room ?? '')?.history === true;
    const again = shares.mayRepeat(this.now, frame, history);
    if (!again) this.dropped.push(frame.id!);
    return again;
  }

  renewed(token: string): void {
    this.want({ op: 'token', token });
  }

  leave(): boolean {
    const { group } = this;
    this.left = true;
    this.unwatch();
    const last = group.leads && group.others.length === 0;
    if (last) queueMicrotask(() => group.stop());
    else group.stop();
    this.calls.stop(new CrosspointError('bye', 'the client is closed'));
    return !last;
  }

  /** Has the leader do something with its link. */
  async call(name: CallName, arg: unknown = null): Promise<unknown> {
    return this.leads ? this.act(name, arg) : this.calls.call(this.me, name, arg);
  }

  /** This tab is the one to answer. */
  isMine(request: string): boolean {
    return this.shares.table.requests.get(request) === this.me;
  }

  /** Asks for an operation, wherever the leader is. */
  want(share: ShareOp): void {
    this.group.ask({ share });
  }

  input(input: Input): boolean {
    if (this.leads) return this.run(() => this.order(input), input);
    if (input.op !== 'send' || isLinkFrame(input.frame.type)) return true;
    if (isCounted(input.frame)) this.group.ask({ frame: plain(input.frame) });
    else this.group.post({ k: 'volatile', frame: plain(input.frame) });
    return true;
  }

  output(output: Output): void {
    const { shares } = this;
    switch (output.op) {
      case 'event': {
        const answered = shares.observe(output.frame, this.group.term[1]);
        if (answered) this.hooks.joinAnswered(answered.room, answered.id, answered.good);
        break;
      }
      case 'transmit':
        shares.sent(output.frame);
        break;
      case 'rejoin_failed':
        shares.table.rooms.delete(output.room);
        break;
      case 'welcomed':
        this.fresh = false;
        if (!output.resumed) shares.renewed();
        break;
      case 'close':
        if (!this.leads) break;
        this.commit({ inputs: [{ op: 'closed', link: output.link }] });
        // The hub and this tab don't agree on how far the last leader had come.
        if (this.fresh && output.code === 'bad_frame') this.commit({ forget: true });
    }
  }

  private start(): void {
    const { core } = this;
    const backoff = new Backoff(this.options.backoff, this.clock.random);
    const attempt = async (): Promise<void> => {
      if (core.state === 'closed') return;
      try {
        const token = await core.tokens.get();
        const key = await keyOf(this.base, this.options, token);
        if (!this.isClosed) await this.group.start(`crosspoint ${key}`);
      } catch (e) {
        const error = e as CrosspointError;
        if (error.retry === 'never') return this.local.ended(error);
        this.local.failed(error);
        this.clock.after(backoff.next(), () => void attempt());
      }
    };
    void attempt();
  }

  private get isClosed(): boolean {
    return this.core.state === 'closed';
  }

  private act(name: CallName, arg: unknown): Promise<unknown> | void {
    if (name === 'bulk') return this.door.send(arg as BulkFrame);
    if (name === 'moveTo') return this.core.moves.moveTo(arg as TransportName);
    this.core.cut(new CrosspointError('unavailable', 'the link was cut'));
  }

  /** Does what only the leader may do, as soon as it is sure to be that. `input`: what to ask the next leader for if it is not. */
  private run(fn: () => boolean | void, input?: Input): boolean {
    if (!this.leads) return true;
    if (!this.running && (this.stalled !== null || !this.group.isSure)) {
      this.stall({ fn, input });
      return true;
    }
    const outer = !this.running;
    this.running = true;
    try {
      return fn() ?? true;
    } finally {
      if (outer) this.running = false;
    }
  }

  private stall(work: Stalled): void {
    if (this.stalled) {
      this.stalled.push(work);
      return;
    }
    this.stalled = [work];
    void this.group.makeSure().then(() => {
      const { stalled } = this;
      if (!stalled || !this.leads) return;
      this.stalled = null;
      this.running = true;
      try {
        for (const { fn } of stalled) fn();
      } finally {
        this.running = false;
      }
    });
  }

  private order(input: Input): boolean {
    const { driver } = this.core;
    if (!REPLICATED.has(input.op) || (input.op === 'send' && !isCounted(input.frame))) return driver.apply(driver.now(), input);
    if (input.op === 'send') return this.commit({ inputs: [input] }, { inputs: [{ op: 'send', frame: plain(input.frame) }] });
    if (input.op === 'hello') return this.commit({ inputs: [input] }, { inputs: [{ ...input, auth: {} }] });
    return this.commit({ inputs: [input] });
  }

  private commit(entry: Omit<Entry, 'now'>, told?: Omit<Entry, 'now'>): boolean {
    const now = this.core.driver.now();
    return this.group.commit({ now, ...entry }, told && { now, ...told });
  }

  private share(share: ShareOp, by?: Entry['by']): boolean {
    const { machine } = this.core.driver;
    const frames = this.shares.plan(share, (room) => machine.position(room));
    const inputs = frames.map((frame): Input => ({ op: 'send', frame }));
    return this.commit({ share, inputs, ...(by && { by }) });
  }

  private asked(ask: Ask, by: readonly [tab: string, n: number]): void {
    // The tab may have had another name when it asked.
    if ('share' in ask) this.share('tab' in ask.share ? { ...ask.share, tab: by[0] } : ask.share, by);
    else this.commit({ by, inputs: [{ op: 'send', frame: ask.frame }] });
  }

  private apply({ now, by, share, inputs = [], hook, forget, inherit }: Entry): boolean {
    const { core, shares } = this;
    this.now = now;
    if (by) shares.table.heard.set(...by);
    if (inherit) core.driver.machine.inherit();
    if (forget) core.driver.machine.forget();
    if (share) {
      shares.apply(share);
      if (share.op === 'allow') core.allow(share.transports);
      else if (share.op === 'token') this.token(share.token);
      else this.hooks.shared(share);
      // Where others stay, the hub is not asked.
      const answered = share.op === 'exit' || share.op === 'drop';
      if (answered && inputs.length === 0) core.pending.settle({ type: 'hub:reply', id: share.id, data: {} });
    }
    let taken = true;
    for (const input of inputs) {
      if (input.op === 'send' && !share) shares.peered(by?.[0] ?? this.group.term[1], input.frame);
      taken = this.feed(now, input);
      if (!taken && input.op === 'send') shares.table.given.delete(input.frame.id ?? '');
      if (!taken && input.op === 'send' && input.frame.id !== undefined && (share || by?.[0] === this.me)) {
        core.pending.fail(input.frame.id, queueFull(DEFAULT_CONFIG.queue_max));
      }
    }
    for (const id of this.dropped.splice(0)) {
      core.pending.fail(id, doubtful());
      core.outbox.answered({ type: 'hub:error', id });
    }
    if (hook) this.said(hook[0], hook[1].map(unpack));
    return taken;
  }

  private token(token: string): void {
    this.core.tokens.set(token);
    this.core.renewal.done();
  }

  private feed(now: number, input: Input): boolean {
    const { core } = this;
    if (input.op === 'send') this.shares.given(now, input.frame);
    if (input.op === 'hello') this.greeted = input.link;
    if (input.op === 'frame' && !this.leads) {
      if (input.frame.type === 'hub:welcome') core.driver.lastWelcome = input.frame;
      core.emitter.emit('frame', { direction: 'in', frame: input.frame, via: 'stream' });
    }
    return core.driver.apply(now, input);
  }

  /** The leader's connector said something. */
  private said(name: string, args: unknown[]): void {
    if (name === 'connected') {
      this.carrier = args[0] as Connected;
      this.transport = this.carrier.transport;
      this.cancelQuiet?.();
    } else if (name === 'lost') {
      this.carrier = this.transport = null;
    }
    (this.local as unknown as Record<string, (...args: unknown[]) => void>)[name]?.(...args);
    if (name === 'ended') this.group.stop();
  }

  private lead(alone: boolean): void {
    const { core, connector, shares } = this;
    const { driver } = core;
    this.known = true;
    this.running = true;
    connector.idle = false;
    connector.last = this.transport;
    driver.lastId = Math.max(driver.lastId, this.greeted);
    if (alone) shares.table = { ...emptyTable(), allowed: shares.table.allowed, token: shares.table.token };
    const back = !shares.table.tabs.includes(this.me);
    if (back) this.share({ op: 'come', tab: this.me });
    if (!alone) this.commit({ inherit: true });
    if (back && !alone) this.hooks.returned();
    this.running = false;
    this.fresh = driver.machine.session !== null;
    this.cancelQuiet = this.clock.after(QUIET_MS, () => {
      if (!this.leads || connector.current || core.state !== 'connected') return;
      const error = new CrosspointError('unavailable', 'the tab that had the link is gone');
      this.run(() => this.commit({ hook: ['lost', [pack(error)]] }));
    });
    this.calls.own();
    this.bulk.lead();
    connector.connect();
  }

  private unlead(): void {
    const { connector, core } = this;
    connector.idle = true;
    connector.pause();
    core.driver.detach();
    this.bulk.unlead();
    this.cancelQuiet?.();
    this.fresh = false;
    const { stalled } = this;
    this.stalled = null;
    for (const { input } of stalled ?? []) if (input) this.input(input);
  }

  private state(): Omit<State, 'term' | 'at'> {
    const { driver } = this.core;
    return { machine: driver.machine.snapshot(), table: this.shares.table, welcome: driver.lastWelcome, carrier: this.carrier, bulk: this.bulk.state };
  }

  private adopt({ machine: state, table, welcome, carrier, bulk }: State): void {
    const { core, known } = this;
    const { machine } = core.driver;
    const before = machine.snapshot();
    machine.adopt(core.driver.now(), state);
    this.shares.table = table;
    if (bulk) this.bulk.told(bulk, null);
    this.known = true;
    this.greeted = Math.max(0, ...state.links.next.map(([id]) => id));
    core.driver.lastWelcome = welcome;
    if (table.allowed) core.allow(table.allowed);
    if (table.token !== null) this.token(table.token);
    const link = machine.link ?? 0;
    const session = machine.session;
    if (session !== null) {
      const user = (welcome.data as { user?: string } | null)?.user ?? '';
      core.welcomed({ op: 'welcomed', link, session, user, resumed: before.identity?.session === session }, welcome);
    }
    if (carrier) this.said('connected', [{ ...(carrier as Connected), cause: 'connect' }]);
    else if (session !== null) this.said('lost', [new CrosspointError('unavailable')]);
    if (!known) return;
    const due = unanswered(before.up, state.up).filter(({ id }) => core.pending.has(id!));
    this.group.askFirst(due.map((frame) => ({ frame: plain(frame) })));
    this.hooks.returned();
  }

  private other(message: Message): void {
    const { driver } = this.core;
    if (message.k === 'volatile') this.run(() => driver.apply(driver.now(), { op: 'send', frame: message.frame }));
    else if (message.k === 'call') this.run(() => void this.calls.called(message));
    else if (message.k === 'bulk') this.bulk.told(message.state, message.frame);
    else if (message.k === 'answer' && message.to === this.me) this.calls.answered(message);
  }
}

interface Stalled {
  fn: () => boolean | void;
  input: Input | undefined;
}

type Kept = { kept: { frame: Frame; answered: boolean }[] };

/** Frames whose reply was due before, and of which nothing is known now. */
function unanswered(before: object, now: object): Frame[] {
  const known = new Set((now as Kept).kept.map(({ frame }) => frame.id));
  return (before as Kept).kept
    .filter(({ frame, answered }) => frame.id !== undefined && !answered && !known.has(frame.id))
    .map(({ frame }) => frame);
}

/** As the hub will read it: what can't be cloned is not sent either. */
function plain(frame: Frame): Frame {
  return frame.data instanceof Uint8Array ? { ...frame } : frameOf(JSON.parse(encodeText(frame)))!;
}
