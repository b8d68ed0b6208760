import { byId, byTestId } from './dom.js';
import { groupWithPrevious, messageItem, setStatus } from './message.js';
import { plain } from './words.js';

/** Messages kept on the page. */
const MESSAGES_MAX = 300;
const TEXT_MAX = 2000;
/** Still at the end if no more than this many pixels are below. */
const NEAR_END_PX = 80;

/** Shows the room's messages, own ones at once and with their delivery status. Returns `send(text)`. */
export function mountChat({ room, me, signal, note }) {
  const list = byTestId('messages');
  const scroller = byId('scroller');
  const toLatest = byId('to-latest');
  const items = new Map();
  let atEnd = true;
  list.replaceChildren();
  byId('chat-empty').hidden = false;
  toLatest.hidden = true;

  function toEnd() {
    scroller.scrollTop = scroller.scrollHeight;
    atEnd = true;
    toLatest.hidden = true;
  }

  /** Confirmed messages stand in the hub's order, own unconfirmed ones below them. */
  function place(item) {
    const pending = 'pending' in item.dataset;
    const before = pending ? null : [...list.querySelectorAll(':scope > [data-pending]')].find((li) => li !== item) ?? null;
    const left = item.nextElementSibling;
    if (item.parentNode !== list || left !== before) list.insertBefore(item, before);
    for (const li of new Set([item, item.nextElementSibling, left])) if (li) groupWithPrevious(li);
    byId('chat-empty').hidden = true;
    while (list.children.length > MESSAGES_MAX) {
      items.delete(list.firstElementChild.dataset.key);
      list.firstElementChild.remove();
    }
    if (atEnd) toEnd();
  }

  function add(message) {
    const item = messageItem(message);
    item.dataset.key = `${message.user}|${message.id}`;
    items.set(item.dataset.key, item);
    return item;
  }

  room.on('chat', (event) => {
    const user = plain(event.from?.user, 64) || 'backend';
    const known = items.get(`${user}|${event.id}`);
    if (known) {
      setStatus(known, 'stored');
      delete known.dataset.pending;
      place(known);
      return;
    }
    const own = user === me.user;
    const text = plain(typeof event.data === 'string' ? event.data : event.data?.text, TEXT_MAX);
    place(add({ id: event.id, user, text, ts: event.ts, own, status: own ? 'stored' : 'received' }));
    if (!atEnd) toLatest.hidden = false;
  });

  function follow(publish, item) {
    const show = () => setStatus(item, publish.status);
    show();
    publish.onStatus(show);
    publish.then(show, (error) => {
      if (signal.aborted) return;
      setStatus(item, 'failed');
      note('error', `Message not sent: ${error.message} (${error.code ?? 'error'})`);
    });
  }

  function send(text) {
    const publish = room.publish('chat', { text });
    const item = add({ id: publish.id, user: me.user, text, ts: Date.now(), own: true, status: 'queued' });
    item.dataset.pending = '';
    item.querySelector('.retry').addEventListener('click', () => follow(room.publish('chat', { text }, { id: publish.id }), item));
    place(item);
    toEnd();
    follow(publish, item);
  }

  toLatest.addEventListener('click', () => {
    toEnd();
    byTestId('message-input').focus();
  }, { signal });
  scroller.addEventListener('scroll', () => {
    atEnd = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < NEAR_END_PX;
    if (atEnd) toLatest.hidden = true;
  }, { signal, passive: true });
  const resized = new ResizeObserver(() => {
    if (atEnd) toEnd();
  });
  resized.observe(scroller);
  signal.addEventListener('abort', () => resized.disconnect());
  return send;
}
