import type { Clock } from '../clock.js';

/** When to come again where the hub doesn't say (ms); and the part by which it is later, so that not all come at the same moment. */
const AGAIN_MS = 3_000;
const SPREAD = 0.1;
/** Who was refused as too fast goes one by one for so long (ms): refusals are counted by the hub, and many of them end the session. */
const CAREFUL_MS = 600_000;
/** So long after a refusal it is tried whether twice as fast will do (ms). */
const EASE_MS = 30_000;

/** Lets through what the hub has refused as too fast: one after the other, as slowly as the refusals say. */
export class Turnstile<T> {
  private waiting: T[] = [];
  /** It alone is under way. */
  private turn: T | null = null;
  private cancel: (() => void) | null = null;
  private wentAt = 0;
  /** When the last one went that was taken. */
  private takenAt = Infinity;
  /** Between two that go (ms), as long as there are some. */
  private gap = 0;
  private limitedAt = -Infinity;
  private easedAt = 0;
  blocked = false;

  constructor(
    private readonly clock: Clock,
    private readonly go: (one: T) => void,
    private readonly order: (a: T, b: T) => number = () => 0,
  ) {}

  /** Nothing waits, and nothing has to. */
  get open(): boolean {
    return !this.blocked && !this.cancel && this.turn === null && this.waiting.length === 0 && this.clock.now() - this.limitedAt > CAREFUL_MS;
  }

  /** How long what was refused has to wait (ms). */
  waitOf(afterMs = AGAIN_MS): number {
    return Math.max(1, afterMs * (1 + this.clock.random() * SPREAD));
  }

  /** It was refused: all wait for so long (ms). */
  limited(one: T, ms: number): void {
    const now = this.clock.now();
    if (this.turn === one) this.gap = Math.max(0, now - this.takenAt) + ms;
    this.limitedAt = this.easedAt = now;
    this.add(one);
    this.later(ms);
  }

  /** It has to wait. */
  holds(one: T): boolean {
    return this.turn !== one && !this.open;
  }

  /** It waits, and may go at once. */
  take(one: T): void {
    this.add(one);
    this.pass();
  }

  /** It was answered, or given up. */
  remove(one: T): void {
    this.waiting = this.waiting.filter((other) => other !== one);
    if (this.turn === one) {
      this.turn = null;
      this.takenAt = this.wentAt;
      const now = this.clock.now();
      if (now - this.easedAt > EASE_MS) {
        this.gap /= 2;
        this.easedAt = now;
      }
    }
    this.pass();
  }

  pass(): void {
    if (this.blocked || this.cancel || this.turn !== null) return;
    if (this.waiting.length === 0) {
      this.gap = 0;
      this.takenAt = Infinity;
      return;
    }
    const now = this.clock.now();
    const early = this.takenAt + this.gap - now;
    if (early > 0 && early < Infinity) return this.later(early);
    this.wentAt = now;
    this.turn = this.waiting.shift()!;
    this.go(this.turn);
  }

  /** Lets go of what waits; returns it. */
  close(): T[] {
    this.cancel?.();
    this.cancel = null;
    return this.waiting.splice(0);
  }

  private add(one: T): void {
    if (this.turn === one) this.turn = null;
    this.waiting.push(one);
    this.waiting.sort(this.order);
  }

  private later(ms: number): void {
    this.cancel?.();
    this.cancel = this.clock.after(ms, () => {
      this.cancel = null;
      this.pass();
    });
  }
}
