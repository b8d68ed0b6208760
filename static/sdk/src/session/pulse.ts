/** The least time that an answer is given (ms). */
const PATIENCE_MS = 2_000;
/** A round trip may take so many times as long as the last ones did. */
const ROUND_TRIPS = 4;
/** Links that die of silence within such a time of each other may have been given up wrongly (ms). */
const STEADY_MS = 60_000;
const DOUBLINGS_MAX = 4;
/** The slowest way up that is waited for: 256 kbit/s. */
const UP_BYTES_PER_MS = 32;
/** So much coming down while an answer is due is a backlog, which the answer may stand behind (bytes). */
const BACKLOG_BYTES = 64 * 1024;

/** How long answers are waited for, on whatever link. */
export class Patience {
  private rttMs = 0;
  private doublings = 0;
  /** When a link was last given up for its silence. */
  private diedAt: number | null = null;

  ms(heartbeatMs: number): number {
    const usual = Math.max(PATIENCE_MS, ROUND_TRIPS * this.rttMs) * 2 ** this.doublings;
    return Math.min(usual, Math.max(heartbeatMs, PATIENCE_MS));
  }

  /** A round trip was measured. Longer ones count at once, shorter ones by and by. */
  measured(ms: number): void {
    this.rttMs = Math.max(ms, Math.floor((3 * this.rttMs + ms) / 4));
  }

  died(now: number): void {
    const again = this.sinceDeath(now) < STEADY_MS;
    this.doublings = again ? Math.min(this.doublings + 1, DOUBLINGS_MAX) : 0;
    this.diedAt = now;
  }

  steady(now: number): void {
    if (this.sinceDeath(now) < STEADY_MS) return;
    this.doublings = 0;
    this.diedAt = null;
  }

  private sinceDeath(now: number): number {
    return this.diedAt === null ? Infinity : now - this.diedAt;
  }
}

/** A question that is not answered yet. */
interface Asked {
  at: number;
  /** By a beat, whose answer measures the round trip. */
  beat: boolean;
  /** What stands before it on its way up, as the time that it may take (ms). */
  behindMs: number;
  /** What came down since (bytes). */
  downBytes: number;
}

/** One link's signs of life. */
export class Pulse {
  private heardAt: number;
  /** When the way up was last known to live. */
  private confirmedAt: number;
  private asked: Asked | null = null;

  constructor(
    now: number,
    /** The pace of beats in force (ms); 0: none. */
    public beatMs: number,
  ) {
    this.heardAt = this.confirmedAt = now;
  }

  heard(now: number, bytes: number): void {
    this.heardAt = now;
    if (this.asked) this.asked.downBytes += bytes;
  }

  /** The way up lives. Returns the round trip, if a beat was asked for it. */
  confirmed(now: number, patience: Patience): number | null {
    const { asked } = this;
    patience.steady(now);
    this.confirmedAt = now;
    this.asked = null;
    return asked?.beat ? Math.max(0, now - asked.at) : null;
  }

  /** A question goes up, behind so many bytes that aren't acknowledged. An earlier one without an answer still counts. */
  ask(now: number, beat: boolean, unackedBytes: number, heartbeatMs: number): void {
    const behindMs = Math.min(Math.floor(unackedBytes / UP_BYTES_PER_MS), heartbeatMs);
    this.asked ??= { at: now, beat, behindMs, downBytes: 0 };
  }

  /** When `due` finds something. */
  deadline(heartbeatMs: number, patienceMs: number): number {
    const deadAt = this.deadAt(heartbeatMs, patienceMs);
    return this.beatMs === 0 || this.asked ? deadAt : Math.min(deadAt, this.confirmedAt + this.beatMs);
  }

  due(now: number, heartbeatMs: number, patience: Patience): 'nothing' | 'beat' | 'death' {
    const patienceMs = patience.ms(heartbeatMs);
    if (now >= this.deadAt(heartbeatMs, patienceMs)) {
      patience.died(now);
      return 'death';
    }
    return now >= this.deadline(heartbeatMs, patienceMs) ? 'beat' : 'nothing';
  }

  /** Nobody looked for a while, so the silence may be ours: only what follows is judged. The caller asks. */
  forgive(now: number, heartbeatMs: number, patienceMs: number): void {
    this.asked = null;
    this.heardAt = now;
    const left = Math.max(0, this.deadAt(heartbeatMs, patienceMs) - now);
    this.heardAt = Math.max(0, now - Math.max(0, left - patienceMs));
  }

  private deadAt(heartbeatMs: number, patienceMs: number): number {
    const silence = heartbeatMs + Math.floor(heartbeatMs / 2);
    if (this.beatMs === 0) return this.heardAt + silence;
    const down = this.heardAt + Math.min(silence, this.beatMs + patienceMs);
    if (!this.asked) return down;
    const { at, behindMs, downBytes } = this.asked;
    return Math.min(down, at + patienceMs + (downBytes >= BACKLOG_BYTES ? heartbeatMs : behindMs));
  }
}
