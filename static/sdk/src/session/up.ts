import type { Frame } from '../frame.js';

interface Kept {
  /** The number in the current session; `null` until it is first sent there. */
  seq: number | null;
  frame: Frame;
  acked: boolean;
}

/** Frames on their way up: numbered, kept until acknowledged; those with an `id` until they are answered. */
export class Uplink {
  /** In the order of sending. Acknowledged frames stay while their reply is due. */
  private kept: Kept[] = [];
  /** The number of the newest counted frame. */
  private next = 0;
  private acked = 0;

  get waiting(): number {
    return this.kept.length;
  }

  push(frame: Frame): void {
    this.kept.push({ seq: null, frame, acked: false });
  }

  /** Frames that go before all others. */
  pushFront(frames: Frame[]): void {
    this.kept.unshift(...frames.map((frame) => ({ seq: null, frame, acked: false })));
  }

  /** The frames that the session has not been given yet, with their new numbers. */
  unsent(): { seq: number; frame: Frame }[] {
    const out: { seq: number; frame: Frame }[] = [];
    for (const k of this.kept) {
      if (k.seq !== null) continue;
      k.seq = ++this.next;
      out.push({ seq: k.seq, frame: k.frame });
    }
    return out;
  }

  /** The hub has received so many; the rest was lost with the link and is unsent again. */
  resume(received: number): void {
    this.ack(received);
    for (const k of this.kept) if (k.seq !== null && k.seq > received) k.seq = null;
    this.next = received;
  }

  /** The hub has received so many. */
  ack(received: number): void {
    if (received <= this.acked) return;
    this.acked = Math.min(received, this.next);
    for (const k of this.kept) if (k.seq !== null && k.seq <= received) k.acked = true;
    this.kept = this.kept.filter((k) => !k.acked || k.frame.id !== undefined);
  }

  /** The frame with this id was answered; returns it. */
  answered(id: string): Frame | null {
    const at = this.kept.findIndex((k) => k.frame.id === id);
    const k = this.kept[at];
    if (!k) return null;
    const { frame } = k;
    if (k.acked || k.seq === null) {
      this.kept.splice(at, 1);
    } else {
      // Answered but not yet acknowledged: its number must stay until it is.
      const { id: _, ...rest } = frame;
      k.frame = rest;
    }
    return frame;
  }

  /** A new session begins: what has an id goes again, in the old order, without those that `keep` refuses. Returns how
   * many may be lost. */
  newSession(keep: (frame: Frame) => boolean): number {
    let lost = 0;
    this.kept = this.kept.filter(({ seq, frame }) => {
      const sent = seq !== null;
      const hasId = frame.id !== undefined;
      const retry = (!sent || hasId) && keep(frame);
      if (sent && !retry && !hasId && keep(frame)) lost += 1;
      return retry;
    });
    for (const k of this.kept) {
      k.seq = null;
      k.acked = false;
    }
    this.next = this.acked = 0;
    return lost;
  }

  /** Whether the application's own join of this room waits for its answer. */
  joins(room: string): boolean {
    return this.kept.some(({ frame }) => frame.type === 'hub:join' && frame.id !== undefined && frame.room === room);
  }
}
