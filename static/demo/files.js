import { byTestId, element, setText } from './dom.js';
import { bytesText, plain, viaText } from './words.js';
import { mountVoice } from './voice.js';

const SHOWN_MAX = 12;
/** Voice messages up to this size come without a question. */
const VOICE_BYTES_MAX = 2 << 20;
const STATES = { offered: 'waits for an answer', active: '', waiting: 'interrupted, goes on later', done: 'complete', failed: 'failed' };

/** Files to everybody in the room, and from them: offers, progress, and what came. */
export function mountFiles({ room, signal, note }) {
  const { files } = room;
  const list = byTestId('files');
  const input = byTestId('file-input');
  list.replaceChildren();

  function add(transfer, own) {
    const item = itemOf(transfer, own);
    const bar = item.querySelector('progress');
    const render = () => {
      if (signal.aborted) return;
      const { state, bytes, size, via, error } = transfer;
      Object.assign(item.dataset, { state, via, bytes });
      bar.value = size === 0 ? Number(state === 'done') : bytes / size;
      bar.hidden = state === 'done' || state === 'failed';
      const share = size === 0 ? 100 : Math.floor((100 * bytes) / size);
      const text = state === 'active' ? `${share} %, ${viaText(via)}` : state === 'failed' ? error.message : STATES[state];
      setText(item.querySelector('.file-state'), text);
      for (const button of item.querySelectorAll('[data-when]')) button.hidden = !button.dataset.when.split(' ').includes(state);
    };
    for (const event of ['progress', 'path', 'state']) transfer.on(event, render);
    transfer.on('state', ({ state }) => {
      if (state === 'done' || state === 'failed') note(state === 'done' ? 'file' : 'error', `${transfer.name}: ${item.querySelector('.file-state').textContent}`);
    });
    const does = (action, fn) => item.querySelector(`[data-does="${action}"]`)?.addEventListener('click', fn);
    does('accept', () => accept(transfer, item));
    does('decline', () => transfer.decline());
    does('cancel', () => transfer.cancel());
    does('dismiss', () => remove(item));
    list.append(item);
    for (const old of [...list.querySelectorAll('[data-state="done"], [data-state="failed"]')].slice(0, Math.max(0, list.children.length - SHOWN_MAX))) remove(old);
    render();
    return item;
  }

  function remove(item) {
    const url = item.querySelector('[href^="blob:"]')?.href;
    if (url) URL.revokeObjectURL(url);
    item.remove();
  }

  async function accept(offer, item) {
    item.querySelector('[data-does="accept"]').disabled = true;
    try {
      const file = await offer.accept();
      if (!signal.aborted) give(item, file);
    } catch {
      // The state says it.
    }
  }

  async function send(file, more = {}) {
    try {
      const uploads = await files.send(file, more);
      if (signal.aborted) return;
      if (uploads.length === 0) note('file', 'Nobody else is here to send it to');
      for (const upload of uploads) {
        const item = add(upload, true);
        if (isAudio(file.type)) give(item, file);
      }
    } catch (error) {
      note('error', `File not sent: ${error.message} (${error.code})`);
    }
  }

  files.on('offer', (offer) => {
    if (signal.aborted) return;
    const item = add(offer, false);
    if (isAudio(offer.type) && offer.size <= VOICE_BYTES_MAX) void accept(offer, item);
    else note('file', `${offer.peer.user} offers ${plain(offer.name, 80)}`);
  });
  byTestId('file-button').addEventListener('click', () => input.click(), { signal });
  input.addEventListener('change', () => {
    for (const file of input.files) void send(file);
    input.value = '';
  }, { signal });
  mountVoice({ signal, note, send });
  signal.addEventListener('abort', () => [...list.children].forEach(remove));
}

const isAudio = (type) => type.startsWith('audio/');

/** Shows a file that is here: to be saved, or to be heard. */
function give(item, file) {
  const url = URL.createObjectURL(file);
  const body = item.querySelector('.file-body');
  if (isAudio(file.type)) body.append(element('audio', { src: url, controls: true, preload: 'metadata' }));
  body.append(element('a', { class: 'link-button', href: url, download: plain(file.name, 80) || 'file' }, 'Save'));
}

function itemOf(transfer, own) {
  const name = plain(transfer.name, 80) || 'file';
  const button = (does, when, text, look = '') => element('button', { type: 'button', class: `button small ${look}`, 'data-does': does, 'data-when': when }, text);
  const buttons = own
    ? [button('cancel', 'offered active waiting', 'Cancel')]
    : [button('accept', 'offered', 'Accept', 'primary'), button('decline', 'offered', 'Decline'), button('cancel', 'active waiting', 'Cancel')];
  return element(
    'li',
    { class: 'file', 'data-own': own, 'data-name': name, 'data-user': transfer.peer.user },
    element(
      'div',
      { class: 'file-body' },
      element('p', { class: 'file-name' }, element('strong', {}, name), ` ${bytesText(transfer.size)}, ${own ? 'to' : 'from'} ${transfer.peer.user}`),
      element('progress', { max: 1, value: 0, 'aria-label': name }),
      element('p', { class: 'file-state hint' }),
    ),
    element('div', { class: 'file-buttons' }, ...buttons, button('dismiss', 'done failed', 'Close', 'quiet')),
  );
}
