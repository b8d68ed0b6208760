import { asError } from '../check.js';
import type { BulkFrame, BulkHooks, Delivered } from '../bulk/bulk.js';
import { ClientImpl } from '../client.js';
import { systemClock, type Clock } from '../clock.js';
import { CrosspointError } from '../codes.js';
import type { CoreHooks } from '../core.js';
import { makeLink } from '../driver.js';
import type { Frame } from '../frame.js';
import type { TransportName } from '../links/link.js';
import { baseUrl } from '../negotiate.js';
import { load } from '../parts.js';
import type { Handler } from '../requests.js';
import type { Wire } from '../room.js';
import { record } from '../session/types.js';
import type { JoinResult, Options } from '../types.js';
import { Late } from './late.js';
import type { Seats } from './seats.js';
import type { Shared } from './shared.js';
import type { Held } from './shares.js';

/** Own events that were published without echo, and that haven't come yet. */
const MUTED_MAX = 1_000;

/** Time as all tabs of a browser have it. */
const sharedClock: Clock = { ...systemClock, now: () => performance.timeOrigin + performance.now() };

/** Whether tabs can share anything here. */
export function canShare(): boolean {
  return typeof BroadcastChannel === 'function' && typeof navigator === 'object' && typeof navigator?.locks?.request === 'function';
}

/** A client whose session is shared with those of other tabs. What does that is loaded first; until then calls wait, as they do for a
 * link. Where it can't be had the tab has a session of its own. */
export class SharedClient extends ClientImpl {
  override readonly debug = { killLink: () => this.killLink() };
  private readonly late: Late;
  private readonly loaded: Promise<void>;
  private shared: Shared | null = null;
  private seats: Seats | null = null;
  private readonly held = new Set<Held>();
  private readonly muted = new Set<string>();

  constructor(url: string, options: Options) {
    const late = new Late();
    super(url, options, sharedClock, makeLink, late);
    this.late = late;
    this.loaded = this.begin(url, options);
  }

  private async begin(url: string, options: Options): Promise<void> {
    try {
      const { Seats, Shared } = await load('tabs');
      if (this.state === 'closed') return this.late.giveUp();
      const shared: Shared = new Shared(baseUrl(url), options, sharedClock, {
        shared: (op) => this.seats?.shared(op),
        joinAnswered: (room, id, good) => this.seats?.joinAnswered(room, id, good),
        returned: () => this.returned(),
        lost: (lost) => this.gap({ reason: 'session_lost', lost }),
        bulk: (frame) => super.take(frame),
      }, this.bulk);
      this.shared = shared;
      this.seats = new Seats({
        core: () => this.core,
        shared,
        room: (name) => this.rooms.get(name),
        isMuted: (frame) => this.isMuted(frame),
        take: (frame) => super.take(frame),
      });
      this.late.become(shared);
      for (const type of this.requests.types()) this.handle(type, true);
    } catch (error) {
      this.core.emitter.emit('error', asError(error));
      this.late.giveUp();
    }
  }

  protected override hooks(): CoreHooks {
    const own = super.hooks();
    return {
      ...own,
      renewed: () => {
        this.held.clear();
        own.renewed();
      },
      rejoined: (room, data) => {
        const result = this.seats ? this.seats.rejoined(room, data as JoinResult) : data;
        if (result) own.rejoined(room, result);
      },
      rejoinFailed: (room, error) => {
        if (this.seats?.has(room) === false) return;
        this.seats?.rejoinFailed(room);
        own.rejoinFailed(room, error);
      },
    };
  }

  protected override bulkHooks(): BulkHooks {
    const own = super.bulkHooks();
    return {
      came: (state, message) => (this.shared ? this.shared.bulk.came(state, message) : own.came(state, message)),
      known: () => this.shared?.bulk.state ?? null,
    };
  }

  protected override wire(room: string, wire: Wire): Wire {
    let seated: Wire | null = null;
    const now = () => (seated ??= this.seats?.wire(room, wire) ?? null);
    return {
      ...wire,
      call: (frame, timed, done, failed) => {
        const goes = this.isSettled || (frame.type !== 'hub:join' && frame.type !== 'hub:leave');
        const call = () => (now() ?? wire).call(frame, timed, done, failed);
        return goes ? call() : this.loaded.then(call);
      },
      publish: (frame, keep) => {
        if (frame.echo === false) this.mute(frame);
        return wire.publish(frame, keep);
      },
      position: (name) => (now() ?? wire).position(name),
    };
  }

