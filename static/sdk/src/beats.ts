import type { Clock } from './clock.js';

/** The pace of beats that is asked for, and that of a page that has been hidden for a while (ms). */
const SHOWN_MS = 2_500;
const HIDDEN_MS = 10_000;
const HIDDEN_AFTER_MS = 30_000;

/** The pace of beats that suits the page: what nobody looks at may take longer to notice that its link is dead. */
export class Beats {
  private hidden = false;
  private cancel: (() => void) | null = null;

  constructor(
    private readonly clock: Clock,
    /** Asks the hub for this pace, which asks the link for a sign of life besides. */
    private readonly want: (ms: number) => void,
  ) {}

  hide(hidden: boolean): void {
    this.stop();
    if (hidden) this.cancel = this.clock.after(HIDDEN_AFTER_MS, () => this.turn(true));
    else if (this.hidden) this.turn(false);
  }

  /** Asks the link for a sign of life now. */
  ask(): void {
    this.want(this.hidden ? HIDDEN_MS : SHOWN_MS);
  }

  stop(): void {
    this.cancel?.();
    this.cancel = null;
  }

  private turn(hidden: boolean): void {
    this.hidden = hidden;
    this.ask();
  }
}
