import type { Clock } from '../clock.js';
import { CrosspointError } from '../codes.js';
import { BEAT, decode, encode, type Frame } from '../frame.js';
import { framed, Unframer } from './framing.js';
import type { Link, LinkEvents, Way } from './link.js';

/** How long a goodbye may take to leave before the stream is closed under it (ms). */
const GOODBYE_MS = 1_000;

export type Stream = Pick<WebTransportBidirectionalStream, 'readable' | 'writable'>;

/** Frames on one bidirectional stream, each as a message with its length in front. */
export abstract class StreamLink implements Link {
  readonly transport = 'webtransport';
  protected writer: WritableStreamDefaultWriter<Uint8Array> | null = null;
  protected reader: ReadableStreamDefaultReader<Uint8Array> | null = null;
  private waiting: Uint8Array[] = [];
  /** Bytes given to the stream that have not left. */
  protected unsent = 0;
  protected done = false;
  private proven = false;
  protected last: CrosspointError | null = null;

  constructor(protected readonly context: { clock: Clock; events: LinkEvents }) {}

  /** Opens the stream. */
  protected abstract make(): Promise<Stream>;

  /** Closes it, whatever state it is in. `bye`: the session is over. */
  protected abstract shut(bye: boolean): void;

  open(probe: boolean): void {
    if (probe) this.waiting.unshift(framed(encode({ type: 'hub:ping', data: { received: 0 } })));
    this.run().catch((error: unknown) => {
      const text = error instanceof Error ? error.message : String(error);
      this.fail(new CrosspointError('unavailable', text || 'the WebTransport session failed'));
    });
  }

  send(frame: Frame): Way {
    if (!this.done) this.put(framed(encode(frame)));
    return 'stream';
  }

  beat(): void {
    if (!this.done && this.writer) this.put(framed(BEAT));
  }

  close(): void {
    this.end(false);
  }

  bye(leaving: boolean): void {
    const { writer } = this;
    if (!writer || this.done || leaving) return this.end(true);
    const left = writer.write(framed(encode({ type: 'hub:bye' })));
    this.done = true;
    const cancel = this.context.clock.after(GOODBYE_MS, () => this.end(true));
    left
      .then(() => writer.close())
      .catch(() => {})
      .finally(() => {
        cancel();
        this.end(true);
      });
  }

  private async run(): Promise<void> {
    const stream = await this.make();
    if (this.done) return this.end(false);
    this.writer = stream.writable.getWriter() as WritableStreamDefaultWriter<Uint8Array>;
    this.reader = stream.readable.getReader() as ReadableStreamDefaultReader<Uint8Array>;
    for (const message of this.waiting.splice(0)) this.put(message);
    await this.read(this.reader);
    this.fail(new CrosspointError('unavailable', 'the stream ended'));
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

  protected take(frame: Frame | null, way: Way, bytes = 0): void {
    if (this.done) return;
    if (!this.proven) {
      this.proven = true;
      this.context.events.proven();
    }
    if (!frame || this.done) return;
    if (frame.type === 'hub:close') this.last = CrosspointError.from(frame.data);
    this.context.events.frame(frame, way, bytes);
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
      (error: unknown) => this.fail(new CrosspointError('unavailable', String(error))),
    );
  }

  private end(bye: boolean): void {
    this.done = true;
    this.waiting = [];
    this.shut(bye);
  }

  /** The link is over; what the hub said of it counts more. */
  protected fail(error: CrosspointError): void {
    if (this.done) return;
    this.end(false);
    this.context.events.closed(this.last ?? error);
  }
}

/** A link on a further stream of the connection that another link has; it ends with that. */
export class FurtherLink extends StreamLink {
  private stream: Stream | null = null;

  constructor(
    context: { clock: Clock; events: LinkEvents },
    private readonly openStream: () => Promise<Stream>,
  ) {
    super(context);
  }

  protected async make(): Promise<Stream> {
    return (this.stream = await this.openStream());
  }

  protected shut(): void {
    const { stream, writer, reader } = this;
    (writer ?? stream?.writable)?.abort().catch(() => {});
    (reader ?? stream?.readable)?.cancel().catch(() => {});
  }
}
