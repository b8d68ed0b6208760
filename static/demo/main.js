import { connect } from '/sdk/crosspoint.js';
import { mountCalls } from './calls.js';
import { mountChat } from './chat.js';
import { mountClasses } from './classes.js';
import { mountComposer } from './composer.js';
import { mountCursors } from './cursors.js';
import { byId, byTestId, setText, stored } from './dom.js';
import { mountFiles } from './files.js';
import { logClient, mountLog } from './log.js';
import { mountPeers } from './peers.js';
import { mountPeople, shareLink } from './people.js';
import { mountModeration } from './moderation.js';
import { mountInvite, mountTabs, mountTheme, roomUrl, showRoom } from './shell.js';
import { mountStream } from './stream.js';
import { mountTimeline } from './timeline.js';
import { mountTransfer } from './transfer.js';
import { mountTransports } from './transports.js';

const HISTORY = 50;
const PATIENCE_MS = 3000;

const form = byId('join-form');
const lastName = stored('localStorage', 'crosspoint.name');
const lastRoom = stored('localStorage', 'crosspoint.room');
/** Survives a reload of this tab, so that a reload comes back into the room. */
const inside = stored('sessionStorage', 'crosspoint.inside');

let visit = null;

const announce = (text) => setText(byId('announcer'), text);

async function enter(name, roomName, moderator) {
  if (visit) return;
  const leaving = new AbortController();
  const { signal } = leaving;
  const client = connect(location.origin, { user: name, info: moderator ? { name, moderator } : { name }, offline: { store: 'indexeddb' } });
  visit = { client, leaving };
  busy(true);
  say('');
  const patience = setTimeout(() => say('The hub doesn’t answer yet, still trying…'), PATIENCE_MS);
  try {
    const rooms = mount({ client, name, roomName, moderator, signal });
    await client.ready();
    await Promise.all(rooms.map((room) => room.join()));
    if (signal.aborted) return;
    inside.set(JSON.stringify({ name, room: roomName, moderator }));
    history.replaceState(null, '', roomUrl(roomName));
    say('');
    showRoom(roomName);
    byTestId('message-input').focus();
    client.on('state', ({ state, error }) => {
      if (state === 'closed' && !signal.aborted) ended(error);
    });
  } catch (error) {
    if (signal.aborted) return;
    leave();
    say(`Could not join: ${error.message}`, true);
  } finally {
    clearTimeout(patience);
    busy(false);
  }
}

function mount({ client, name, roomName, moderator, signal }) {
  const me = { user: name, moderator };
  const note = mountLog(signal);
  const room = client.room(`chat:${roomName}`, { history: HISTORY, presence: true });
  const numbers = client.room(`chat:${roomName}:stream`);
  const context = { client, room, me, signal, note, announce, roomName };
  logClient(context);
  mountTransports(context);
  mountClasses(context);
  mountTransfer(context);
  const count = mountTimeline(context);
  room.on('chat', count);
  mountPeople(context);
  mountModeration({ ...context, thrownOut });
  shareLink(context);
  mountCursors(context);
  mountComposer({ ...context, send: mountPeers({ ...context, chat: mountChat(context) }) });
  mountFiles(context);
  mountStream({ ...context, room: numbers, onReceived: count });
  mountInvite(context);
  mountCalls(context);
  return [room, numbers];
}

function leave() {
  visit?.leaving.abort();
  visit?.client.close();
  visit = null;
  inside.set(null);
  byId('banner').hidden = true;
  showRoom(null);
}

/** A moderator took this person out of the room. */
function thrownOut(text) {
  leave();
  say(text, true);
  byTestId('join-button').focus();
}

function ended(error) {
  setText(byId('banner-text'), error ? `The conversation ended: ${error.message}.` : 'The conversation ended.');
  byId('banner').hidden = false;
}

function say(text, bad = false) {
  const status = byId('join-status');
  setText(status, text);
  status.classList.toggle('bad', bad);
}

function busy(on) {
  const button = byTestId('join-button');
  button.setAttribute('aria-busy', String(on));
  setText(button, on ? 'Joining…' : 'Join');
}

/** Letters, digits, dot, dash and underscore, as the form says; `null` for anything else. */
function validRoom(text) {
  const room = text?.trim().toLocaleLowerCase() ?? '';
  return /^[\p{L}\p{N}_.-]{1,60}$/u.test(room) ? room : null;
}

const validName = (text) => text?.trim().slice(0, 40) || null;

form.addEventListener('submit', (event) => {
  event.preventDefault();
  const name = validName(byTestId('name-input').value);
  const room = validRoom(byTestId('room-input').value);
  if (!name || !room) {
    say('A name and a room, please.', true);
    byTestId(name ? 'room-input' : 'name-input').focus();
    return;
  }
  lastName.set(name);
  lastRoom.set(room);
  enter(name, room, byTestId('moderator-input').checked);
});

byTestId('leave-button').addEventListener('click', () => {
  leave();
  byTestId('name-input').focus();
});

byId('banner-action').addEventListener('click', () => {
  leave();
  form.requestSubmit();
});

function begin() {
  mountTheme();
  mountTabs();
  const query = new URLSearchParams(location.search);
  const before = query.has('name') ? {} : JSON.parse(inside.get() ?? '{}');
  const name = validName(query.get('name') ?? before.name ?? lastName.get());
  const room = validRoom(query.get('room') ?? before.room ?? lastRoom.get());
  byTestId('name-input').value = name ?? '';
  byTestId('room-input').value = room ?? 'lobby';
  const moderator = query.has('moderator') || before.moderator === true;
  byTestId('moderator-input').checked = moderator;
  const cameIn = query.has('name') && query.has('room');
  const cameBack = before.name && (!query.has('room') || room === before.room);
  if (name && room && (cameIn || cameBack)) enter(name, room, moderator);
  else byTestId(name && query.has('room') ? 'join-button' : 'name-input').focus();
}

begin();
