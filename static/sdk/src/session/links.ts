import { Pulse } from './pulse.js';
import type { LinkId } from './types.js';

export interface Link {
  /** The number of the next counted frame from the hub; `null` before the welcome. */
  nextDown: number | null;
  pulse: Pulse;
  sentAt: number;
  helloAt: number;
}

/** Where the links of a machine are in their counts. */
export interface Counting {
  current: LinkId | null;
  asked: LinkId | null;
  next: [LinkId, number | null][];
}

/** A client's links: which carries the session, and which was asked to. */
export class Links {
  private readonly links = new Map<LinkId, Link>();
  current: LinkId | null = null;
  /** The link that the newest hello went to. */
  asked: LinkId | null = null;

  greet(id: LinkId, now: number): void {
    this.links.set(id, { nextDown: null, pulse: new Pulse(now, 0), sentAt: now, helloAt: now });
    this.asked = id;
  }

  snapshot(): Counting {
    const { current, asked } = this;
    return { current, asked, next: this.sorted().map(([id, l]) => [id, l.nextDown]) };
  }

  adopt(now: number, { current, asked, next }: Counting): void {
    this.links.clear();
    for (const [id, nextDown] of next) {
      this.greet(id, now);
      this.links.get(id)!.nextDown = nextDown;
    }
    Object.assign(this, { current, asked });
  }

  get(id: LinkId): Link | undefined {
    return this.links.get(id);
  }

  /** The link that carries the session. */
  carrier(): [LinkId, Link] | null {
    const link = this.current === null ? undefined : this.links.get(this.current);
    return this.current !== null && link ? [this.current, link] : null;
  }

  closed(id: LinkId): void {
    this.links.delete(id);
    if (this.current === id) this.current = null;
    if (this.asked === id) this.asked = null;
  }

  sorted(): [LinkId, Link][] {
    return [...this.links].sort(([a], [b]) => a - b);
  }
}
