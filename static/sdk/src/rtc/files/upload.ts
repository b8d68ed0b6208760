import { asError } from '../../check.js';
import { CrosspointError } from '../../codes.js';
import type { PeerLink } from '../link.js';
import type { Way } from '../pair.js';
import { Sending } from './sending.js';
import { Reader, type Source } from './source.js';
import { Transfer, type TransferHooks } from './transfer.js';
import type { FileUpload } from './types.js';
import { chunk, HEADER_BYTES, type Control } from './wire.js';

/** Labels of the channels on which bytes go. */
export const LABEL = 'crosspoint-file';
/** A message on a channel has at most so many bytes, and no more than the connection takes. */
const MESSAGE_BYTES_MAX = 64 << 10;
/** What the channel's buffer may hold, and when it is filled again. */
const BUFFER_HIGH = 1 << 20;
const BUFFER_LOW = 256 << 10;
const WINDOWS = { direct: 4 << 20, hub: 384 << 10 };
/** A channel that takes longer to open (ms) is not waited for. */
const OPEN_MS = 2_000;
/** Where the hub relays no files, a direct path may take so long to come up (ms). */
const PATH_MS = 10_000;

export interface UploadHooks extends TransferHooks {
  /** Sends bytes by the hub; rejects if they didn't get into the receiver's outbox. */
  relay(link: PeerLink, bytes: Uint8Array, signal: AbortSignal): Promise<unknown>;
  /** Bytes that one of these may have. */
  relayMax(): number;
}

/** A file on its way to one receiver. */
export class Upload extends Transfer implements FileUpload {
  readonly delivered: Promise<void>;
  protected readonly machine: Sending;
  private readonly reader: Reader;
  private channel: RTCDataChannel | null = null;
  /** The channel is not waited for any longer. */
  private late = false;
  private cancelLate: (() => void) | null = null;
  /** The hub relays no files here. */
  private refused: CrosspointError | null = null;
  private cancelRefused: (() => void) | null = null;
  private abort = new AbortController();
  private run = 0;
  private pumping = false;
  private settle!: (error: CrosspointError | null) => void;

  constructor(
    offer: Control & { m: 'offer' },
    private readonly source: Source,
    link: PeerLink,
    protected override readonly hooks: UploadHooks,
  ) {
    super(offer.t, offer.name, offer.type, offer.size, offer.meta, link, hooks);
    this.machine = new Sending(offer, WINDOWS);
    this.reader = new Reader(source);
    this.delivered = new Promise((resolve, reject) => {
      this.settle = (error) => (error ? reject(error) : resolve());
    });
    // Who doesn't ask isn't told.
    this.delivered.catch(() => {});
  }

  cancel(reason = 'the sender has cancelled it'): void {
    this.fail(new CrosspointError('cancelled', reason, 'never'));
  }

  /** Ends it at both ends. */
  fail(error: CrosspointError): void {
    this.machine.cancel(error);
    this.work();
  }

  /** The receiver is there, perhaps as another session. */
  attached(link: PeerLink): void {
    if (link !== this.link) {
      this.leads(link);
      this.close();
    }
    this.machine.attached(this.now);
    this.open();
    this.work();
  }

  detached(): void {
    this.close();
    this.machine.detached(this.now);
    this.work();
  }

  /** The path to the receiver has changed. */
  moved(): void {
    if (this.link.via === 'hub') this.close();
    this.open();
    this.work();
  }

  came(control: Control): void {
    this.machine.came(this.now, control);
    this.work();
  }

  protected act(): void {
    const { machine } = this;
    machine.use(this.now, this.best);
    for (let output = machine.poll(); output; output = machine.poll()) {
      if (output.op === 'control') this.say(output.control);
      else if (output.op === 'end') void this.end(output.run);
      else this.over(output.error);
    }
    if (machine.over) return;
    if (machine.run !== this.run) {
      this.run = machine.run;
      this.abort.abort();
      this.abort = new AbortController();
    }
    this.become(!machine.here ? 'waiting' : machine.accepted ? 'active' : 'offered');
    if (machine.way) this.goes(machine.way === 'hub' ? 'hub' : this.link.via);
    if (machine.accepted) this.progress(machine.acked);
    void this.pump();
  }

