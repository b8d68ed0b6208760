import { byId, byTestId } from './dom.js';

/** While someone types, others hear of it this often (ms). */
const TELL_EVERY_MS = 1500;
/** A typist who falls silent is dropped after this time (ms). */
const FORGET_MS = 3500;
const SHOWN_MAX = 3;

/** The message box, and who else is typing (volatile events: dropped first, never stored). */
export function mountComposer({ room, client, me, signal, send }) {
  const form = byId('composer');
  const input = byTestId('message-input');
  let toldAt = 0;

  function tell(on) {
    const now = Date.now();
    if (client.state !== 'connected' || (on && now - toldAt < TELL_EVERY_MS) || (!on && toldAt === 0)) return;
    toldAt = on ? now : 0;
    room.volatile('typing', { on });
  }

  function submit() {
    const text = input.value.trim();
    if (text === '') return;
    input.value = '';
    grow(input);
    send(text);
    toldAt = 0;
  }

  form.addEventListener('submit', (event) => {
    event.preventDefault();
    submit();
    input.focus();
  }, { signal });
  input.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    submit();
  }, { signal });
  input.addEventListener('input', () => {
    grow(input);
    tell(input.value.trim() !== '');
  }, { signal });

  input.value = '';
  grow(input);
  mountTyping({ room, me, signal });
}

/** As tall as its text; CSS sets the limit. */
function grow(input) {
  input.style.height = 'auto';
  input.style.height = `${input.scrollHeight + input.offsetHeight - input.clientHeight}px`;
}

function mountTyping({ room, me, signal }) {
  const line = byTestId('typing');
  const typists = new Map();

  function render() {
    const names = [...typists.keys()];
    line.dataset.users = names.join(',');
    line.textContent = sentence(names);
  }

  function forget(user) {
    clearTimeout(typists.get(user));
    if (typists.delete(user)) render();
  }

  room.on('typing', ({ from, data }) => {
    const user = from?.user;
    if (!user || user === me.user) return;
    if (data?.on !== true) return forget(user);
    clearTimeout(typists.get(user));
    typists.set(user, setTimeout(() => forget(user), FORGET_MS));
    render();
  });
  room.on('chat', ({ from }) => forget(from?.user));
  signal.addEventListener('abort', () => {
    for (const timer of typists.values()) clearTimeout(timer);
    typists.clear();
    render();
  });
  render();
}

function sentence(names) {
  if (names.length === 0) return '';
  if (names.length > SHOWN_MAX) return `${names.length} people are typing…`;
  const list = names.length === 1 ? names[0] : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
  return `${list} ${names.length === 1 ? 'is' : 'are'} typing…`;
}
