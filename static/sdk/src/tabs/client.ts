import { ClientImpl } from '../client.js';
import type { CoreHooks } from '../core.js';
import { makeLink } from '../driver.js';
import type { Frame } from '../frame.js';
import type { TransportName } from '../links/link.js';
import { baseUrl } from '../negotiate.js';
import type { Handler } from '../requests.js';
import type { Wire } from '../room.js';
import { record } from '../session/types.js';
import type { JoinResult, Options } from '../types.js';
import { Seats } from './seats.js';
import { Shared, sharedClock } from './shared.js';
import type { Held } from './shares.js';

/** A client whose session is shared with those of other tabs. */
export class SharedClient extends ClientImpl {
  override readonly debug = { killLink: () => this.killLink() };
  private readonly shared: Shared;
  private readonly seats: Seats;
  private readonly held = new Set<Held>();

  constructor(url: string, options: Options) {
    let seats: Seats | null = null;
    const shared: Shared = new Shared(baseUrl(url), options, sharedClock, {
      shared: (op) => seats?.shared(op),
      joinAnswered: (room, id, good) => seats?.joinAnswered(room, id, good),
      returned: () => this.returned(),
      lost: (lost) => this.gap({ reason: 'session_lost', lost }),
    });
    super(url, options, sharedClock, makeLink, shared);
    this.shared = shared;
    this.seats = seats = new Seats({
      core: () => this.core,
      shared,
      room: (name) => this.rooms.get(name),
      take: (frame) => super.take(frame),
    });
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
        const result = this.seats.rejoined(room, data as JoinResult);
        if (result) own.rejoined(room, result);
      },
      rejoinFailed: (room, error) => {
        if (!this.seats.has(room)) return;
        this.seats.rejoinFailed(room);
        own.rejoinFailed(room, error);
      },
    };
  }

  protected override wire(room: string, wire: Wire): Wire {
    return this.seats.wire(room, wire);
  }

  protected override take(frame: Frame): void {
    const { room, request } = frame;
    if (room !== undefined && !this.seats.takes(frame)) return;
    if (room === undefined && request !== undefined && !this.shared.isMine(request)) return;
    if (frame.type === 'hub:ended' && !this.held.delete(`session ${record(frame.data)?.session}`)) return;
    super.take(frame);
  }

  override onRequest(type: string, handler: Handler): () => void {
    const { shared } = this;
    const off = super.onRequest(type, handler);
    shared.want({ op: 'handle', tab: shared.me, type, on: true });
    return () => {
      off();
      if (!this.requests.has(type)) shared.want({ op: 'handle', tab: shared.me, type, on: false });
    };
  }

  override attach(service: string): Promise<void> {
    return this.hold(`service ${service}`, super.attach(service));
  }

  override async detach(service: string): Promise<void> {
    await (this.drop(`service ${service}`) ?? super.detach(service));
  }

  override watch(session: string): Promise<void> {
    return this.hold(`session ${session}`, super.watch(session));
  }

  override async unwatch(session: string): Promise<void> {
    await (this.drop(`session ${session}`) ?? super.unwatch(session));
  }

  override async moveTo(transport: TransportName): Promise<void> {
    const { shared } = this;
    if (this.state === 'closed') return super.moveTo(transport);
    await shared.call('moveTo', transport);
  }

  override allow(transports: string[]): void {
    this.shared.want({ op: 'allow', transports });
  }

  override async refresh(token: string): Promise<void> {
    this.shared.want({ op: 'token', token });
    await super.refresh(token);
  }

  private async hold(what: Held, held: Promise<void>): Promise<void> {
    const { shared } = this;
    // What is watched may end right behind the reply.
    this.held.add(what);
    try {
      await held;
    } catch (error) {
      this.held.delete(what);
      throw error;
    }
    shared.want({ op: 'hold', tab: shared.me, what });
  }

  /** Others may hold it, too: the session lets go after the last. */
  private drop(what: Held): Promise<void> | null {
    const { core, shared } = this;
    if (!this.held.delete(what)) return null;
    const id = core.nextId();
    const dropped = core.pending.add<void>(id, {});
    shared.want({ op: 'drop', tab: shared.me, what, id });
    return dropped;
  }

  private killLink(): void {
    this.shared.call('killLink').catch(() => {});
  }

  private returned(): void {
    const { shared } = this;
    for (const type of this.requests.types()) shared.want({ op: 'handle', tab: shared.me, type, on: true });
    for (const what of this.held) shared.want({ op: 'hold', tab: shared.me, what });
    this.seats.returned();
  }
}
