import { byTestId, element, every, setText, throttled } from './dom.js';
import { Numbering } from './numbering.js';
import { hue, initials, plain } from './words.js';

const SENDERS_MAX = 50;
/** Rows on the page; the check goes on for senders without one. */
const ROWS_MAX = 8;
const RENDER_MS = 100;
const FAULTS = ['lost', 'doubled', 'swapped'];

/** Checks the numbers of every sender, and shows one row for each and the sums over all. */
export function mountSenders({ room, me, signal, onReceived }) {
  const list = byTestId('stream-senders');
  const reset = byTestId('stream-reset');
  const senders = new Map();
  let dropped = zero();

  const render = throttled(() => {
    const sum = { ...dropped };
    for (const { numbering } of senders.values()) for (const name of Object.keys(sum)) sum[name] += numbering[name];
    for (const name of Object.keys(sum)) {
      const cell = byTestId(`stream-${name}`);
      setText(cell, sum[name]);
      cell.parentElement.toggleAttribute('data-raised', sum[name] > 0);
    }
    const recent = [...senders.values()].slice(-ROWS_MAX);
    list.replaceChildren(...recent.map((sender) => updateRow(sender)));
    reset.hidden = sum.received === 0;
  }, RENDER_MS, signal);

  function senderOf(user, run) {
    const key = `${user}|${run}`;
    let sender = senders.get(key);
    if (!sender) {
      sender = { numbering: new Numbering(), user, rate: 0, before: 0, row: senderRow(user, me) };
      senders.set(key, sender);
      if (senders.size > SENDERS_MAX) forgetOldest();
    }
    return sender;
  }

  function forgetOldest() {
    const [key, { numbering }] = senders.entries().next().value;
    for (const name of Object.keys(dropped)) dropped[name] += numbering[name];
    senders.delete(key);
  }

  room.on('number', ({ from, data }) => {
    const user = plain(from?.user, 64) || 'backend';
    if (senderOf(user, plain(data?.run, 32)).numbering.take(data?.n) !== null) onReceived();
    render();
  });
  every(1000, () => {
    for (const sender of senders.values()) {
      sender.rate = sender.numbering.received - sender.before;
      sender.before = sender.numbering.received;
    }
    if (senders.size > 0) render();
  }, signal);
  reset.addEventListener('click', () => {
    senders.clear();
    dropped = zero();
    byTestId('stream-toggle').focus();
    render();
  }, { signal });
  list.replaceChildren();
  render();
}

const zero = () => ({ received: 0, lost: 0, doubled: 0, swapped: 0 });

function senderRow(user, me) {
  return element(
    'li',
    { class: 'sender', 'data-user': user },
    element('span', { class: `avatar small hue-${hue(user)}`, 'aria-hidden': true }, initials(user)),
    element('span', { class: 'name' }, user === me.user ? 'You' : user),
    element('span', { class: 'sender-rate' }),
    element('span', { class: 'sender-last' }),
    element('span', { class: 'sender-verdict' }),
  );
}

function updateRow({ row, numbering, rate }) {
  for (const name of ['first', 'last', 'received', ...FAULTS]) row.dataset[name] = numbering[name] ?? '';
  const faults = FAULTS.filter((name) => numbering[name] > 0);
  row.toggleAttribute('data-faulty', faults.length > 0);
  setText(row.querySelector('.sender-rate'), rate > 0 ? `${rate}/s` : 'idle');
  setText(row.querySelector('.sender-last'), `#${numbering.last ?? 0}`);
  setText(row.querySelector('.sender-verdict'), faults.length === 0 ? 'complete' : faults.map((name) => `${numbering[name]} ${name}`).join(', '));
  return row;
}
