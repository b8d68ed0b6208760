import { CrosspointError, codeOfClose } from '../codes.js';
import { decode, encodeText, type Frame } from '../frame.js';
import type { Link, LinkContext, Way } from './link.js';
import { FurtherLink, StreamLink, type Stream } from './stream.js';

/** Above this many unsent bytes volatile frames are dropped. */
const BUFFERED_MAX = 256 * 1024;
/** The close code by which the hub knows a goodbye, also of a page that has no time to send one. */
const BYE = 1000;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** WebTransport over HTTP/3: frames on one stream, volatile ones as datagrams where they fit. */
export class WebTransportLink extends StreamLink {
  private session: WebTransport | null = null;
  private datagrams: WritableStreamDefaultWriter<Uint8Array> | null = null;

  constructor(
    private readonly url: string,
    protected override readonly context: LinkContext,
    /** SHA-256 hashes (base64) of the certificates that are trusted beside those of public authorities. */
    private readonly hashes: string[],
  ) {
    super(context);
  }

  override send(frame: Frame): Way {
    if (!this.done && frame.volatile !== undefined && this.writer) {
      if (this.sendDatagram(frame)) return 'datagram';
      if (this.unsent > BUFFERED_MAX) return 'stream';
    }
    return super.send(frame);
  }

  beside(context: LinkContext): Link | null {
    const { session } = this;
    if (!session || this.done) return null;
    // What waits on the first stream goes before it.
    return new FurtherLink(context, () => session.createBidirectionalStream({ sendOrder: -1 }));
  }

  protected async make(): Promise<Stream> {
    const { WebTransport } = this.context;
    if (!WebTransport) throw new Error('no WebTransport here');
    const serverCertificateHashes = this.hashes.map((hash) => ({
      algorithm: 'sha-256',
      value: Uint8Array.from(atob(hash), (c) => c.charCodeAt(0)),
    }));
    const options: WebTransportOptions = serverCertificateHashes.length > 0 ? { serverCertificateHashes } : {};
    const session = (this.session = new WebTransport(this.url, options));
    session.closed.then(
      ({ closeCode = 0, reason }) => this.fail(new CrosspointError(codeOfClose(closeCode), reason || `the session closed (${closeCode})`)),
      (error: unknown) => this.fail(new CrosspointError('unavailable', String(error))),
    );
    await session.ready;
    const stream = await session.createBidirectionalStream();
    if (this.done) return stream;
    const datagrams = session.datagrams as unknown as { writable: WritableStream<Uint8Array> };
    this.datagrams = datagrams.writable.getWriter();
    void this.readDatagrams(session).catch(() => {});
    return stream;
  }

  protected shut(bye: boolean): void {
    try {
      this.session?.close({ closeCode: bye ? BYE : 0, reason: '' });
    } catch {
      // One that failed can't be closed; it is closed all the same.
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

  private sendDatagram(frame: Frame): boolean {
    const { session, datagrams } = this;
    if (!session || !datagrams) return false;
    const bytes = encoder.encode(encodeText(frame));
    if (bytes.length > session.datagrams.maxDatagramSize) return false;
    // One that finds no room is as good as lost on the way.
    if ((datagrams.desiredSize ?? 0) > 0) datagrams.write(bytes).catch(() => {});
    return true;
  }
}
