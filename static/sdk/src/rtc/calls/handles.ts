import { CrosspointError } from '../../codes.js';
import { Emitter } from '../../emitter.js';
import type { Sender } from '../../frame.js';
import type { Room } from '../../types.js';
import type { CallFace } from './call.js';
import type { CallsHost } from './door.js';
import type { Incoming, Ring } from './incoming.js';
import type { Outgoing, OutgoingOutput } from './outgoing.js';
import type { CallEnd, CallOptions, IncomingCall, OutgoingCall, OutgoingCallEvents, RingEnd, Ringing } from './types.js';

/** What became of an accepted call that somebody else has. */
const LOST: Record<RingEnd, [code: string, message: string]> = {
  accepted: ['replaced', 'it was answered elsewhere'],
  declined: ['not_found', 'it was declined'],
  busy: ['not_found', 'another page of this user is busy'],
  cancelled: ['not_found', 'the caller has hung up'],
  no_answer: ['timeout', 'it rings no more'],
  gone: ['not_found', 'the caller is gone'],
};

/** A call as its caller sees it. */
export class OutgoingHandle implements OutgoingCall {
  readonly ended: Promise<readonly Ringing[]>;
  readonly on: OutgoingCall['on'];
  readonly once: OutgoingCall['once'];
  readonly off: OutgoingCall['off'];
  private readonly emitter: Emitter<OutgoingCallEvents>;
  private finish!: (users: readonly Ringing[]) => void;

  constructor(
    private readonly machine: Outgoing,
    private readonly act: () => void,
    report: (error: unknown) => void,
  ) {
    const emitter = (this.emitter = new Emitter<OutgoingCallEvents>(report));
    this.on = emitter.on.bind(emitter);
    this.once = emitter.once.bind(emitter);
    this.off = emitter.off.bind(emitter);
    this.ended = new Promise((resolve) => (this.finish = resolve));
  }

  get id(): string {
    return this.machine.id;
  }

  get room(): string {
    return this.machine.room;
  }

  get users(): readonly Ringing[] {
    return [...this.machine.callees.keys()].map((user) => this.ringing(user));
  }

  cancel(user?: string): void {
    this.machine.cancel(user);
    this.act();
  }

  said(output: OutgoingOutput): void {
    if (output.op === 'update') this.emitter.emit('update', this.ringing(output.user));
    if (output.op !== 'end') return;
    this.finish(this.users);
    this.emitter.emit('end', this.users);
  }

  private ringing(name: string): Ringing {
    const { user, state, session, reason } = this.machine.callees.get(name)!;
    return { user, state, ...(session && { session }), ...(reason && { reason }) };
  }
}

/** A call as whoever is called sees it. */
export class IncomingHandle implements IncomingCall {
  readonly on: IncomingCall['on'];
  readonly once: IncomingCall['once'];
  readonly off: IncomingCall['off'];
  ringing = true;
  private readonly emitter: Emitter<{ end: CallEnd }>;
  private accepting: Promise<Room> | null = null;
  private answered: { resolve(): void; reject(error: unknown): void } | null = null;

  constructor(
    private readonly call: Ring,
    private readonly machine: Incoming,
    private readonly host: CallsHost,
    private readonly act: () => void,
    report: (error: unknown) => void,
  ) {
    const emitter = (this.emitter = new Emitter(report));
    this.on = emitter.on.bind(emitter);
    this.once = emitter.once.bind(emitter);
    this.off = emitter.off.bind(emitter);
  }

  get id(): string {
    return this.call.id;
  }

  get room(): string {
    return this.call.room;
  }

  get from(): Required<Sender> {
    return this.call.caller;
  }

  get data(): unknown {
    return this.call.data;
  }

  accept(options: CallOptions = {}): Promise<Room> {
    this.accepting ??= this.join(options).finally(() => (this.accepting = null));
    return this.accepting;
  }

  decline(reason?: string): void {
    this.machine.decline(this.id, reason);
    this.act();
  }

  /** The caller has taken my answer. */
  won(): void {
    this.answered?.resolve();
  }

  ended(end: CallEnd): void {
    this.ringing = false;
    this.answered?.reject(new CrosspointError(...LOST[end.reason]));
    this.emitter.emit('end', end);
  }

  /** The answer couldn't be sent. */
  failed(error: unknown): void {
    this.machine.retract(this.id);
    this.answered?.reject(error);
  }

  private async join(options: CallOptions): Promise<Room> {
    const room = this.host.room(this.room);
    const wasIn = room.joined;
    if (!wasIn) await room.join();
    try {
      await (room.call as unknown as CallFace).enter(options, () => this.answer());
    } catch (error) {
      if (!wasIn && !room.call.joined) await room.leave().catch(() => {});
      throw error;
    }
    return room;
  }

  private answer(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.answered = { resolve, reject };
      if (!this.machine.accept(this.id)) reject(new CrosspointError('not_found', 'it rings no more'));
      this.act();
    });
  }
}
