import { asError } from '../../check.js';
import { CrosspointError } from '../../codes.js';
import { snapshot } from '../../frame.js';
import { record } from '../../session/types.js';
import type { Message } from '../../types.js';
import type { CallsDoor } from './door.js';
import { IncomingHandle, OutgoingHandle } from './handles.js';
import { Incoming, type IncomingOutput } from './incoming.js';
import { Outgoing } from './outgoing.js';
import type { IncomingCall, OutgoingCall, RingOptions } from './types.js';
import { ANSWER, ANSWERED, CANCEL, RING, RINGING, WHO, sending, textOf, whereOf, type Sending } from './wire.js';

const RING_MS = 30_000;
const SHORTEST_MS = 1_000;
const LONGEST_MS = 300_000;
/** So many users may be called at once. */
const USERS_MAX = 32;
/** So many of my calls are remembered, for answers that come late. */
const CALLS_MAX = 64;

/** Everything that rings at one page, and what it lets ring elsewhere. */
export class Switchboard {
  private readonly page = randomName();
  private readonly outgoing = new Map<string, { machine: Outgoing; handle: OutgoingHandle }>();
  private readonly incoming: Incoming;
  private readonly handles = new Map<string, IncomingHandle>();
  private listening = false;
  private calls = 0;
  private cancelTick: (() => void) | null = null;
  private working = false;

  constructor(private readonly door: CallsDoor) {
    const { core } = door;
    this.incoming = new Incoming(this.page, {
      has: (room) => door.rooms.has(room),
      full: () => !door.waiting && door.rooms.size > 0,
    });
    core.emitter.on('session', ({ resumed }) => resumed || this.renewed());
    core.emitter.on('state', ({ state }) => {
      if (state === 'closed') this.close();
      else for (const { machine } of this.outgoing.values()) machine.link(core.clock.now(), state === 'connected');
      this.work();
    });
    core.emitter.on('ended', ({ session, code }) => {
      this.incoming.gone(core.clock.now(), session, code);
      this.work();
    });
    // A page that closes while others share its session goes without a word of the hub's.
    if (typeof window !== 'undefined') window.addEventListener?.('pagehide', () => this.cancelAll(), { capture: true });
  }

  get list(): readonly IncomingCall[] {
    return [...this.handles.values()];
  }

  /** From now on calls ring here; also those that ring at other pages of this user already. */
  listen(): void {
    if (this.listening) return;
    this.listening = true;
    if (this.door.core.session !== null) this.ask();
  }

  ring(room: string, users: readonly string[], { data, timeoutMs = RING_MS }: RingOptions = {}): OutgoingCall {
    const { core } = this.door;
    if (core.state === 'closed') throw new CrosspointError('bye', 'the client is closed');
    if (users.length === 0 || users.length > USERS_MAX) throw new CrosspointError('bad_request', `one call is for 1 to ${USERS_MAX} users`);
    this.forget();
    if (this.outgoing.size >= CALLS_MAX) throw new CrosspointError('limit_exceeded', `${CALLS_MAX} of my calls ring already`);
    const ms = Math.min(Math.max(timeoutMs, SHORTEST_MS), LONGEST_MS);
    const id = `${this.page}.${(this.calls += 1)}`;
    const machine = new Outgoing(core.clock.now(), id, room, [...new Set(users)], ms, this.page, snapshot(data ?? null), core.state === 'connected');
    const handle = new OutgoingHandle(machine, () => this.work(), (error) => core.report(error));
    this.outgoing.set(id, { machine, handle });
    // Whoever called this has the handle before it says anything.
    queueMicrotask(() => this.work());
    return handle;
  }

  /** Who is in a room's call has answered what calls there. */
  entered(room: string): void {
    this.incoming.entered(room);
    this.work();
  }

  cancel(room: string): void {
    for (const { machine } of this.outgoing.values()) if (machine.room === room) machine.cancel();
    this.work();
  }

  take({ type, data, from }: Message): void {
    const { user, session } = from;
    const said = record(data);
    if (!user || !session || !said) return;
    if (type === RINGING || type === ANSWER) this.replied(type, user, session, said);
    else if (this.listening) this.told(type, { user, session }, said);
    this.work();
  }

  /** Of my own calls. */
  private replied(type: string, user: string, session: string, said: Record<string, unknown>): void {
    const { call, answer, reason, page } = said;
    if (typeof call !== 'string') return;
    const machine = this.outgoing.get(call)?.machine;
    if (machine && type === RINGING) machine.ringing(user);
    else if (machine) machine.answered(user, { session, page: textOf(page) ?? '' }, answer, reason);
    else if (call.startsWith(`${this.page}.`)) this.send(sending(user, CANCEL, { call, reason: 'gone' }));
  }

