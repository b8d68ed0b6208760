/** Ways there and back that are kept, the newest. */
const KEPT = 256;

/** How long messages took. */
export class Latencies {
  private readonly kept: number[] = [];
  private count = 0;

  /** Begins a measurement, which the returned function ends. */
  begin(): () => void {
    const began = performance.now();
    return () => {
      this.kept[this.count++ % KEPT] = performance.now() - began;
    };
  }

  /** In ms; `null` where nothing was measured. */
  median(): number | null {
    const sorted = [...this.kept].sort((a, b) => a - b);
    return sorted[Math.floor(sorted.length / 2)] ?? null;
  }
}
