/** A ping goes by this often (ms). */
const PING_EVERY_MS = 2_000;
/** A ping that has no answer for so long (ms) while nothing else comes says that the path is dead. */
const PATIENCE_MS = 2_500;
/** Who looks so much later than due (ms) can't tell what was missing meanwhile. */
const LATE_MS = 1_000;

/** What a direct path shows of itself: it counts as `up` once a ping has been answered, and as dead when one isn't. Calls no clock. */
export class Path {
  up = false;
  /** Round-trip time (ms). */
  rtt: number | null = null;
  private open = false;
  private pingAt = Infinity;
  /** The oldest ping that waits for its answer. */
  private asked: number | null = null;
  private heardAt = 0;

  /** There is a channel; it proves itself first. */
  opened(now: number): void {
    this.open = true;
    this.up = false;
    this.asked = null;
    this.pingAt = now;
  }

  closed(): void {
    this.open = this.up = false;
    this.asked = null;
    this.pingAt = Infinity;
  }

  /** It is doubted, by whoever knows: it has to prove itself again. */
  doubt(now: number): void {
    this.up = false;
    this.asked = null;
    if (this.open) this.pingAt = Math.min(this.pingAt, now);
  }

  heard(now: number): void {
    this.heardAt = now;
  }

  /** The answer to the ping that was sent at `t` came. */
  pong(now: number, t: unknown): void {
    if (typeof t !== 'number' || this.asked === null || t < this.asked || t > now) return;
    this.asked = null;
    this.rtt = now - t;
    this.up = true;
  }

  /** Whether a ping is due; it is taken as sent. */
  tick(now: number): boolean {
    const due = this.deadline();
    if (!this.open || now < due) return false;
    if (this.asked !== null && this.up) {
      if (now > due + LATE_MS) this.asked = this.heardAt = now;
      else if (now >= this.silentAt()) this.doubt(now);
    }
    if (now < this.pingAt) return false;
    this.asked ??= now;
    this.pingAt = now + PING_EVERY_MS;
    return true;
  }

  deadline(): number {
    return this.asked !== null && this.up ? Math.min(this.pingAt, this.silentAt()) : this.pingAt;
  }

  private silentAt(): number {
    return Math.max(this.asked ?? 0, this.heardAt) + PATIENCE_MS;
  }
}
