import type { LinkId } from './types.js';

export interface Link {
  /** The number of the next counted frame from the hub; `null` before the welcome. */
  nextDown: number | null;
  heardAt: number;
  sentAt: number;
  helloAt: number;
}

/** A client's links: which carries the session, and which was asked to. */
export class Links {
  private readonly links = new Map<LinkId, Link>();
  current: LinkId | null = null;
  /** The link that the newest hello went to. */
  asked: LinkId | null = null;

  greet(id: LinkId, now: number): void {
    this.links.set(id, { nextDown: null, heardAt: now, sentAt: now, helloAt: now });
    this.asked = id;
  }

  get(id: LinkId): Link | undefined {
    return this.links.get(id);
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
