import { CrosspointError, codeOfClose } from '../codes.js';
import { BEAT, decode, encode, encodeText, type Frame } from '../frame.js';
import { framed, Unframer } from './framing.js';
import type { Link, LinkContext, Way } from './link.js';

/** Above this many unsent bytes volatile frames are dropped. */
const BUFFERED_MAX = 256 * 1024;
/** How long a goodbye may take to leave before the session is closed under it (ms). */
const GOODBYE_MS = 1_000;
/** The close code by which the hub knows a goodbye, also of a page that has no time to send one. */
const BYE = 1000;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** WebTransport over HTTP/3: frames on one stream, volatile ones as datagrams where they fit. */
export class WebTransportLink implements Link {
  readonly transport = 'webtransport';
  private session: WebTransport | null = null;
  private writer: WritableStreamDefaultWriter<Uint8Array> | null = null;
  private datagrams: WritableStreamDefaultWriter<Uint8Array> | null = null;
  private waiting: Uint8Array[] = [];
  /** Bytes given to the stream that have not left. */
  private unsent = 0;
  private done = false;
  private proven = false;
  private last: CrosspointError | null = null;

  constructor(
    private readonly url: string,
    private readonly context: LinkContext,
    /** SHA-256 hashes (base64) of the certificates that are trusted beside those of public authorities. */
    private readonly hashes: string[],
  ) {}

  open(probe: boolean): void {
    if (probe) this.waiting.unshift(framed(encode({ type: 'hub:ping', data: { received: 0 } })));
    this.run().catch((error: unknown) => {
      const text = error instanceof Error ? error.message : String(error);
      this.fail(this.last ?? new CrosspointError('unavailable', text || 'the WebTransport session failed'));
    });
  }

  send(frame: Frame): Way {
    if (this.done) return 'stream';
    if (frame.volatile !== undefined && this.writer) {
      if (this.sendDatagram(frame)) return 'datagram';
      if (this.unsent > BUFFERED_MAX) return 'stream';
    }
    this.put(framed(encode(frame)));
    return 'stream';
  }

  beat(): void {
    if (!this.done && this.writer) this.put(framed(BEAT));
  }

  close(): void {
    this.end();
  }

  bye(leaving: boolean): void {
    const { writer } = this;
    if (!writer || this.done || leaving) return this.end(BYE);
    const left = writer.write(framed(encode({ type: 'hub:bye' })));
    this.done = true;
    const cancel = this.context.clock.after(GOODBYE_MS, () => this.end(BYE));
    left
      .then(() => writer.close())
      .catch(() => {})
      .finally(() => {
        cancel();
        this.end(BYE);
      });
  }

  private async run(): Promise<void> {
    const { WebTransport } = this.context;
    if (!WebTransport) throw new Error('no WebTransport here');
    const serverCertificateHashes = this.hashes.map((hash) => ({
      algorithm: 'sha-256',
      value: Uint8Array.from(atob(hash), (c) => c.charCodeAt(0)),
    }));
    const options: WebTransportOptions = serverCertificateHashes.length > 0 ? { serverCertificateHashes } : {};
    const session = (this.session = new WebTransport(this.url, options));
    session.closed.then(
      ({ closeCode = 0, reason }) =>
        this.fail(this.last ?? new CrosspointError(codeOfClose(closeCode), reason || `the session closed (${closeCode})`)),
      (error: unknown) => this.fail(this.last ?? new CrosspointError('unavailable', String(error))),
    );
    await session.ready;
    if (this.done) return this.end();
    const stream = await session.createBidirectionalStream();
    if (this.done) return this.end();
    this.writer = stream.writable.getWriter() as WritableStreamDefaultWriter<Uint8Array>;
    const datagrams = session.datagrams as unknown as { writable: WritableStream<Uint8Array> };
    this.datagrams = datagrams.writable.getWriter();
    for (const message of this.waiting.splice(0)) this.put(message);
    void this.readDatagrams(session).catch(() => {});
    await this.read(stream.readable.getReader() as ReadableStreamDefaultReader<Uint8Array>);
    this.fail(this.last ?? new CrosspointError('unavailable', 'the stream ended'));
  }

  private async read(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
    const unframer = new Unframer();
    for (;;) {
      const { value, done } = await reader.read();
      if (done || this.done) return;
      for (const message of unframer.push(value)) {
        if (message === BEAT && !this.done) this.context.events.beat();
        else this.take(decode(message), 'stream', message.length);
      }
    }
  }

  private async readDatagrams(session: WebTransport): Promise<void> {
    const reader = session.datagrams.readable.getReader() as ReadableStreamDefaultReader<Uint8Array>;
    for (;;) {
      const { value, done } = await reader.read();
      if (done || this.done) return;
      this.take(decode(decoder.decode(value)), 'datagram');
    }
  }

  private take(frame: Frame | null, way: Way, bytes = 0): void {
    if (this.done) return;
    if (!this.proven) {
      this.proven = true;
      this.context.events.proven();
    }
    if (!frame || this.done) return;
    if (frame.type === 'hub:close') this.last = CrosspointError.from(frame.data);
    this.context.events.frame(frame, way, bytes);
  }

  private sendDatagram(frame: Frame): boolean {
    const { session, datagrams } = this;
    if (!session || !datagrams) return false;
    const bytes = encoder.encode(encodeText(frame));
    if (bytes.length > session.datagrams.maxDatagramSize) return false;
    // One that finds no room is as good as lost on the way.
    if ((datagrams.desiredSize ?? 0) > 0) datagrams.write(bytes).catch(() => {});
    return true;
  }

  private put(bytes: Uint8Array): void {
    const { writer } = this;
    if (!writer) {
      this.waiting.push(bytes);
      return;
    }
    this.unsent += bytes.length;
    writer.write(bytes).then(
      () => (this.unsent -= bytes.length),
      (error: unknown) => this.fail(this.last ?? new CrosspointError('unavailable', String(error))),
    );
  }

  private end(closeCode = 0): void {
    this.done = true;
    this.waiting = [];
    try {
      this.session?.close({ closeCode, reason: '' });
    } catch {
      // One that failed can't be closed; it is closed all the same.
    }
  }

  private fail(error: CrosspointError): void {
    if (this.done) return;
    this.end();
    this.context.events.closed(error);
  }
}
