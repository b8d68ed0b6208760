import { CrosspointError, codeOfClose } from '../codes.js';
import { BEAT, decode, encode, type Frame } from '../frame.js';
import type { Link, LinkContext } from './link.js';

/** Above this many unsent bytes volatile frames are dropped. */
const BUFFERED_MAX = 256 * 1024;
const OPEN = 1;

/** RFC 6455, one frame per message. */
export class WebSocketLink implements Link {
  readonly transport = 'websocket';
  private socket: WebSocket | null = null;
  private waiting: (string | Uint8Array)[] = [];
  private done = false;
  private proven = false;
  private last: CrosspointError | null = null;

  constructor(
    private readonly url: string,
    private readonly context: LinkContext,
  ) {}

  open(probe: boolean): void {
    const { WebSocket, events } = this.context;
    let socket: WebSocket;
    try {
      if (!WebSocket) throw new Error('no WebSocket here');
      socket = new WebSocket(this.url, 'crosspoint.v1');
    } catch (error) {
      this.fail(new CrosspointError('unavailable', String(error)));
      return;
    }
    this.socket = socket;
    socket.binaryType = 'arraybuffer';
    if (probe) this.waiting.unshift(encode({ type: 'hub:ping', data: { received: 0 } }));
    socket.onopen = () => {
      for (const message of this.waiting.splice(0)) this.put(message);
    };
    socket.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => {
      if (this.done) return;
      if (data === BEAT) return events.beat();
      const frame = decode(data);
      if (!this.proven) {
        this.proven = true;
        events.proven();
      }
      if (!frame || this.done) return;
      if (frame.type === 'hub:close') this.last = CrosspointError.from(frame.data);
      events.frame(frame, 'stream', typeof data === 'string' ? data.length : data.byteLength);
    };
    socket.onclose = ({ code, reason }) => {
      this.fail(this.last ?? new CrosspointError(codeOfClose(code), reason || `the WebSocket closed (${code})`));
    };
    socket.onerror = () => this.fail(this.last ?? new CrosspointError('unavailable', 'the WebSocket failed'));
  }

  send(frame: Frame): void {
    if (this.done) return;
    if (this.socket?.readyState === OPEN) {
      if (frame.volatile === undefined || this.socket.bufferedAmount < BUFFERED_MAX) this.put(encode(frame));
    } else {
      this.waiting.push(encode(frame));
    }
  }

  beat(): void {
    if (!this.done && this.socket?.readyState === OPEN) this.put(BEAT);
  }

  close(): void {
    this.end(1000);
  }

  bye(): void {
    if (this.socket?.readyState === OPEN) this.put(encode({ type: 'hub:bye' }));
    this.end(1000);
  }

  private put(message: string | Uint8Array): void {
    try {
      this.socket?.send(message as string | Uint8Array<ArrayBuffer>);
    } catch (error) {
      this.fail(new CrosspointError('unavailable', String(error)));
    }
  }

  private end(code: number): void {
    this.done = true;
    this.waiting = [];
    try {
      this.socket?.close(code);
    } catch {
      // Closing what never opened may throw; it is closed all the same.
    }
  }

  private fail(error: CrosspointError): void {
    if (this.done) return;
    this.end(1000);
    this.context.events.closed(error);
  }
}
