import type { CrosspointError } from '../codes.js';
import { frameOf, type Frame } from '../frame.js';
import { formatPosition, parsePosition, type Position } from '../session/position.js';
import type { JoinResult, Member } from '../types.js';
import type { Seat } from './seat.js';

const PAGE_EVENTS = 1_000;

export interface Page {
  events?: unknown[];
  position?: string;
  complete?: boolean;
}

/** Sends a frame; resolves with the reply, which `done` sees before any later frame is read. */
export type Ask = <T>(frame: Frame, done: (data: T) => void) => Promise<T>;

export interface Entered {
  result: JoinResult;
  position: Position | null;
  /** What the application sees first: what it asked for of the past. */
  past: Frame[];
}

/** Finds out what a join of its own would have told a tab, in a room that the session is in already. `joined` is the reply to the
 * session's join where this tab caused it. `at`: where the tab had been. `entered` is called before any later frame is read. */
export async function enter(seat: Seat, joined: JoinResult | null, at: Position | null, ask: Ask, entered: (entered: Entered) => void): Promise<void> {
  const { room, data } = seat;
  const { state, presence } = data;
  const since = at ?? parsePosition(data.since);
  const wantsPast = since !== null || data.history !== undefined;
  const noPast: Entered = { result: { ...joined, ...(joined ? {} : { room }) }, position: parsePosition(joined?.position), past: [] };
  if (!joined && state !== undefined) await ask({ type: 'hub:state', room, data: state }, () => {});
  if (joined && !wantsPast) return entered(noPast);
  const last = !joined && presence === true;
  let found = noPast;
  await past(seat, since, ask, (read) => {
    if (read) found = { ...read, result: { ...noPast.result, ...read.result } };
    if (!last) entered(found);
  });
  if (!last) return;
  await ask<{ members?: Member[] }>({ type: 'hub:presence', room }, ({ members = [] }) => {
    seat.forgetPresence();
    entered({ ...found, result: { ...found.result, members } });
  });
}

/** Reads what a seat wants of the room's history; `null` where the room has none. `done` is called before any later frame is read. */
async function past(seat: Seat, since: Position | null, ask: Ask, done: (read: Entered | null) => void): Promise<void> {
  const { room, data } = seat;
  const events: Frame[] = [];
  let from = since;
  let head: Position | null = null;
  let complete = true;
  let over = false;
  const read = (page: Page) => {
    head ??= parsePosition(page.position);
    if (events.length === 0 && page.complete === false) complete = false;
    const frames = (page.events ?? []).map(frameOf).filter((frame): frame is Frame => frame !== null);
    events.push(...frames);
    const last = frames.at(-1);
    if (last && head) from = { epoch: head.epoch, offset: last.offset ?? 0, id: last.id ?? '' };
    over = since === null || !last || !head || last.offset! >= head.offset;
    if (!over) return;
    done(inAll(seat, since, head, events, complete));
  };
  while (!over) {
    const query = from ? { since: formatPosition(from), limit: PAGE_EVENTS } : { limit: Math.min(data.history ?? 0, PAGE_EVENTS) };
    try {
      await ask<Page>({ type: 'hub:history', room, data: query }, read);
    } catch (error) {
      if ((error as CrosspointError).code !== 'bad_request') throw error;
      over = true;
      done(null);
    }
  }
}

function inAll(seat: Seat, since: Position | null, head: Position | null, past: Frame[], complete: boolean): Entered {
  const { room } = seat;
  const result: JoinResult = head ? { position: formatPosition(head) } : {};
  if (since) result.recovered = complete;
  if (since && !complete) past = [{ type: 'hub:gap', room, data: { reason: 'history_lost' } }, ...past];
  const first = past.find(({ offset }) => offset !== undefined);
  const start = first && head ? { epoch: head.epoch, offset: first.offset! - 1, id: '' } : head;
  return { result, position: since && complete ? since : start, past };
}
