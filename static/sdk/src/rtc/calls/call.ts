import { CrosspointError } from '../../codes.js';
import type { Emitter } from '../../emitter.js';
import { record } from '../../session/types.js';
import type { PeerLink } from '../link.js';
import type { Outlet } from '../media.js';
import type { Mesh } from '../mesh.js';
import { Devices, KINDS, type TrackKind } from './devices.js';
import type { CallsDoor } from './door.js';
import { Remotes } from './remotes.js';
import type { Call, CallEvents, CallOptions, CallPeer, OutgoingCall, RingOptions } from './types.js';

/** What a peer's state on the roster says of the call. */
const KEY = 'call';
const MAX = 8;
const MOST = 32;

interface Member {
  audio: boolean;
  video: boolean;
  /** The application has been told of what comes. */
  shown: boolean;
}

/** The public face of a room's call; `on`, `once` and `off` are the room's. */
export class CallFace implements Omit<Call, 'on' | 'once' | 'off'> {
  joined = false;
  private devices: Devices | null = null;
  private readonly members = new Map<PeerLink, Member>();
  private readonly outlets = new Map<PeerLink, Map<TrackKind, Outlet>>();
  private readonly remotes = new Remotes((link) => this.show(link));
  /** Counts joins and leaves: what was begun before is over. */
  private turn = 0;

  constructor(
    private readonly mesh: Mesh,
    private readonly emitter: Emitter<CallEvents>,
    private readonly calls: () => CallsDoor,
  ) {
    const { events } = mesh;
    events.on('join', (link) => this.look(link));
    events.on('update', (link) => this.look(link));
    events.on('leave', ({ link, code }) => this.lost(link, code));
    events.on('path', ({ link }) => this.members.has(link) && emitter.emit('update', this.peerOf(link)));
    events.on('end', (error) => this.ended(error));
  }

  get audio(): boolean {
    return this.devices?.isOn('audio') ?? false;
  }

  get video(): boolean {
    return this.devices?.isOn('video') ?? false;
  }

  get stream(): MediaStream | null {
    return this.devices?.stream ?? null;
  }

  get list(): readonly CallPeer[] {
    return [...this.members.keys()].map((link) => this.peerOf(link));
  }

  async join(options: CallOptions = {}): Promise<readonly CallPeer[]> {
    await this.enter(options, async () => {});
    return this.list;
  }

  /** Joins once the devices are open and `confirmed` has resolved. */
  async enter(options: CallOptions, confirmed: () => Promise<void>): Promise<void> {
    const { mesh } = this;
    if (this.joined || this.devices) throw new CrosspointError('bad_request', 'this page is in the call already');
    if (!mesh.room.joined) throw new CrosspointError('not_joined');
    const max = Math.min(options.max ?? MAX, MOST);
    if (mesh.joined) this.checkRoom(max);
    const turn = (this.turn += 1);
    const still = () => {
      if (this.turn !== turn) throw new CrosspointError('bye', 'the call was left meanwhile');
    };
    const devices = await Devices.open(options, () => this.changed());
    let told = false;
    try {
      still();
      this.devices = devices;
      await confirmed();
      still();
      told = true;
      await this.tell();
      await mesh.open();
      still();
      this.checkRoom(max);
    } catch (error) {
      devices.release();
      if (this.devices === devices) this.devices = null;
      if (told && this.turn === turn) await mesh.setState(KEY, undefined).catch(() => {});
      throw error;
    }
    this.joined = true;
    this.calls().entered(mesh.room.name);
    this.emitState();
    for (const link of this.members.keys()) this.give(link);
  }

  async leave(): Promise<void> {
    this.calls().left(this.mesh.room.name);
    if (!this.hangUp()) return;
    await this.mesh.setState(KEY, undefined);
  }

  async mute(what: { audio?: boolean; video?: boolean }): Promise<void> {
    const devices = this.inCall();
    for (const kind of KINDS) if (what[kind] === false && !devices.track(kind)) throw new CrosspointError('not_found', `no ${kind} is sent`);
    for (const kind of KINDS) {
      const track = devices.track(kind);
      if (track && what[kind] !== undefined) track.enabled = !what[kind];
    }
    this.emitState();
    await this.tell();
  }

  async replaceTrack(kind: TrackKind, track: MediaStreamTrack | null): Promise<void> {
    const devices = this.inCall();
    if (!KINDS.includes(kind) || (track && track.kind !== kind)) throw new CrosspointError('bad_request', `this is no ${kind} track`);
    devices.put(kind, track);
    const replaced = [...this.outlets.values()].map((given) => given.get(kind)?.replace(track));
    for (const link of this.members.keys()) this.give(link);
    this.emitState();
    await Promise.all([...replaced, this.tell()]);
  }

