import { payloadBytes, type Frame } from '../frame.js';

interface Kept {
  /** The number in the current session; `null` until it is first sent there. */
  seq: number | null;
  frame: Frame;
  acked: boolean;
  answered: boolean;
  /** The machine's own; a new session has its own again. */
  own: boolean;
}

function kept(frame: Frame, own: boolean): Kept {
  return { seq: null, frame, acked: false, answered: false, own };
}

function awaitsReply({ frame, answered }: Kept): boolean {
  return frame.id !== undefined && !answered;
}

/** Its reply comes soon, and takes room in the hub's outbox. A request's comes when it comes. */
function replyIsDue(k: Kept): boolean {
  const { to } = k.frame;
  return awaitsReply(k) && (to === undefined || to.startsWith('user:'));
}

/** Frames on their way up: numbered, kept until acknowledged; those with an `id` until they are answered. */
export class Uplink {
  /** In the order of sending. Acknowledged frames stay while their reply is due. */
  private kept: Kept[] = [];
  /** The number of the newest counted frame. */
  private next = 0;
  private acked = 0;
  /** The payloads of what was sent and is not acknowledged. */
  unackedBytes = 0;
  /** Somebody else has sent the last frames, perhaps some that are not known here. */
  inherited = false;
  /** Frames that those may have been, and that can't be sent twice. */
  lost = 0;

  get waiting(): number {
    return this.kept.length;
  }

  push(frame: Frame): void {
    this.kept.push(kept(frame, false));
  }

  /** The next frame that the session has not been given yet, with its new number, if fewer than `window` replies are due. */
  nextUnsent(window: number): { seq: number; frame: Frame } | null {
    // What was not sent is at the end.
    if (this.kept.at(-1)?.seq !== null) return null;
    let due = 0;
    for (const k of this.kept) {
      if (k.seq !== null) {
        due += replyIsDue(k) ? 1 : 0;
      } else {
        if (due >= window) return null;
        k.seq = ++this.next;
        this.unackedBytes += payloadBytes(k.frame);
        return { seq: k.seq, frame: k.frame };
      }
    }
    return null;
  }

  /** The hub has received so many; the rest was lost with the link and is unsent again. `false`: it can't have. */
  resume(received: number): boolean {
    this.lost = 0;
    if (this.inherited && received > this.next) this.skip(received);
    if (received < this.acked || !this.ack(received)) return false;
    this.inherited = false;
    for (const k of this.kept) if (k.seq !== null && k.seq > received) k.seq = null;
    this.next = received;
    this.unackedBytes = 0;
    return true;
  }

  /** The hub has received so many. `false`: it can't have, they were never sent. */
  ack(received: number): boolean {
    if (received <= this.acked) return true;
    if (received > this.next) return false;
    this.acked = received;
    for (const k of this.kept) {
      if (k.acked || k.seq === null || k.seq > received) continue;
      k.acked = true;
      this.unackedBytes -= payloadBytes(k.frame);
    }
    this.settle();
    return true;
  }

  /** The frame with this id was answered; returns it. Where it isn't acknowledged yet, its number must stay until it is. */
  answered(id: string): Frame | null {
    const found = this.kept.find((k) => k.frame.id === id && awaitsReply(k));
    if (!found) return null;
    found.answered = true;
    this.settle();
    return found.frame;
  }

  /** A new session begins with the machine's `own` frames, then what has an id goes again, in the old order, as far as `wanted`.
   * Returns how many may be lost. */
  newSession(own: Frame[], wanted: (frame: Frame) => boolean): number {
    const lost = this.kept.filter(({ seq, frame }) => seq !== null && frame.id === undefined).length;
    const again = this.kept.filter((k) => (k.seq === null || awaitsReply(k)) && !k.own && wanted(k.frame));
    for (const k of again) {
      k.seq = null;
      k.acked = false;
    }
    this.kept = [...own.map((frame) => kept(frame, true)), ...again];
    this.next = this.acked = this.unackedBytes = 0;
    this.inherited = false;
    return lost;
  }

  /** What has an id may be sent again; of the rest nobody can say whether it was. */
  private skip(received: number): void {
    const before = this.kept.length;
    this.kept = this.kept.filter(({ seq, frame }) => seq !== null || frame.id !== undefined);
    this.lost = before - this.kept.length;
    this.next = received;
  }

  private settle(): void {
    this.kept = this.kept.filter((k) => !k.acked || awaitsReply(k));
  }
}
