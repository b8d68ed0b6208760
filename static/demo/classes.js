import { byTestId, every, setText } from './dom.js';

const REFRESH_MS = 250;
const CLASSES = ['reliable', 'bulk', 'datagram', 'volatile', 'link'];
const LINK_TYPES = new Set(['hello', 'welcome', 'ping', 'pong', 'ack', 'move', 'close', 'bye', 'report'].map((name) => `hub:${name}`));

/** Counts the frames of each delivery class, both ways: what is reliable, what went by the bulk session, what went as a datagram, what was volatile but took
 * the ordered way because the transport has no other, and what only the link is about. */
export function mountClasses({ client, signal }) {
  const counts = { in: new Map(), out: new Map() };
  client.on('frame', ({ direction, frame, via }) => {
    const name = classOf(frame, via);
    counts[direction].set(name, (counts[direction].get(name) ?? 0) + 1);
  });
  const render = () => {
    for (const name of CLASSES) {
      for (const direction of ['in', 'out']) {
        const count = counts[direction].get(name) ?? 0;
        const cell = byTestId(`class-${name}-${direction}`);
        setText(cell, count);
        cell.closest('tr').toggleAttribute('data-raised', (counts.in.get(name) ?? 0) + (counts.out.get(name) ?? 0) > 0);
      }
    }
  };
  every(REFRESH_MS, render, signal);
  render();
}

function classOf(frame, via) {
  if (LINK_TYPES.has(frame.type)) return 'link';
  if (via === 'bulk') return 'bulk';
  if (frame.volatile === undefined) return 'reliable';
  return via === 'datagram' ? 'datagram' : 'volatile';
}
