import type { Core } from '../core.js';
import { CrosspointError } from '../codes.js';
import { Emitter, guarded } from '../emitter.js';
import type { Frame } from '../frame.js';
import type { RoomImpl } from '../room.js';
import { record } from '../session/types.js';
import { IceServers } from './ice.js';
import { PeerLink } from './link.js';
import { watchNetwork } from './network.js';
import { rosterOf, peerOf, type Listed } from './roster.js';
import { Seat } from './seat.js';
import type { PeersOptions, Via } from './types.js';

/** Direct paths of a page in a room, and with those that something can't do without. */
const MAX = 8;
const MOST = 32;
/** So long (ms) a peer whose session ended may take to come back with a new one. */
const RETURN_MS = 10_000;
/** Ends of sessions that the peer didn't choose. */
const RETURNABLE = new Set(['session_expired', 'slow_consumer', 'shutdown', 'new_session']);

export interface MeshEvents {
  join: PeerLink;
  update: PeerLink;
  leave: { link: PeerLink; code: string | undefined };
  path: { link: PeerLink; previous: Via };
  /** No longer on the roster. */
  end: CrosspointError;
}

/** What came from a peer, once and in order but where `volatile`. */
export type Handler = (link: PeerLink, data: unknown, via: Via, volatile: boolean) => void;

/** The peers of one room: who is on the roster, and a link to each. */
export class Mesh {
  joined = false;
  readonly links = new Map<string, PeerLink>();
  readonly events: Emitter<MeshEvents>;
  /** Takes what a peer sent in bulk. */
  onPiece: (link: PeerLink, data: unknown) => void = () => {};
  private options: PeersOptions = {};
  private readonly state: Record<string, unknown> = {};
  private readonly handlers = new Map<string, Handler>();
  private readonly instances = new WeakMap<PeerLink, Listed>();
  private readonly leaving = new Map<PeerLink, () => void>();
  private readonly ice: IceServers;
  private readonly seat: Seat;
  private readonly instance = nameOf();
  private names = 0;
  private session: string | null = null;

  constructor(
    readonly core: Core,
    readonly room: RoomImpl,
  ) {
    this.events = new Emitter((error) => core.report(error));
    this.ice = new IceServers(core);
    this.seat = new Seat(core, room.name, () => this.end(new CrosspointError('replaced', 'another tab has taken the peers over')));
    core.emitter.on('state', ({ state }) => {
      for (const link of this.links.values()) link.hubLinked(state === 'connected');
      if (state !== 'closed') return;
      unwatch();
      this.end(new CrosspointError('bye', 'no longer among the peers'));
    });
    room.on('join', () => {
      if (this.joined && core.session !== this.session) this.enter().catch((error) => core.report(error));
    });
    const unwatch = watchNetwork(() => {
      for (const { connection } of this.links.values()) connection?.networkChanged();
    });
  }

  /** Goes onto the roster, unless it is there. */
  async open(): Promise<void> {
    if (!this.joined) await this.enter();
  }

  async join(options: PeersOptions): Promise<void> {
    this.options = { ...this.options, ...options };
    if (options.state) this.state.s = options.state;
    if (!this.joined || options.state) await this.enter();
    this.connect();
  }

  async leave(): Promise<void> {
    const { joined } = this;
    this.end(new CrosspointError('bye', 'no longer among the peers'));
    if (joined) await this.core.call({ type: 'hub:peers', room: this.room.name, data: { leave: true } });
  }

  /** Tells the others something, under a key that one part of the SDK uses. */
  async setState(key: string, value: unknown): Promise<void> {
    if (value === undefined) delete this.state[key];
    else this.state[key] = value;
    if (this.joined) await this.enter();
  }

  /** What a peer tells under this key. */
  stateOf(link: PeerLink, key: string): unknown {
    return this.instances.get(link)?.state[key];
  }

  /** Who takes messages of a topic. */
  on(topic: string, handler: Handler): void {
    this.handlers.set(topic, handler);
  }

