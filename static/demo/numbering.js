/**
 * Checks that numbered messages of one sender arrive 1, 2, 3 …: what is missing is lost, what comes again is
 * doubled, what comes after a later number is swapped (and no longer lost). Pure; no DOM, no clock.
 */

/** Holes kept per sender. Beyond it the oldest hole stays counted as lost and can't be filled any more. */
export const HOLES_MAX = 1000;

export class Numbering {
  /** The first number seen: a page that joins in the middle can't know what came before. */
  first = null;
  last = null;
  received = 0;
  lost = 0;
  doubled = 0;
  swapped = 0;
  #holes = [];

  /** Takes one number. Returns `'ok' | 'lost' | 'doubled' | 'swapped'`, or `null` if it isn't a number ≥ 1. */
  take(n) {
    if (!Number.isSafeInteger(n) || n < 1) return null;
    this.received += 1;
    if (this.last === null) {
      this.first = n;
      this.last = n;
      return 'ok';
    }
    if (n > this.last) return this.#ahead(n);
    const index = this.#holes.findIndex(([from, to]) => n >= from && n <= to);
    if (index < 0) {
      this.doubled += 1;
      return 'doubled';
    }
    this.#fill(index, n);
    this.lost -= 1;
    this.swapped += 1;
    return 'swapped';
  }

  #ahead(n) {
    const missing = n - this.last - 1;
    if (missing > 0) {
      this.lost += missing;
      this.#holes.push([this.last + 1, n - 1]);
      if (this.#holes.length > HOLES_MAX) this.#holes.shift();
    }
    this.last = n;
    return missing > 0 ? 'lost' : 'ok';
  }

  #fill(index, n) {
    const [from, to] = this.#holes[index];
    const rest = [];
    if (from < n) rest.push([from, n - 1]);
    if (n < to) rest.push([n + 1, to]);
    this.#holes.splice(index, 1, ...rest);
  }
}
