import { element, setText } from './dom.js';
import { clock, hue, initials, viaText } from './words.js';

const STATUS = { queued: 'Waiting for a link', sending: 'Sending', stored: 'Delivered', failed: 'Not sent' };

/** Messages of one person within this time share one heading. */
const GROUP_MS = 120_000;

/** A message as a list item with `data-id`, `data-from`, `data-status` (`queued|sending|stored|failed|received`), and `data-via` where it came from peer to peer. */
export function messageItem({ id, user, text, ts, own, status, via }) {
  const time = element('time', { datetime: new Date(ts).toISOString() }, clock(ts));
  const who = element('span', { class: 'who' }, own ? 'You' : user);
  const body = element('div', { class: 'bubble' }, element('p', { class: 'text', dir: 'auto' }, text));
  const item = element(
    'li',
    { class: own ? 'message own' : 'message', 'data-id': id, 'data-from': user, 'data-ts': ts, 'data-own': own },
    element('span', { class: `avatar hue-${hue(user)}`, 'aria-hidden': true }, initials(user)),
    element('div', { class: 'message-head' }, who, time),
    body,
  );
  if (via) {
    item.dataset.via = via;
    body.append(element('p', { class: 'way', 'data-via': via }, viaText(via)));
  }
  if (own) {
    const retry = element('button', { type: 'button', class: 'retry link-button' }, 'Try again');
    body.append(element('p', { class: 'status' }, element('span', { class: 'tick', 'aria-hidden': true }), element('span', { class: 'status-text' }), retry));
  }
  setStatus(item, status);
  return item;
}

/** Changes the delivery status; what is stored stays so. */
export function setStatus(item, status) {
  if (item.dataset.status === 'stored') return;
  item.dataset.status = status;
  const text = item.querySelector('.status-text');
  if (text) setText(text, STATUS[status] ?? status);
}

/** Hides the heading of a message that goes on from the one above. */
export function groupWithPrevious(item) {
  const previous = item.previousElementSibling;
  const same = previous && previous.dataset.from === item.dataset.from && Number(item.dataset.ts) - Number(previous.dataset.ts) < GROUP_MS;
  item.classList.toggle('follows', Boolean(same));
}