  /** Tries to have a connection with this peer even where there are enough, until the peer leaves. */
  need(link: PeerLink): void {
    const { connection } = link;
    if (!connection) return;
    connection.need = true;
    if (!connection.wanted && this.connected < MOST) link.want();
  }

  take({ type, from, data, bulk }: Frame): void {
    if (!this.joined) return;
    if (type === 'hub:signal') {
      const link = this.links.get(from?.session ?? '');
      if (!bulk) link?.signalled(data);
      else if (link) this.onPiece(link, data);
      return;
    }
    const { join, update, leave } = record(data) ?? {};
    const gone = rosterOf(leave);
    const mine = gone.find(({ session }) => session === this.session);
    if (mine) return this.end(new CrosspointError(mine.code ?? 'forbidden'));
    for (const listed of gone) this.gone(listed.session, listed.code);
    for (const listed of rosterOf(join)) this.come(listed);
    for (const listed of rosterOf(update)) this.updated(listed);
    this.connect();
  }

  /** No longer on the roster. */
  end(error: CrosspointError): void {
    this.joined = false;
    this.session = null;
    this.seat.leave();
    for (const link of [...this.links.values()]) this.drop(link, error);
    this.events.emit('end', error);
  }

  private get connected(): number {
    let count = 0;
    for (const { connection } of this.links.values()) if (connection?.wanted) count += 1;
    return count;
  }

  private async enter(): Promise<void> {
    const { core, room, state, instance } = this;
    const { session } = core;
    if (session !== this.session) {
      this.seat.leave();
      this.ice.forget(true);
    }
    await this.seat.take();
    const frame = { type: 'hub:peers', room: room.name, data: { state: { ...state, i: instance } } };
    try {
      await core.call(frame, { done: (reply) => this.entered(reply) });
    } catch (error) {
      if (session === core.session && core.session !== this.session) this.end(error as CrosspointError);
      throw error;
    }
  }

  private entered(reply: unknown): void {
    this.session = this.core.session;
    this.joined = true;
    const roster = rosterOf(record(reply)?.peers);
    const here = new Set(roster.map(({ session }) => session));
    for (const [session, link] of this.links) {
      if (here.has(session)) link.moved();
      else this.gone(session, 'new_session');
    }
    for (const listed of roster) this.come(listed);
    this.connect();
  }

  private come(listed: Listed): void {
    const { session, user } = listed;
    if (session === this.core.session) return;
    const known = this.links.get(session);
    if (known) {
      this.stay(known);
      return this.updated(listed);
    }
    for (const [link] of this.leaving) {
      if (link.peer.user === user && this.instances.get(link)?.instance === listed.instance) return this.returned(link, listed);
    }
    this.add(listed, this.link(listed));
  }

  private add(listed: Listed, link: PeerLink): void {
    this.links.set(listed.session, link);
    this.instances.set(link, listed);
    link.hubLinked(this.core.state === 'connected');
    this.events.emit('join', link);
  }

  /** A peer is back with a new session; what was between us goes on. */
  private returned(link: PeerLink, listed: Listed): void {
    this.stay(link);
    this.links.delete(link.peer.session);
    this.events.emit('leave', { link, code: 'replaced' });
    link.peer = peerOf(listed, link.via);
    this.add(listed, link);
    link.moved();
  }

  private updated(listed: Listed): void {
    const link = this.links.get(listed.session);
    const before = link && this.instances.get(link);
    if (!link || !before) return;
    if (listed.instance !== before.instance) {
      // Another tab of theirs.
      this.instances.set(link, { ...before, state: listed.state, instance: listed.instance });
      this.anew(link, new CrosspointError('replaced', 'another page has taken its place'));
      return;
    }
    if (JSON.stringify(before.state) === JSON.stringify(listed.state)) return;
    before.state = listed.state;
    link.peer.state = peerOf(before, link.via).state!;
    this.events.emit('update', link);
  }

