import type { Core } from '../core.js';

/** Where tabs share a session, one of them is its peer in a room: the one that came last. */
export class Seat {
  private release: (() => void) | null = null;

  constructor(
    private readonly core: Core,
    private readonly room: string,
    private readonly lost: () => void,
  ) {}

  /** Takes the seat from whichever tab has it. */
  async take(): Promise<void> {
    const { core } = this;
    if (!core.tie || this.release) return;
    await new Promise<void>((taken) => {
      const held = new Promise<void>((release) => (this.release = release));
      navigator.locks
        .request(`crosspoint peers ${core.session} ${this.room}`, { steal: true }, () => (taken(), held))
        .catch(() => {
          this.release = null;
          taken();
          this.lost();
        });
    });
  }

  leave(): void {
    this.release?.();
    this.release = null;
  }
}
