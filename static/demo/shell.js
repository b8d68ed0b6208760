import { byId, byTestId, setText, stored } from './dom.js';

const NAMES = ['Ada', 'Grace', 'Alan', 'Radia', 'Edsger', 'Barbara', 'Vint', 'Hedy', 'Karen', 'Claude', 'Joan', 'Tim'];
const COPIED_MS = 1600;

const theme = stored('localStorage', 'crosspoint.theme');

/** The theme toggle: follows the system until the person chooses. */
export function mountTheme() {
  const button = byTestId('theme-toggle');
  const system = matchMedia('(prefers-color-scheme: dark)');
  const isDark = () => (document.documentElement.dataset.theme ?? (system.matches ? 'dark' : 'light')) === 'dark';
  const show = () => button.setAttribute('aria-pressed', String(isDark()));
  button.addEventListener('click', () => {
    const next = isDark() ? 'light' : 'dark';
    document.documentElement.dataset.theme = next;
    theme.set(next);
    show();
  });
  system.addEventListener('change', show);
  show();
}

/** On a phone one part of the page is shown at a time. */
export function mountTabs() {
  const app = byId('app');
  const tabs = [...document.querySelectorAll('[data-show]')];
  for (const tab of tabs) {
    tab.addEventListener('click', () => {
      app.dataset.view = tab.dataset.show;
      for (const other of tabs) other.toggleAttribute('aria-current', other === tab);
      tab.setAttribute('aria-current', 'true');
    });
  }
}

/** Swaps the form for the room and back. */
export function showRoom(room) {
  const inside = room !== null;
  byId('welcome').hidden = inside;
  byId('app').hidden = !inside;
  byId('link').hidden = !inside;
  byId('room-label').hidden = !inside;
  setText(byId('room-label'), room ?? '');
  for (const button of document.querySelectorAll('.in-room')) button.hidden = !inside;
  document.body.classList.toggle('inside', inside);
  document.title = inside ? `${room} · Crosspoint` : 'Crosspoint';
}

/** The address others use to come in; with a name, they come in at once. */
export function roomUrl(room, name) {
  const query = new URLSearchParams(name ? { room, name } : { room });
  return `${location.origin}${location.pathname}?${query}`;
}

/** "Copy link" and "Second person". */
export function mountInvite({ roomName, room, signal, announce }) {
  const invite = byId('invite');
  const second = byId('second');
  invite.hidden = !navigator.clipboard;
  invite.addEventListener('click', async () => {
    const label = invite.querySelector('.label');
    try {
      await navigator.clipboard.writeText(roomUrl(roomName));
      label.textContent = 'Copied';
      announce('Link copied');
    } catch {
      label.textContent = 'Not allowed';
    }
    setTimeout(() => (label.textContent = 'Copy link'), COPIED_MS);
  }, { signal });
  const point = () => {
    second.href = roomUrl(roomName, freeName(room.members));
  };
  for (const event of ['pointerdown', 'focus', 'click']) second.addEventListener(event, point, { signal });
  point();
}

function freeName(members) {
  const free = NAMES.filter((name) => !members.has(name));
  return free.length > 0 ? free[Math.floor(Math.random() * free.length)] : `Guest ${members.size + 1}`;
}