  protected override take(frame: Frame): void {
    const { room, request } = frame;
    if (room !== undefined && !(this.seats ? this.seats.takes(frame) : !this.isMuted(frame))) return;
    if (room === undefined && request !== undefined && this.shared?.isMine(request) === false) return;
    if (frame.type === 'hub:bulk' && this.shared) return this.shared.bulk.wake();
    if (frame.type === 'hub:ended' && !this.held.delete(`session ${record(frame.data)?.session}`)) return;
    super.take(frame);
  }

  override onRequest(type: string, handler: Handler): () => void {
    const off = super.onRequest(type, handler);
    this.handle(type, true);
    return () => {
      off();
      if (!this.requests.has(type)) this.handle(type, false);
    };
  }

  override attach(service: string): Promise<void> {
    return this.hold(`service ${service}`, super.attach(service));
  }

  override detach(service: string): Promise<void> {
    return this.settled(() => this.drop(`service ${service}`) ?? super.detach(service));
  }

  override watch(session: string): Promise<void> {
    return this.hold(`session ${session}`, super.watch(session));
  }

  override unwatch(session: string): Promise<void> {
    return this.settled(() => this.drop(`session ${session}`) ?? super.unwatch(session));
  }

  override moveTo(transport: TransportName): Promise<void> {
    return this.settled(() => (this.shared && this.state !== 'closed' ? this.shared.call('moveTo', transport) : super.moveTo(transport)));
  }

  override allow(transports: string[]): void {
    void this.settled(async () => (this.shared ? this.shared.want({ op: 'allow', transports }) : super.allow(transports)));
  }

  override refresh(token: string): Promise<void> {
    return this.settled(() => {
      this.shared?.want({ op: 'token', token });
      return super.refresh(token);
    });
  }

  protected override async carryBulk(frame: BulkFrame, signal?: AbortSignal): Promise<Delivered> {
    if (!this.isSettled) await this.loaded;
    return this.shared ? this.shared.bulk.send(frame, signal) : super.carryBulk(frame, signal);
  }

  /** It is known whether the tab shares a session. */
  private get isSettled(): boolean {
    return this.shared !== null || this.late.alone;
  }

  private async settled(fn: () => Promise<unknown>): Promise<void> {
    if (!this.isSettled) await this.loaded;
    await fn();
  }

  private handle(type: string, on: boolean): void {
    this.shared?.want({ op: 'handle', tab: this.shared.me, type, on });
  }

  private async hold(what: Held, held: Promise<void>): Promise<void> {
    // What is watched may end right behind the reply.
    this.held.add(what);
    try {
      await held;
    } catch (error) {
      this.held.delete(what);
      throw error;
    }
    this.shared?.want({ op: 'hold', tab: this.shared.me, what });
  }

  /** Others may hold it, too: the session lets go after the last. */
  private drop(what: Held): Promise<void> | null {
    const { core, shared } = this;
    if (!this.held.delete(what) || !shared) return null;
    const id = core.nextId();
    const dropped = core.pending.add<void>(id, {});
    shared.want({ op: 'drop', tab: shared.me, what, id });
    return dropped;
  }

  /** Others of this tab's session want the event that it doesn't: it is left out here. */
  private mute(frame: Frame): void {
    delete frame.echo;
    frame.id ??= this.core.nextId();
    this.muted.add(frame.id);
    if (this.muted.size > MUTED_MAX) this.muted.delete(this.muted.values().next().value!);
  }

  private isMuted({ id }: Frame): boolean {
    return id !== undefined && this.muted.delete(id);
  }

  private killLink(): void {
    if (this.shared) this.shared.call('killLink').catch(() => {});
    else this.core.cut(new CrosspointError('unavailable', 'the link was cut'));
  }

  private returned(): void {
    const { shared } = this;
    for (const type of this.requests.types()) this.handle(type, true);
    for (const what of this.held) shared?.want({ op: 'hold', tab: shared.me, what });
    this.seats?.returned();
  }
}
