import type { Clock } from '../clock.js';
import { Bus, hold, randomId } from './bus.js';
import { isLater, isSame, type Ask, type Entry, type Message, type State, type Term } from './messages.js';
import { Watch } from './watch.js';

/** A tab without the state asks for it so often (ms), and for so long before it takes the lead from whoever doesn't answer. */
const ASK_EVERY_MS = 300;
const ASK_FOR_MS = 4_000;
/** A leader that has made sure of leading this long ago (ms) does so again before it does anything. */
const LEASE_MS = 400;
/** A hidden leader leaves the lead to a visible tab after this (ms): its timers are slow. */
const HIDDEN_MS = 30_000;

export interface GroupHooks {
  /** There is a session, which this tab can go on with. */
  hasState(): boolean;
  state(): Omit<State, 'term' | 'at'>;
  adopt(state: State): void;
  apply(entry: Entry): boolean;
  /** A follower asks; the leader makes an entry of it. */
  asked(ask: Ask, by: readonly [tab: string, n: number]): void;
  heard(tab: string): number | undefined;
  tabs(): string[];
  came(tab: string): void;
  gone(tab: string): void;
  /** This tab opens the links from now on. `alone`: nobody led before it. */
  lead(alone: boolean): void;
  /** It does no longer. */
  unlead(): void;
  /** So many frames may or may not have been sent, and can't be sent twice. */
  lost(frames: number): void;
  /** There is another leader than before. */
  led(): void;
  other(message: Message): void;
}

/** The tabs that share a session: who leads, and in which order everything happens. */
export class Group {
  /** Another name each time the tab comes. */
  me = randomId();
  phase: 'new' | 'follow' | 'lead' | 'out' = 'new';
  term: Term = [0, ''];
  private name = '';
  private at = 0;
  private latest = 0;
  private asks = 0;
  /** What each follower has asked this leader for; some of it may have to wait until it happens. */
  private readonly taken = new Map<string, number>();
  /** Asked for, and not seen to happen yet. */
  private unseen: { n: number; ask: Ask }[] = [];
  private bus: Bus | null = null;
  private life: (() => void) | null = null;
  private release: (() => void) | null = null;
  private candidacy: AbortController | null = null;
  private deaths: AbortController | null = null;
  private cancelAsk: (() => void) | null = null;
  private readonly watch: Watch;
  private sureAt = -Infinity;
  private checking: Promise<void> | null = null;
  private hiddenSince: number | null = null;
  private starts = 0;

  constructor(
    private readonly clock: Clock,
    private readonly hooks: GroupHooks,
  ) {
    this.watch = new Watch(clock, {
      ping: () => this.bus?.post({ k: 'ping', tab: this.me, visible: isVisible() }),
      rank: () => this.hooks.tabs().filter((tab) => tab !== this.term[1]).indexOf(this.me),
      dead: () => void this.suspect(),
    });
  }

  get leads(): boolean {
    return this.phase === 'lead';
  }

  get others(): string[] {
    return this.hooks.tabs().filter((tab) => tab !== this.me);
  }

  /** Joins those of this name. */
  async start(name: string): Promise<void> {
    const start = ++this.starts;
    this.name = name;
    this.me = randomId();
    this.phase = 'new';
    this.number();
    const life = await hold(this.lockOf(this.me), {});
    if (start !== this.starts) return life?.();
    this.life = life;
    this.bus = new Bus(this.name, this.clock, (message) => this.take(message));
    this.enter(this.clock.now());
  }

  /** Leaves the others; `start` comes back to them. */
  stop(): void {
    this.starts += 1;
    this.unlead();
    this.phase = 'out';
    this.withdraw();
    this.cancelAsk?.();
    this.cancelAsk = null;
    this.bus?.close();
    this.bus = null;
    this.life?.();
    this.life = null;
    // What has an id may be asked for twice.
    const again = this.unseen.filter(({ ask }) => 'share' in ask || ask.frame.id !== undefined);
    const lost = this.unseen.length - again.length;
    this.unseen = again;
    if (lost > 0) this.hooks.lost(lost);
  }

  /** The page stops: it leaves the lead to whoever is next, and doesn't want it until `stand`. Alone it stays the leader. */
  freeze(): void {
    if (this.others.length > 0) this.unlead();
    if (this.phase !== 'follow') return;
    this.withdraw();
    this.watch.stop();
  }

  /** Wants to lead when the leader is gone. */
  stand(): void {
    if (this.phase !== 'follow') return;
    this.watch.start();
    if (this.candidacy) return;
    const { signal } = (this.candidacy = new AbortController());
    void this.seize({ signal });
  }

