import type { Core } from '../../core.js';
import { Emitter } from '../../emitter.js';
import { load } from '../../parts.js';
import type { Message, Room } from '../../types.js';
import type { Switchboard } from './switchboard.js';
import type { Calls, CallsEvents, IncomingCall, OutgoingCall, RingOptions } from './types.js';

/** Messages that may wait until what they are for is loaded. */
const EARLY_MAX = 256;

/** What ringing needs of its client. */
export interface CallsHost {
  room(name: string): Room;
  watch(session: string): Promise<void>;
  unwatch(session: string): Promise<void>;
}

/** Stands for a client's calls until what they take is loaded. */
export class CallsDoor implements Calls {
  waiting = false;
  /** In whose calls this page is. */
  readonly rooms = new Set<string>();
  readonly emitter: Emitter<CallsEvents>;
  readonly once: Calls['once'];
  readonly off: Calls['off'];
  private board: Switchboard | null = null;
  private opening: Promise<Switchboard> | null = null;
  private early: Message[] = [];

  constructor(
    readonly core: Core,
    readonly host: CallsHost,
  ) {
    this.emitter = new Emitter((error) => core.report(error));
    this.once = (event, fn) => (this.listen(event), this.emitter.once(event, fn));
    this.off = (event, fn) => this.emitter.off(event, fn);
    core.emitter.on('message', (message) => {
      if (!message.type.startsWith('call.')) return;
      if (this.board) this.board.take(message);
      else if (this.early.length < EARLY_MAX) this.early.push(message);
    });
  }

  get list(): readonly IncomingCall[] {
    return this.board?.list ?? [];
  }

  on<K extends keyof CallsEvents>(event: K, fn: (value: CallsEvents[K]) => void): () => void {
    this.listen(event);
    return this.emitter.on(event, fn);
  }

  async ring(room: string, users: string | readonly string[], options?: RingOptions): Promise<OutgoingCall> {
    return (await this.open()).ring(room, typeof users === 'string' ? [users] : users, options);
  }

  /** This page is in the room's call. */
  entered(room: string): void {
    this.rooms.add(room);
    this.board?.entered(room);
  }

  /** It isn't, and calls nobody there any more. */
  left(room: string): void {
    this.rooms.delete(room);
    this.board?.cancel(room);
  }

  /** Whoever listens is there to be called. */
  private listen(event: keyof CallsEvents): void {
    if (event !== 'incoming') return;
    this.open().then((board) => board.listen(), (error) => this.core.report(error));
  }

  private open(): Promise<Switchboard> {
    this.opening ??= load('calls').then(
      ({ Switchboard }) => {
        const board = new Switchboard(this);
        this.board = board;
        if (this.emitter.has('incoming')) board.listen();
        for (const message of this.early.splice(0)) board.take(message);
        return board;
      },
      (error) => {
        this.opening = null;
        throw error;
      },
    );
    return this.opening;
  }
}
