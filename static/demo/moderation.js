import { byId, byTestId, element, setText } from './dom.js';
import { clockSeconds, plain } from './words.js';

/** How long what is done here holds. */
const FOR_MS = 60_000;
const SHOWN_MAX = 50;

const LABELS = { mute: 'Mute', kick: 'Take out', ban: 'Ban' };
const UNDO = { mute: 'unmute', ban: 'unban' };
const DONE = { mute: 'muted', unmute: 'unmuted', kick: 'taken out', ban: 'banned', unban: 'let in again' };

/** The buttons of a member. */
export function actions(name) {
  const button = ([action, label]) => element('button', { type: 'button', class: 'link-button', 'data-does': action, 'aria-label': `${label} ${name}` }, label);
  return element('span', { class: 'member-actions' }, ...Object.entries(LABELS).map(button));
}

/** What a moderator does to others, and what a person is told when it is done to them. */
export function mountModeration({ room, client, me, signal, note, announce, thrownOut }) {
  const failed = (error) => {
    note('error', `The hub refused: ${error.message} (${error.code})`);
    announce(`Refused: ${error.message}`);
  };
  const muted = mountMuted({ client, signal });
  if (me.moderator) mountDesk({ room, signal, failed });

  room.on('moderated', ({ action, user, by, until, reason }) => {
    const who = user === me.user ? 'You were' : `${user} was`;
    note('moderation', `${who} ${DONE[action] ?? action}${by ? ` by ${by}` : ''}`);
    if (user !== me.user) return;
    if (action === 'mute') muted(until, by, reason);
    else if (action === 'unmute') muted(null);
  });
  room.on('removed', ({ reason, until, returning }) => {
    if (returning) return;
    if (reason === 'banned') thrownOut(`You are banned from this room${until ? ` until ${clockSeconds(until)}` : ''}.`);
    else thrownOut(reason === 'kicked' ? 'A moderator took you out of the room. You may come back.' : `You are not in the room any more (${reason}).`);
  });
}

/** Why this person can't send, above the message box. */
function mountMuted({ client, signal }) {
  const line = byTestId('muted');
  let timer = null;

  function show(until, by, reason) {
    clearTimeout(timer);
    timer = null;
    line.dataset.muted = String(until !== null);
    if (until === null) return setText(line, '');
    const why = reason ? `: ${plain(reason, 200)}` : '';
    setText(line, `${by ? `${by} has muted you` : 'You are muted'}${until ? ` until ${clockSeconds(until)}` : ''}${why}. Others don’t get what you write.`);
    if (until) timer = setTimeout(() => show(null), Math.max(0, until - Date.now()));
  }

  client.on('status', ({ status, error }) => {
    // One who came later learns it by what is refused.
    if (status === 'failed' && error?.code === 'muted' && line.dataset.muted !== 'true' && !signal.aborted) show(error.retryAfterMs ? Date.now() + error.retryAfterMs : undefined);
  });
  signal.addEventListener('abort', () => show(null));
  show(null);
  return show;
}

function mountDesk({ room, signal, failed }) {
  const list = byTestId('moderated');
  const section = byId('moderated');

  byTestId('members').addEventListener('click', ({ target }) => {
    const action = target.closest('[data-does]')?.dataset.does;
    const user = target.closest('li')?.dataset.user;
    if (!action || !user) return;
    room.moderation[action](user, action === 'kick' ? {} : { forMs: FOR_MS }).catch(failed);
  }, { signal });
  list.addEventListener('click', ({ target }) => {
    const { undo, user } = target.closest('[data-undo]')?.dataset ?? {};
    if (undo) room.moderation[undo](user).catch(failed);
  }, { signal });

  let timer = null;
  async function refresh() {
    clearTimeout(timer);
    const users = await room.moderation.list().catch(() => []);
    if (signal.aborted) return;
    section.hidden = users.length === 0;
    list.replaceChildren(...users.slice(0, SHOWN_MAX).map(item));
    const next = Math.min(...users.map(({ until }) => until ?? Infinity));
    if (next !== Infinity) timer = setTimeout(refresh, Math.max(500, next - Date.now()));
  }

  room.on('moderated', refresh);
  room.on('join', refresh);
  signal.addEventListener('abort', () => {
    clearTimeout(timer);
    section.hidden = true;
    list.replaceChildren();
  });
}

function item({ user, action, until }) {
  const undo = UNDO[action];
  const label = undo === 'unmute' ? 'Unmute' : 'Let in';
  return element(
    'li',
    { 'data-user': user, 'data-action': action },
    element('span', {}, `${user}, ${DONE[action] ?? action}${until ? ` until ${clockSeconds(until)}` : ''}`),
    element('button', { type: 'button', class: 'link-button', 'data-undo': undo, 'data-user': user, 'aria-label': `${label} ${user}` }, label),
  );
}