  private get best(): Way | null {
    const { channel } = this;
    if (channel?.readyState === 'open') return 'direct';
    if (channel && !this.late && this.machine.way === null) return null;
    return this.refused ? null : 'hub';
  }

  private open(): void {
    const { link, hooks } = this;
    if (this.channel || this.machine.over || link.via === 'hub') return;
    const channel = link.connection?.channel(LABEL) ?? null;
    if (!channel) return;
    this.channel = channel;
    this.late = false;
    channel.binaryType = 'arraybuffer';
    channel.bufferedAmountLowThreshold = BUFFER_LOW;
    channel.onopen = channel.onbufferedamountlow = () => this.channel === channel && this.work();
    channel.onclose = () => {
      if (this.channel !== channel) return;
      this.close();
      this.open();
      this.work();
    };
    this.cancelLate = hooks.clock.after(OPEN_MS, () => {
      this.late = true;
      this.work();
    });
  }

  private close(): void {
    const { channel, machine } = this;
    this.cancelLate?.();
    this.channel = null;
    channel?.close();
    if (machine.way === 'direct') machine.broken(this.now, machine.run);
  }

  /** Gives the ways what they take. */
  private async pump(): Promise<void> {
    if (this.pumping) return;
    this.pumping = true;
    try {
      while (await this.step());
    } catch (error) {
      this.fail(new CrosspointError('unreadable', `the file can't be read any more: ${error}`, 'never'));
    } finally {
      this.pumping = false;
    }
  }

  /** One chunk. `false`: nothing goes now. */
  private async step(): Promise<boolean> {
    const { machine, channel, abort } = this;
    const { run, way } = machine;
    if (way === 'direct' && (channel?.readyState !== 'open' || channel.bufferedAmount > BUFFER_HIGH)) return false;
    const range = machine.range(way === 'direct' ? this.messageMax : this.hooks.relayMax() - HEADER_BYTES);
    if (!range) return false;
    const bytes = await this.reader.read(range.offset, range.bytes);
    if (machine.run !== run) return true;
    if (bytes.length === 0) throw new Error('it has become shorter');
    const message = chunk(this.id, range.offset, bytes);
    if (way === 'hub') {
      this.hooks.relay(this.link, message, abort.signal).catch((error: unknown) => this.unrelayed(run, asError(error)));
    } else if (!give(channel!, message)) {
      machine.broken(this.now, run);
    }
    machine.gave(run, bytes.length);
    this.work();
    return true;
  }

  private get messageMax(): number {
    return Math.min(MESSAGE_BYTES_MAX, this.link.connection?.pc?.sctp?.maxMessageSize ?? Infinity) - HEADER_BYTES;
  }

  private unrelayed(run: number, error: CrosspointError): void {
    if (this.machine.run !== run || this.machine.over) return;
    if (error.code === 'forbidden' || (error.code === 'unavailable' && error.retry === 'never')) {
      this.refused = error;
      this.cancelRefused ??= this.hooks.clock.after(PATH_MS, () => {
        this.cancelRefused = null;
        if (this.best === null) this.fail(new CrosspointError('forbidden', `there is no direct path, and ${error.message}`, 'never'));
        else this.refused = null;
      });
    }
    this.machine.broken(this.now, run, error.retryAfterMs);
    this.work();
  }

  private async end(run: number): Promise<void> {
    try {
      const h = await this.source.digest();
      if (this.machine.run === run && !this.machine.over) this.say({ m: 'end', t: this.id, h });
    } catch (error) {
      this.fail(new CrosspointError('unreadable', `the file can't be read any more: ${error}`, 'never'));
    }
  }

  private over(error: CrosspointError | null): void {
    this.abort.abort();
    this.cancelRefused?.();
    this.close();
    if (!error) this.progress(this.size);
    this.become(error ? 'failed' : 'done', error);
    this.settle(error);
  }
}

function give(channel: RTCDataChannel, message: Uint8Array<ArrayBuffer>): boolean {
  try {
    channel.send(message);
    return true;
  } catch {
    return false;
  }
}
