import { CrosspointError } from '../../codes.js';
import type { Emitter } from '../../emitter.js';
import type { BulkWay } from '../../near.js';
import { utf8Length } from '../../frame.js';
import type { PeerLink } from '../link.js';
import type { Mesh } from '../mesh.js';
import type { Way } from '../pair.js';
import type { Via } from '../types.js';
import { Download, PAUSES, type DownloadHooks } from './download.js';
import { storeHere } from './opfs.js';
import { Source } from './source.js';
import type { Manifest, Store } from './store.js';
import { TOPIC, type Transfer } from './transfer.js';
import type { FileEvents, FileSendOptions, Files, FileTransfer, FileUpload } from './types.js';
import { LABEL, Upload, type UploadHooks } from './upload.js';
import { chunkOf, controlOf, META_BYTES_MAX, NAME_MAX, randomId, TYPE_MAX, type Control } from './wire.js';

/** Transfers that may be under way, in each direction. */
const UPLOADS_MAX = 64;
const DOWNLOADS_MAX = 64;
/** A page that doesn't listen to offers in that time (ms) takes none. */
const LISTEN_MS = 3_000;
/** What it takes to ask for a file again (bytes). */
const HELD_BYTES = 64;
/** Of so many that are over it is known how they ended. */
const ENDED_MAX = 256;
/** A piece that the hub relays has at most so many bytes, and no more than its frames hold. */
const RELAY_BYTES_MAX = 64 << 10;

/** The public face of a room's files; `on`, `once` and `off` are the room's. */
export class FilesFace implements Omit<Files, 'on' | 'once' | 'off'> {
  private readonly uploads = new Map<string, Upload>();
  private readonly downloads = new Map<string, Download>();
  /** How transfers ended that the other end may still ask about. */
  private readonly ended = new Map<string, Control>();
  private readonly known = new WeakSet<PeerLink>();
  private readonly store: Promise<Store>;
  private readonly uploadHooks: UploadHooks;
  private readonly downloadHooks: DownloadHooks;

  constructor(
    private readonly mesh: Mesh,
    private readonly emitter: Emitter<FileEvents>,
    bulk: BulkWay,
  ) {
    const { core, events, room } = mesh;
    this.store = storeHere();
    const hooks = { clock: core.clock, report: (error: unknown) => core.report(error), over: (transfer: Transfer) => this.over(transfer) };
    this.uploadHooks = {
      ...hooks,
      relay: ({ peer }, data, signal) => bulk.send({ type: 'hub:signal', room: room.name, to: `session:${peer.session}`, data, id: core.nextId() }, signal),
      relayMax: () => Math.min(bulk.bytesMax(), RELAY_BYTES_MAX),
    };
    this.downloadHooks = { ...hooks, store: this.store, manifest: (download) => this.manifest(download) };
    mesh.on(TOPIC, (link, data) => this.came(link, controlOf(data)));
    mesh.onPiece = (link, data) => this.piece(link, 'hub', 'hub', data);
    events.on('join', (link) => this.joined(link));
    events.on('leave', ({ link, code }) => this.left(link, code));
    events.on('path', ({ link }) => {
      for (const upload of this.uploads.values()) if (upload.link === link) upload.moved();
    });
    events.on('end', (error) => this.end(error));
    for (const link of mesh.links.values()) this.joined(link);
  }

  get list(): readonly FileTransfer[] {
    return [...this.uploads.values(), ...this.downloads.values()];
  }

  async send(file: Blob | Uint8Array, options: FileSendOptions = {}): Promise<FileUpload[]> {
    const { mesh, uploads } = this;
    if (!mesh.joined) throw new CrosspointError('not_joined', 'join the peers first');
    if (options.signal?.aborted) throw new CrosspointError('cancelled', 'it was cancelled before it began', 'never');
    const blob = file instanceof Uint8Array ? new Blob([file as Uint8Array<ArrayBuffer>]) : file;
    const name = options.name ?? ((blob as File).name || 'file');
    const type = options.type ?? blob.type;
    const { meta } = options;
    if (name.length > NAME_MAX || type.length > TYPE_MAX || utf8Length(JSON.stringify(meta) ?? '') > META_BYTES_MAX) {
      throw new CrosspointError('limit_exceeded', `a name has at most ${NAME_MAX} characters, a type ${TYPE_MAX}, meta ${META_BYTES_MAX} bytes`);
    }
    const links = this.receivers(options.to);
    if (uploads.size + links.length > UPLOADS_MAX) throw new CrosspointError('limit_exceeded', `${uploads.size} files are being sent already`);
    const source = new Source(blob);
    return links.map((link) => {
      const offer: Control & { m: 'offer' } = { m: 'offer', t: randomId(), name, type, size: blob.size };
      if (meta !== undefined) offer.meta = meta;
      const upload = new Upload(offer, source, link, this.uploadHooks);
      upload.onProgress = options.onProgress;
      uploads.set(offer.t, upload);
      const abort = () => upload.cancel();
      options.signal?.addEventListener('abort', abort, { once: true });
      upload.delivered.catch(() => {}).finally(() => options.signal?.removeEventListener('abort', abort));
      upload.attached(link);
      return upload;
    });
  }

  private receivers(to: string | string[] | undefined): PeerLink[] {
    const links = [...this.mesh.links.values()];
    if (to === undefined) return links;
    const names = new Set(typeof to === 'string' ? [to] : to);
    for (const name of names) {
      if (links.some(({ peer }) => name === `session:${peer.session}` || name === `user:${peer.user}`)) continue;
      throw new CrosspointError('not_found', `no peer here is ${name}`);
    }
    return links.filter(({ peer }) => names.has(`session:${peer.session}`) || names.has(`user:${peer.user}`));
  }

