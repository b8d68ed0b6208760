import { byId, element, setText } from './dom.js';
import { hue, plain } from './words.js';

/** Others hear of a moving pointer this often (ms): twenty a second. */
const TELL_EVERY_MS = 50;
/** A pointer that rests is forgotten after this time (ms). */
const FORGET_MS = 4000;
const SHOWN_MAX = 24;

/** Where the others point in the chat: volatile events, of which only the newest matters and any may be lost. */
export function mountCursors({ room, client, me, signal }) {
  const surface = byId('scroller').parentElement;
  const layer = byId('cursors');
  const cursors = new Map();
  layer.replaceChildren();
  let latest = null;
  let timer = null;
  let gone = true;

  function tell() {
    timer = null;
    if (latest === null || client.state !== 'connected' || signal.aborted) return;
    room.volatile('cursor', latest, 'cursor');
    latest = null;
    timer = setTimeout(tell, TELL_EVERY_MS);
  }

  function point(at) {
    latest = at;
    if (timer === null) tell();
  }

  surface.addEventListener('pointermove', (event) => {
    if (event.pointerType === 'touch') return;
    const box = surface.getBoundingClientRect();
    if (box.width === 0 || box.height === 0) return;
    gone = false;
    point({ x: share(event.clientX - box.left, box.width), y: share(event.clientY - box.top, box.height) });
  }, { signal, passive: true });
  surface.addEventListener('pointerleave', () => {
    if (!gone) point({ gone: true });
    gone = true;
  }, { signal });

  function forget(user) {
    const cursor = cursors.get(user);
    if (!cursor) return;
    clearTimeout(cursor.timer);
    cursor.node.remove();
    cursors.delete(user);
    count();
  }

  function count() {
    layer.dataset.users = [...cursors.keys()].join(',');
  }

  room.on('cursor', ({ from, data }) => {
    const user = plain(from?.user, 64);
    if (!user || user === me.user || signal.aborted) return;
    const { x, y } = data ?? {};
    if (!inside(x) || !inside(y)) return forget(user);
    let cursor = cursors.get(user);
    if (!cursor) {
      if (cursors.size >= SHOWN_MAX) return;
      const name = element('span', { class: 'cursor-name' });
      setText(name, user);
      cursor = { node: element('div', { class: `cursor hue-${hue(user)}`, 'data-user': user }, name), timer: null };
      cursors.set(user, cursor);
      layer.append(cursor.node);
      count();
    }
    cursor.node.style.left = `${x * 100}%`;
    cursor.node.style.top = `${y * 100}%`;
    clearTimeout(cursor.timer);
    cursor.timer = setTimeout(() => forget(user), FORGET_MS);
  });
  room.on('presence', ({ leave }) => {
    for (const user of leave ?? []) forget(typeof user === 'string' ? user : user?.user);
  });
  signal.addEventListener('abort', () => {
    clearTimeout(timer);
    for (const user of [...cursors.keys()]) forget(user);
  });
  count();
}

/** A part of a length, to a thousandth: more would be noise on the wire. */
function share(part, whole) {
  return Math.round((part / whole) * 1000) / 1000;
}

function inside(value) {
  return typeof value === 'number' && value >= 0 && value <= 1;
}
