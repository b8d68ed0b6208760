import { byId, byTestId } from './dom.js';
import { groupWithPrevious, messageItem, setStatus } from './message.js';
import { plain } from './words.js';

/** Messages kept on the page. */
const MESSAGES_MAX = 300;
const TEXT_MAX = 2000;
/** Still at the end if no more than this many pixels are below. */
const NEAR_END_PX = 80;

/** Shows the room's messages, own ones at once and with their delivery status. Returns `send(text)`, and `show(message)` for those that come another way. */
export function mountChat({ client, room, me, signal, note }) {
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

  function addOwn({ id, text, ts, status }) {
    const item = add({ id, user: me.user, text, ts, own: true, status });
    item.dataset.pending = '';
    item.querySelector('.retry').addEventListener('click', () => setStatus(item, room.publish('chat', { text }, { id }).status));
    place(item);
  }

  /** A message that was written before a reload and is still to be sent. */
  function findAgain(wanted) {
    const queued = client.queue.list().find(({ id, room: name, type }) => id === wanted && name === room.name && type === 'chat');
    if (queued) addOwn({ id: wanted, text: plain(queued.data?.text, TEXT_MAX), ts: queued.since, status: queued.status });
  }

  client.on('status', ({ id, status, error }) => {
    if (signal.aborted) return;
    const item = items.get(`${me.user}|${id}`);
    if (!item) return findAgain(id);
    setStatus(item, status);
    if (error) notSent(error);
  });

  const notSent = (error) => note('error', `Message not sent: ${error.message} (${error.code})`);

  function send(text) {
    const publish = room.publish('chat', { text });
    const { id, status } = publish;
    if (!items.has(`${me.user}|${id}`)) addOwn({ id, text, ts: Date.now(), status });
    if (status === 'failed') publish.catch(notSent);
    toEnd();
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

  function show(message) {
    const item = add(message);
    place(item);
    if (message.own) toEnd();
    else if (!atEnd) toLatest.hidden = false;
    return item;
  }

  return { send, show, setStatus };
}