  ring(users: string | readonly string[], options?: RingOptions): Promise<OutgoingCall> {
    return this.calls().ring(this.mesh.room.name, users, options);
  }

  private inCall(): Devices {
    if (!this.joined || !this.devices) throw new CrosspointError('not_joined', 'join the call first');
    return this.devices;
  }

  private checkRoom(max: number): void {
    if (this.members.size > max) throw new CrosspointError('limit_exceeded', `the call is full: ${this.members.size} are in it`);
  }

  private async tell(): Promise<void> {
    const { audio, video } = this;
    await this.mesh.setState(KEY, { audio, video });
  }

  /** A device is gone. */
  private changed(): void {
    if (!this.joined) return;
    this.emitState();
    this.tell().catch((error) => this.mesh.core.report(error));
  }

  private emitState(error?: CrosspointError): void {
    const { joined, audio, video } = this;
    this.emitter.emit('state', error ? { joined, audio, video, error } : { joined, audio, video });
  }

  /** `false`: there was nothing to end. */
  private hangUp(error?: CrosspointError): boolean {
    this.turn += 1;
    const { joined, devices } = this;
    if (!joined && !devices) return false;
    this.joined = false;
    this.devices = null;
    for (const link of [...this.outlets.keys()]) this.take(link);
    devices?.release();
    this.calls().left(this.mesh.room.name);
    if (joined) this.emitState(error);
    return true;
  }

  private ended(error: CrosspointError): void {
    this.hangUp(error);
    void this.mesh.setState(KEY, undefined);
  }

  /** What the roster says of a peer. */
  private look(link: PeerLink): void {
    this.sweep();
    this.remotes.watch(link);
    const told = record(this.mesh.stateOf(link, KEY));
    const before = this.members.get(link);
    if (!told) {
      if (before) this.gone(link);
      return;
    }
    const [audio, video] = [told.audio === true, told.video === true];
    if (!before) {
      this.members.set(link, { audio, video, shown: false });
      this.emitter.emit('join', this.peerOf(link));
      if (this.joined) this.give(link);
      this.show(link);
    } else if (before.audio !== audio || before.video !== video) {
      this.members.set(link, { ...before, audio, video });
      this.emitter.emit('update', this.peerOf(link));
    }
  }

  /** A peer has left the call, not the roster. */
  private gone(link: PeerLink): void {
    this.take(link);
    this.remotes.drop(link);
    this.forget(link);
  }

  private lost(link: PeerLink, code: string | undefined): void {
    // Where it goes on as another session, so does all that is between us.
    if (code !== 'replaced') {
      this.outlets.delete(link);
      this.remotes.drop(link);
    }
    this.forget(link, code);
  }

  private forget(link: PeerLink, code?: string): void {
    const { session, user } = link.peer;
    if (this.members.delete(link)) this.emitter.emit('leave', code === undefined ? { session, user } : { session, user, code });
  }

  /** Forgets links that didn't come back. */
  private sweep(): void {
    const links = new Set(this.mesh.links.values());
    for (const link of this.outlets.keys()) if (!links.has(link)) this.outlets.delete(link);
    this.remotes.keep(links);
  }

  /** Sends this peer what I have. */
  private give(link: PeerLink): void {
    const { devices, mesh } = this;
    if (!devices || !link.connection) return;
    mesh.need(link);
    let given = this.outlets.get(link);
    if (!given) this.outlets.set(link, (given = new Map()));
    for (const kind of KINDS) {
      const track = devices.track(kind);
      if (track && !given.has(kind)) given.set(kind, link.connection.media.add(track, devices.stream));
    }
  }

  private take(link: PeerLink): void {
    for (const outlet of this.outlets.get(link)?.values() ?? []) outlet.remove();
    this.outlets.delete(link);
  }

  private show(link: PeerLink): void {
    const member = this.members.get(link);
    const stream = this.remotes.of(link);
    if (!member || member.shown || !stream) return;
    member.shown = true;
    this.emitter.emit('stream', { peer: this.peerOf(link), stream });
  }

  private peerOf(link: PeerLink): CallPeer {
    const { session, user, info } = link.peer;
    const { audio, video } = this.members.get(link)!;
    const peer: CallPeer = { session, user, audio, video, stream: this.remotes.of(link), via: link.via };
    if (info) peer.info = info;
    return peer;
  }
}