  private joined(link: PeerLink): void {
    if (!this.known.has(link)) {
      this.known.add(link);
      link.connection?.events.on('channel', (channel) => this.opened(link, channel));
    }
    const gone = ({ link: other }: Transfer) => other === link || (other.peer.user === link.peer.user && this.mesh.links.get(other.peer.session) !== other);
    for (const upload of [...this.uploads.values()]) if (gone(upload)) upload.attached(link);
    for (const download of [...this.downloads.values()]) {
      if (download.link === link) download.attached(link);
      else if (gone(download)) link.send(TOPIC, { m: 'held', t: download.id } satisfies Control, HELD_BYTES, () => {});
    }
    void this.announce(link).catch((error) => this.mesh.core.report(error));
  }

  /** Tells a peer of which of their files there are pieces here, from before a reload. */
  private async announce(link: PeerLink): Promise<void> {
    for (const manifest of await (await this.store).list()) {
      if (!this.fits(manifest, link) || this.downloads.has(manifest.t)) continue;
      link.send(TOPIC, { m: 'held', t: manifest.t } satisfies Control, HELD_BYTES, () => {});
    }
  }

  private fits({ hub, room, from, to }: Manifest, link: PeerLink): boolean {
    const { core } = this.mesh;
    return hub === core.base && room === this.mesh.room.name && from === link.peer.user && to === core.user;
  }

  private manifest({ id, name, type, size, peer }: Download): Manifest {
    const { core, room } = this.mesh;
    return { t: id, name, type, size, hub: core.base, room: room.name, from: peer.user, to: core.user ?? '', since: core.clock.date() };
  }

  private left(link: PeerLink, code: string | undefined): void {
    // It is me who has left.
    if (!this.mesh.joined) return;
    for (const upload of this.uploads.values()) if (upload.link === link) upload.detached();
    for (const download of [...this.downloads.values()]) {
      if (download.link !== link) continue;
      if (code === 'bye') download.leave(new CrosspointError('bye', 'the sender has left', 'never'));
      else download.detached();
    }
  }

  /** This session is among the peers no longer. */
  private end(error: CrosspointError): void {
    const why = new CrosspointError(error.code === 'replaced' ? 'replaced' : 'bye', error.message, 'never');
    for (const upload of [...this.uploads.values()]) upload.fail(why);
    for (const download of [...this.downloads.values()]) download.leave(why);
  }

  private came(link: PeerLink, control: Control | null): void {
    if (!control) return;
    const { t, m } = control;
    if (m === 'offer') return this.offered(link, control);
    const upload = this.uploads.get(t);
    const download = this.downloads.get(t);
    if (upload && upload.peer.user === link.peer.user) {
      if (m === 'held' && upload.link !== link) upload.attached(link);
      else if (upload.link === link) upload.came(control);
    } else if (download && download.link === link) {
      download.came(link, control);
    } else if (m === 'held') {
      this.tellEnd(link, t);
    }
  }

  private offered(link: PeerLink, offer: Control & { m: 'offer' }): void {
    const { t } = offer;
    const known = this.downloads.get(t);
    if (known) {
      if (known.peer.user === link.peer.user) known.came(link, offer);
      return;
    }
    if (this.tellEnd(link, t)) return;
    const download = new Download(offer, link, this.downloadHooks);
    this.downloads.set(t, download);
    if (this.downloads.size > DOWNLOADS_MAX) download.stop(new CrosspointError('limit_exceeded', 'too many files are offered here already'));
    else void this.present(download).catch((error) => this.mesh.core.report(error));
  }

  private async present(download: Download): Promise<void> {
    try {
      const manifest = (await (await this.store).list()).find(({ t }) => t === download.id);
      if (manifest && this.fits(manifest, download.link)) download.held = manifest.held;
    } finally {
      this.show(download);
    }
  }

  /** `again`: nobody listened the first time. */
  private show(download: Download, again = false): void {
    if (download.state === 'failed') return;
    if (this.emitter.has('offer')) this.emitter.emit('offer', download);
    else if (again) download.decline('nobody here takes files');
    else this.mesh.core.clock.after(LISTEN_MS, () => this.show(download, true));
  }

  private tellEnd(link: PeerLink, t: string): boolean {
    const end = this.ended.get(t);
    if (end) link.send(TOPIC, end, 200, () => {});
    return end !== undefined;
  }

  private over(transfer: Transfer): void {
    const { id: t, error } = transfer;
    this.uploads.delete(t);
    // What only pauses here may be offered again.
    if (this.downloads.delete(t) && error && PAUSES.has(error.code)) return;
    this.ended.set(t, error ? { m: 'stop', t, code: error.code, message: error.message } : { m: 'done', t });
    if (this.ended.size > ENDED_MAX) this.ended.delete(this.ended.keys().next().value!);
  }

  private opened(link: PeerLink, channel: RTCDataChannel): void {
    if (channel.label !== LABEL) return;
    channel.binaryType = 'arraybuffer';
    channel.onmessage = ({ data }) => {
      link.path.heard(this.mesh.core.clock.now());
      if (data instanceof ArrayBuffer) this.piece(link, 'direct', link.via === 'hub' ? 'direct' : link.via, new Uint8Array(data));
    };
  }

  private piece(link: PeerLink, way: Way, via: Via, data: unknown): void {
    const piece = data instanceof Uint8Array ? chunkOf(data) : null;
    const download = piece && this.downloads.get(piece.t);
    if (download && download.link === link) download.piece(way, via, piece.offset, piece.bytes);
  }
}