  private told(type: string, from: { user: string; session: string }, said: Record<string, unknown>): void {
    const { incoming, door } = this;
    const now = door.core.clock.now();
    const mine = from.user === door.core.user;
    if (type === RING && said.to === undefined) {
      // A page doesn't ring itself; another one of the same user may.
      if (said.page !== this.page) incoming.ring(now, from, said);
    } else if (type === RING && mine && said.to === this.page) {
      const { user, session } = record(said.caller) ?? {};
      if (typeof user === 'string' && typeof session === 'string') incoming.ring(now, { user, session }, said);
    } else if (type === ANSWERED) {
      incoming.answered(from.user, { call: said.call, answer: said.answer, reason: said.reason, by: whereOf(said.by) });
    } else if (type === CANCEL) {
      incoming.cancelled(from.user, { call: said.call, reason: said.reason });
    } else if (type === WHO && mine && typeof said.page === 'string') {
      incoming.copies(now, from.user, said.page);
    }
  }

  private renewed(): void {
    const { core } = this.door;
    for (const { machine } of this.outgoing.values()) machine.link(core.clock.now(), core.state === 'connected', true);
    this.incoming.renewed();
    if (this.listening) this.ask();
    this.work();
  }

  private ask(): void {
    const { user } = this.door.core;
    if (user) this.send(sending(user, WHO, { page: this.page }));
  }

  private cancelAll(): void {
    for (const { machine } of this.outgoing.values()) machine.cancel();
    this.work();
  }

  private close(): void {
    for (const { machine } of this.outgoing.values()) machine.fail('bye');
    this.incoming.close();
  }

  /** Does what the machines want. */
  private work(): void {
    // What a handler does comes after what it was called for.
    if (this.working) return;
    this.working = true;
    let more = true;
    while (more) {
      more = false;
      for (const { machine, handle } of this.outgoing.values()) {
        for (let output = machine.poll(); output; output = machine.poll()) {
          more = true;
          if (output.op === 'send') this.send(output, machine);
          else handle.said(output);
        }
      }
      for (let output = this.incoming.poll(); output; output = this.incoming.poll()) {
        more = true;
        this.act(output);
      }
    }
    this.working = false;
    this.schedule();
  }

  private act(output: IncomingOutput): void {
    const { core, host, emitter } = this.door;
    if (output.op === 'send') return this.send(output);
    if (output.op === 'watch') {
      const { session } = output;
      host.watch(session).catch(({ code }: CrosspointError) => {
        if (code === 'not_found') this.incoming.gone(core.clock.now(), session, code);
        this.work();
      });
    } else if (output.op === 'unwatch') {
      host.unwatch(output.session).catch(() => {});
    } else if (output.op === 'incoming') {
      const handle = new IncomingHandle(output.call, this.incoming, host, () => this.work(), (error) => core.report(error));
      this.handles.set(output.call.id, handle);
      emitter.emit('incoming', handle);
    } else {
      const handle = this.handles.get(output.call.id);
      if (output.op === 'won') return handle?.won();
      const { reason, here } = output;
      this.handles.delete(output.call.id);
      handle?.ended({ reason, here });
      if (handle) emitter.emit('end', { call: handle, reason, here });
    }
  }

  private send({ user, type, data }: Sending, machine?: Outgoing): void {
    const { core } = this.door;
    const said = (delivered: boolean, code?: string) => {
      if (type !== RING || !machine) return;
      machine.rung(core.clock.now(), user, delivered, code);
      this.work();
    };
    core.call({ type, to: `user:${user}`, data }).then(
      () => said(true),
      (error: unknown) => {
        const { code } = asError(error);
        said(false, code);
        if (type === ANSWER) this.unanswered(data.call as string, user, error, code);
      },
    );
  }

  /** An answer didn't reach its caller, who may be on the way back to the hub. */
  private unanswered(id: string, user: string, error: unknown, code: string): void {
    const caller = this.incoming.rings.get(id)?.caller;
    if (!caller || caller.user !== user) return;
    if (code === 'not_found') this.incoming.gone(this.door.core.clock.now(), caller.session, code);
    else this.handles.get(id)?.failed(error);
    this.work();
  }

  private schedule(): void {
    const { core } = this.door;
    this.cancelTick?.();
    this.cancelTick = null;
    const machines = [...this.outgoing.values()].map(({ machine }) => machine);
    const at = Math.min(this.incoming.deadline(), ...machines.map((machine) => machine.deadline()));
    if (at === Infinity || core.state === 'closed') return;
    this.cancelTick = core.clock.after(at - core.clock.now(), () => {
      const now = core.clock.now();
      for (const machine of machines) machine.tick(now);
      this.incoming.tick(now);
      this.work();
    });
  }

  private forget(): void {
    for (const [id, { machine }] of this.outgoing) {
      if (this.outgoing.size < CALLS_MAX) return;
      if (machine.ended) this.outgoing.delete(id);
    }
  }
}

/** 72 random bits. */
function randomName(): string {
  return btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(9)))).replace(/\+/g, '-').replace(/\//g, '_');
}
