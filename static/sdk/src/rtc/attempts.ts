import type { Clock } from '../clock.js';

/** An attempt has so long to bring up a proven path (ms). */
const ATTEMPT_MS = 12_000;
/** So long lies between two attempts (ms), doubling with each that failed, and spread. */
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 120_000;
/** An attempt that is younger (ms) is what the peer asks for. */
const YOUNG_MS = 3_000;

/** When to try: at once where there was a path, or the network has changed, then with waits that grow to two minutes. */
export class Attempts {
  wanted = false;
  private up = false;
  private failed = 0;
  private triedAt = -Infinity;
  private cancel: (() => void) | null = null;

  constructor(
    private readonly clock: Clock,
    /** `restart`: there is a connection that may only need another path. */
    private readonly attempt: (restart: boolean) => void,
    private readonly fruitless: () => void,
  ) {}

  begin(): void {
    if (this.wanted) return;
    this.wanted = true;
    this.failed = 0;
    this.attemptNow(false);
  }

  stop(): void {
    this.wanted = this.up = false;
    this.cancel?.();
    this.cancel = null;
  }

  proven(): void {
    this.up = true;
    this.failed = 0;
    this.cancel?.();
    this.cancel = null;
  }

  /** There was a path, and it is dead. */
  lost(mendable: boolean): void {
    if (!this.wanted || !this.up) return;
    this.up = false;
    this.attemptNow(mendable);
  }

  /** What failed may work now. */
  hurry(mendable: boolean): void {
    if (!this.wanted) return;
    this.up = false;
    this.failed = 0;
    this.attemptNow(mendable);
  }

  /** The peer asks for an attempt. `false`: one is under way, and not `vain`. */
  again(restart: boolean, vain: boolean): boolean {
    if (!this.wanted || (!this.up && !vain && this.clock.now() < this.triedAt + YOUNG_MS)) return false;
    this.up = false;
    this.attemptNow(restart);
    return true;
  }

  /** The peer makes one. */
  offered(): void {
    this.wanted = true;
    this.up = false;
    this.triedAt = this.clock.now();
    this.watch();
  }

  private attemptNow(restart: boolean): void {
    this.triedAt = this.clock.now();
    this.watch();
    this.attempt(restart);
  }

  private watch(): void {
    const wait = Math.min(FIRST_WAIT_MS * 2 ** Math.min(this.failed, 20), LONGEST_WAIT_MS) * (0.5 + this.clock.random());
    this.failed += 1;
    this.cancel?.();
    this.cancel = this.clock.after(ATTEMPT_MS + wait, () => {
      this.cancel = null;
      this.fruitless();
      if (this.wanted) this.attemptNow(false);
    });
  }
}