  /** Asks for what has to happen once, whoever leads. */
  ask(ask: Ask): void {
    const n = ++this.asks;
    this.unseen.push({ n, ask });
    if (this.leads) this.hooks.asked(ask, [this.me, n]);
    else if (this.phase === 'follow') this.bus?.post({ k: 'ask', tab: this.me, n, ask });
  }

  /** Asks for what comes before all that was asked for and didn't happen; by a tab that has just come. */
  askFirst(asks: Ask[]): void {
    this.unseen.unshift(...asks.map((ask) => ({ n: 0, ask })));
    this.number();
  }

  post(message: Message): void {
    this.bus?.post(message);
  }

  /** The leader makes something happen. `told`: as the others are told, where that differs. */
  commit(entry: Entry, told = entry): boolean {
    this.at += 1;
    if (this.others.length > 0) this.bus?.post({ k: 'log', term: this.term, at: this.at, entry: told });
    return this.happens(entry);
  }

  /** Whether this tab can be sure to lead; looks it up now and then. */
  get isSure(): boolean {
    const age = this.clock.now() - this.sureAt;
    if (age > LEASE_MS / 2) void this.makeSure();
    return age < LEASE_MS;
  }

  /** Resolves when this tab knows whether it leads: `leads` says so. */
  makeSure(): Promise<void> {
    this.checking ??= this.check().finally(() => (this.checking = null));
    return this.checking;
  }

  private async check(): Promise<void> {
    const at = this.clock.now();
    this.bus?.post({ k: 'alive', term: this.term });
    const { held } = await navigator.locks.query().catch(() => ({ held: undefined }));
    if (!held) {
      this.sureAt = at;
      return;
    }
    const owner = (name: string) => held.find((lock) => lock.name === name)?.clientId;
    if (!this.leads) return;
    if (owner(this.leaderLock) === owner(this.lockOf(this.me))) this.sureAt = at;
    else this.deposed();
  }

  private number(): void {
    this.asks = this.unseen.length;
    this.unseen.forEach((unseen, i) => (unseen.n = i + 1));
  }

  private get leaderLock(): string {
    return `${this.name} leader`;
  }

  private lockOf(tab: string): string {
    return `${this.name} tab ${tab}`;
  }

  private happens(entry: Entry): boolean {
    const { by } = entry;
    if (by?.[0] === this.me) this.unseen = this.unseen.filter(({ n }) => n > by[1]);
    return this.hooks.apply(entry);
  }

  /** Looks for the leader, or becomes it where there is none. */
  private enter(since: number): void {
    if (this.phase !== 'new') return;
    this.cancelAsk?.();
    void this.seize({ ifAvailable: true });
    this.bus?.post({ k: 'in', tab: this.me });
    this.cancelAsk = this.clock.after(ASK_EVERY_MS, () => {
      if (this.clock.now() - since > ASK_FOR_MS) this.steal();
      this.enter(since);
    });
  }

  /** The leader doesn't answer. What it said may wait to be read here. */
  private async suspect(): Promise<void> {
    const { heardAt } = this.watch;
    await this.bus?.drained();
    if (this.phase === 'follow' && this.watch.heardAt === heardAt) this.steal();
  }

  private steal(): void {
    this.withdraw();
    void this.seize({ steal: true });
  }

  /** Leads once it has the lock, if all is as it was then. */
  private async seize(options: LockOptions): Promise<void> {
    const { starts, phase } = this;
    let stolen = false;
    const release = await hold(this.leaderLock, options, () => {
      stolen = true;
      this.deposed();
    }).catch(() => null);
    if (release && phase === 'follow') {
      // Who was robbed may be sure of leading for so long, and what it said is heard first.
      if (options.steal) await new Promise<void>((resolve) => this.clock.after(LEASE_MS, resolve));
      await this.bus?.drained();
    }
    if (stolen || options.signal?.aborted || starts !== this.starts || phase !== this.phase) release?.();
    else if (release) this.takeLead(release, phase === 'follow' ? { term: this.term, at: this.at } : null);
  }

  private takeLead(release: () => void, from: { term: Term; at: number } | null): void {
    const alone = !this.hooks.hasState();
    this.withdraw();
    this.cancelAsk?.();
    this.watch.stop();
    this.release = release;
    this.term = [(this.latest = this.latest + 1), this.me];
    this.phase = 'lead';
    this.sureAt = this.clock.now();
    this.bus?.post({ k: 'lead', term: this.term, from });
    this.deaths = new AbortController();
    this.taken.clear();
    this.hooks.lead(alone);
    for (const tab of this.others) this.awaitDeath(tab);
    const mine = this.unseen;
    this.unseen = [];
    for (const { n, ask } of mine) this.hooks.asked(ask, [this.me, n]);
  }

