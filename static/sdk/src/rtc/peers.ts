import { asError } from '../check.js';
import { CrosspointError } from '../codes.js';
import type { Emitter } from '../emitter.js';
import { payloadBytes, snapshot } from '../frame.js';
import type { PeerLink } from './link.js';
import type { Mesh } from './mesh.js';
import type { Peer, PeerEvents, Peers, PeerSendOptions, PeersOptions } from './types.js';

/** The topic of what applications send. */
const TOPIC = '';
/** What the hub's frame takes besides the payload and the room's name, at most (bytes). */
const AROUND_BYTES = 640;

/** The public face of a room's peers; `on`, `once` and `off` are the room's. */
export class PeersFace implements Omit<Peers, 'on' | 'once' | 'off'> {
  constructor(
    private readonly mesh: Mesh,
    emitter: Emitter<PeerEvents>,
  ) {
    const { events } = mesh;
    mesh.on(TOPIC, ({ peer: { user, session } }, data, via, volatile) => emitter.emit('message', { data, from: { user, session }, via, volatile }));
    events.on('join', ({ peer }) => emitter.emit('join', { ...peer }));
    events.on('update', ({ peer }) => emitter.emit('update', { ...peer }));
    events.on('leave', ({ link: { peer: { session, user } }, code }) => emitter.emit('leave', code === undefined ? { session, user } : { session, user, code }));
    events.on('path', ({ link: { peer: { session, user }, via }, previous }) => emitter.emit('path', { session, user, via, previous }));
  }

  get joined(): boolean {
    return this.mesh.joined;
  }

  get list(): readonly Peer[] {
    return [...this.mesh.links.values()].map(({ peer }) => ({ ...peer })).sort((a, b) => a.since - b.since);
  }

  async join(options: PeersOptions = {}): Promise<readonly Peer[]> {
    await this.mesh.join(options);
    return this.list;
  }

  leave(): Promise<void> {
    return this.mesh.leave();
  }

  setState(state: Record<string, unknown>): Promise<void> {
    return this.mesh.setState('s', state);
  }

  async send(value: unknown, { to, volatile = false }: PeerSendOptions = {}): Promise<{ delivered: number }> {
    const { mesh } = this;
    if (!mesh.joined) throw new CrosspointError('not_joined', 'join the peers first');
    let links = this.those(to);
    if (to !== undefined && links.length === 0) throw new CrosspointError('not_found', `no peer here is ${to}`);
    const { data, bytes } = this.fitting(value);
    if (volatile) {
      for (const link of links) link.sendVolatile(TOPIC, data);
      return { delivered: links.length };
    }
    links = this.withRoom(links, bytes, to === undefined);
    const errors: CrosspointError[] = [];
    await Promise.all(links.map((link) => new Promise<void>((resolve) => {
      const done = (error: CrosspointError | null) => {
        if (error) errors.push(error);
        resolve();
      };
      try {
        link.send(TOPIC, data, bytes, done);
      } catch (error) {
        done(asError(error));
      }
    })));
    if (errors.length > 0 && errors.length === links.length) throw errors[0]!;
    return { delivered: links.length - errors.length };
  }

  /** Everyone takes a message, or nobody does. Who has acknowledged nothing for long doesn't hold up what goes to all. */
  private withRoom(links: PeerLink[], bytes: number, dropping: boolean): PeerLink[] {
    const full = links.filter(({ pair }) => !pair.takes(bytes));
    const slow = full.find(({ pair }) => !dropping || !pair.stuck(this.mesh.core.clock.now()));
    if (slow) throw new CrosspointError('limit_exceeded', `too much waits for ${slow.peer.user} already`);
    for (const link of full) this.mesh.anew(link, new CrosspointError('slow_consumer', 'the peer does not read'));
    return links.filter((link) => !full.includes(link));
  }

  private those(to: string | undefined): PeerLink[] {
    const links = [...this.mesh.links.values()];
    if (to === undefined) return links;
    if (!/^(user|session):/.test(to)) throw new CrosspointError('bad_request', 'to must be user:… or session:…');
    return links.filter(({ peer }) => to === `user:${peer.user}` || to === `session:${peer.session}`);
  }

  /** A copy, if it fits into a frame of the hub, which it may have to take at any time. */
  private fitting(value: unknown): { data: unknown; bytes: number } {
    const { core, room } = this.mesh;
    const frame = { type: 'm', data: snapshot(value ?? null) };
    let bytes: number;
    try {
      bytes = payloadBytes(frame);
      if (!(frame.data instanceof Uint8Array)) frame.data = JSON.parse(JSON.stringify(frame.data) ?? 'null');
      else bytes = Math.ceil(bytes / 3) * 4;
    } catch (error) {
      throw new CrosspointError('bad_request', `the data has no JSON form: ${error}`);
    }
    const max = core.frameBytesMax - AROUND_BYTES - 4 * room.name.length;
    if (bytes > max) throw new CrosspointError('limit_exceeded', `${bytes} bytes are more than a message may have (${max}): send it as a file`);
    return { data: frame.data, bytes };
  }
}