  private gone(session: string, code: string | undefined): void {
    const link = this.links.get(session);
    if (!link) return;
    if (!RETURNABLE.has(code ?? '')) return this.drop(link, new CrosspointError(code ?? 'not_found', 'the peer has left'), code);
    if (this.leaving.has(link)) return;
    this.leaving.set(link, this.core.clock.after(RETURN_MS, () => this.drop(link, new CrosspointError('not_found', 'the peer has left'), code)));
  }

  private stay(link: PeerLink): void {
    this.leaving.get(link)?.();
    this.leaving.delete(link);
  }

  private drop(link: PeerLink, error: CrosspointError, code: string | undefined = error.code): void {
    this.stay(link);
    this.links.delete(link.peer.session);
    link.close(error);
    this.events.emit('leave', { link, code });
    this.connect();
  }

  /** Direct paths to those who are there longest, as far as there may be more. */
  private connect(): void {
    if (!this.joined) return;
    for (const link of this.waiting()) {
      if (this.connected >= this.max) return;
      link.rests = false;
      link.want();
    }
  }

  /** Those with whom there might be a connection, and isn't. */
  private waiting(): PeerLink[] {
    const waiting = [...this.links.values()].filter(({ connection, full }) => connection && !connection.wanted && !full);
    return waiting.sort((a, b) => Number(a.rests) - Number(b.rests));
  }

  /** An attempt brought no path: others may have more luck. */
  private failed(link: PeerLink): void {
    this.ice.forget();
    if (link.connection?.need || this.connected < this.max || !this.waiting().some(({ rests }) => !rests)) return;
    link.give();
    link.rests = true;
    this.connect();
  }

  private get max(): number {
    return Math.min(this.options.max ?? MAX, MOST);
  }

  private link(listed: Listed, local = this.nextName(), remote: string | null = null): PeerLink {
    const { core, room } = this;
    const peer = peerOf(listed, 'hub');
    const Make = core.options.RTCPeerConnection ?? (typeof RTCPeerConnection === 'undefined' ? null : RTCPeerConnection);
    const polite = this.instance < listed.instance;
    const link: PeerLink = new PeerLink(peer, local, remote, polite, core.clock, Make, {
      signal: (data) => core.call({ type: 'hub:signal', room: room.name, to: `session:${link.peer.session}`, data }, { timeoutMs: core.requestTimeoutMs }),
      config: async () => {
        const { iceServers, iceTransportPolicy = 'all' } = this.options;
        return { iceServers: iceServers ?? (await this.ice.get()), iceTransportPolicy };
      },
      message: (topic, data, via, volatile) => guarded(() => this.handlers.get(topic)?.(link, data, via, volatile), undefined, (error) => core.report(error)),
      path: (previous) => this.events.emit('path', { link, previous }),
      full: () => this.connect(),
      failed: () => this.failed(link),
      welcome: (need) => this.connected < (need ? MOST : this.max),
      stranger: (remote, data) => this.stranger(link, remote, data),
      report: (error) => core.report(error),
    });
    return link;
  }

  /** The peer knows nothing of what was between us. */
  private stranger(old: PeerLink, remote: string, data: unknown): void {
    if (this.links.get(old.peer.session) !== old) return;
    const { fresh } = old.pair;
    const link = this.anew(old, new CrosspointError('replaced', 'the peer has begun anew'), fresh ? old.local : this.nextName(), remote);
    if (!fresh) link.hello();
    link.signalled(data);
  }

  /** Ends what was between us and a peer that is still on the roster, and begins again. */
  anew(old: PeerLink, error: CrosspointError, local = this.nextName(), remote: string | null = null): PeerLink {
    const listed = this.instances.get(old)!;
    const link = this.link(listed, local, remote);
    link.rests = error.code === 'slow_consumer';
    this.stay(old);
    old.close(error, old.local === local ? link : undefined);
    this.events.emit('leave', { link: old, code: error.code });
    this.add(listed, link);
    this.connect();
    return link;
  }

  private nextName(): string {
    return `${this.instance}.${++this.names}`;
  }
}

/** 72 random bits. */
function nameOf(): string {
  return btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(9))));
}
