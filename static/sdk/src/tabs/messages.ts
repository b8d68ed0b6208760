import type { BulkState } from '../bulk/bulk.js';
import type { Frame } from '../frame.js';
import type { Input, Snapshot } from '../session/types.js';
import type { ShareOp, Table } from './shares.js';

/** One tab's time of leading: later ones are greater, and no two are the same. */
export type Term = readonly [n: number, tab: string];

export function isLater(a: Term, b: Term): boolean {
  return a[0] > b[0] || (a[0] === b[0] && a[1] > b[1]);
}

export function isSame(a: Term, b: Term): boolean {
  return a[0] === b[0] && a[1] === b[1];
}

/** What happens to all tabs, in the leader's order. */
export interface Entry {
  /** When, by the clock that all tabs share (ms). */
  now: number;
  /** The follower that asked for it, and the number of its asking. */
  by?: readonly [tab: string, n: number];
  share?: ShareOp;
  inputs?: Input[];
  /** What the leader's connector said. */
  hook?: readonly [name: string, args: unknown[]];
  /** The session can't be resumed any more. */
  forget?: true;
  /** Another tab leads. */
  inherit?: true;
}

/** What a follower asks for; the leader makes an entry of it. */
export type Ask = { share: ShareOp } | { frame: Frame };

/** All that a tab needs to follow. */
export interface State {
  term: Term;
  at: number;
  machine: Snapshot;
  table: Table;
  welcome: Frame;
  /** How the session is carried; `null` while it isn't. */
  carrier: unknown;
  bulk: BulkState | null;
}

export type Message =
  /** I am here, and need the state. */
  | { k: 'in'; tab: string }
  | { k: 'state'; to: string; state: State }
  /** I lead from now on; the last leader's log was followed up to there. */
  | { k: 'lead'; term: Term; from: { term: Term; at: number } | null }
  | { k: 'log'; term: Term; at: number; entry: Entry }
  | { k: 'ask'; tab: string; n: number; ask: Ask }
  /** For what may be lost. */
  | { k: 'volatile'; frame: Frame }
  | { k: 'ping'; tab: string; visible: boolean }
  | { k: 'alive'; term: Term }
  /** Lead in my place. */
  | { k: 'yield'; to: string }
  | { k: 'call'; tab: string; id: string; name: 'moveTo' | 'killLink' | 'bulk'; arg: unknown }
  | { k: 'answer'; to: string; id: string; error: unknown; result: unknown }
  /** The leader's bulk session has come so far; perhaps by a message. */
  | { k: 'bulk'; state: BulkState; frame: Frame | null }
  /** Heard by whoever sent it: all that was sent before has been heard, too. */
  | { k: 'echo'; id: string };