  private deposed(): void {
    if (!this.leads) return;
    this.unlead();
    this.stand();
  }

  private unlead(): void {
    this.watch.stop();
    if (!this.leads) return;
    this.phase = 'follow';
    this.deaths?.abort();
    this.deaths = null;
    this.hooks.unlead();
    this.release?.();
    this.release = null;
  }

  private withdraw(): void {
    this.candidacy?.abort();
    this.candidacy = null;
  }

  /** A tab holds its lock as long as it lives. */
  private awaitDeath(tab: string): void {
    const signal = this.deaths!.signal;
    hold(this.lockOf(tab), { signal }).then(
      (release) => {
        release?.();
        if (!this.leads || signal.aborted) return;
        this.taken.delete(tab);
        this.hooks.gone(tab);
      },
      () => {},
    );
  }

  private take(message: Message): void {
    switch (message.k) {
      case 'in':
        if (this.leads) this.admit(message.tab);
        break;
      case 'state':
        if (message.to === this.me && this.phase === 'new') this.follow(message.state);
        break;
      case 'lead':
        this.newLeader(message.term, message.from);
        break;
      case 'log':
        this.log(message.term, message.at, message.entry);
        break;
      case 'ask':
        if (this.leads) this.askedBy(message.tab, message.n, message.ask);
        break;
      case 'ping':
        if (this.leads) this.pinged(message.tab, message.visible);
        break;
      case 'alive':
        if (isSame(message.term, this.term)) this.watch.heard();
        break;
      case 'yield':
        if (message.to === this.me && this.phase === 'follow') this.steal();
        break;
      default:
        this.hooks.other(message);
    }
  }

  private admit(tab: string): void {
    if (this.hooks.heard(tab) === undefined) {
      this.hooks.came(tab);
      this.awaitDeath(tab);
    }
    this.bus?.post({ k: 'state', to: tab, state: { ...this.hooks.state(), term: this.term, at: this.at } });
  }

  private follow(state: State): void {
    this.cancelAsk?.();
    this.phase = 'follow';
    this.term = state.term;
    this.at = state.at;
    this.latest = Math.max(this.latest, state.term[0]);
    this.hooks.adopt(state);
    this.again();
    this.hooks.led();
    this.stand();
  }

  private newLeader(term: Term, from: { term: Term; at: number } | null): void {
    this.latest = Math.max(this.latest, term[0]);
    if (this.phase === 'new') return this.enter(this.clock.now());
    if (!isLater(term, this.term)) return;
    if (this.leads) this.deposed();
    if (from && isSame(from.term, this.term) && from.at === this.at) {
      this.term = term;
      this.watch.heard();
      this.hooks.led();
      this.again();
    } else {
      this.lostTrack();
    }
  }

  private log(term: Term, at: number, entry: Entry): void {
    if (this.phase !== 'follow' || isLater(this.term, term)) return;
    if (isSame(term, this.term) && at <= this.at) return;
    if (!isSame(term, this.term) || at > this.at + 1) return this.lostTrack();
    this.watch.heard();
    this.at = at;
    this.happens(entry);
  }

  /** Something was missed: this tab comes anew. */
  private lostTrack(): void {
    this.stop();
    void this.start(this.name);
  }

  /** Asks again for all that the leader of now may not have heard of. */
  private again(): void {
    const heard = this.hooks.heard(this.me) ?? 0;
    this.unseen = this.unseen.filter(({ n }) => n > heard);
    for (const { n, ask } of this.unseen) this.bus?.post({ k: 'ask', tab: this.me, n, ask });
  }

  private askedBy(tab: string, n: number, ask: Ask): void {
    const heard = this.hooks.heard(tab);
    if (heard === undefined) return;
    const taken = Math.max(heard, this.taken.get(tab) ?? 0);
    // What was asked while nobody led comes first: it is asked again.
    if (n !== taken + 1) return;
    this.taken.set(tab, n);
    this.hooks.asked(ask, [tab, n]);
  }

  private pinged(tab: string, visible: boolean): void {
    this.bus?.post({ k: 'alive', term: this.term });
    const now = this.clock.now();
    this.hiddenSince = isVisible() ? null : (this.hiddenSince ?? now);
    if (!visible || this.hiddenSince === null || now - this.hiddenSince < HIDDEN_MS) return;
    this.hiddenSince = null;
    this.bus?.post({ k: 'yield', to: tab });
  }
}

function isVisible(): boolean {
  return typeof document === 'undefined' || !document.hidden;
}
