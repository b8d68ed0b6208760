import { byId, byTestId, element, setText, throttled } from './dom.js';
import { actions } from './moderation.js';
import { hue, initials, millis, plain, roundRtt, transportName, viaText } from './words.js';

/** Others hear of a new transport or round-trip time at most this often (ms). */
const SHARE_EVERY_MS = 2000;
const SHOWN_MAX = 200;

/** Who is here: each member with the transport and the round-trip time their page shared, and how this page reaches them. */
export function mountPeople({ room, me, signal, note }) {
  const list = byTestId('members');
  const items = new Map();
  list.replaceChildren();

  const render = throttled(() => {
    const members = [...room.members.values()].sort((a, b) => (b.user === me.user) - (a.user === me.user) || a.user.localeCompare(b.user));
    setText(byId('people-count'), members.length);
    const shown = members.slice(0, SHOWN_MAX);
    const users = new Set(shown.map((member) => member.user));
    for (const [user, item] of items) {
      if (users.has(user)) continue;
      item.remove();
      items.delete(user);
    }
    const vias = viasOf(room.peers.list);
    shown.forEach((member, index) => {
      let item = items.get(member.user);
      if (!item) items.set(member.user, (item = memberItem(member, me)));
      update(item, member, me, vias.get(member.user) ?? '');
      if (list.children[index] !== item) list.insertBefore(item, list.children[index] ?? null);
    });
  }, 30, signal);

  room.on('presence', ({ join, leave }) => {
    for (const member of join ?? []) if (member.user !== me.user) note('presence', `${member.user} came in`);
    for (const user of leave ?? []) note('presence', `${typeof user === 'string' ? user : user?.user} left`);
    render();
  });
  room.on('join', render);
  for (const event of ['join', 'leave', 'path']) room.peers.on(event, render);
  render();
  return render;
}

/** The best way to any of a user's pages. */
function viasOf(peers) {
  const best = ['direct', 'relay', 'hub'];
  const vias = new Map();
  for (const { user, via } of peers) if (!vias.has(user) || best.indexOf(via) < best.indexOf(vias.get(user))) vias.set(user, via);
  return vias;
}

function memberItem(member, me) {
  const name = plain(member.info?.name, 40) || member.user;
  return element(
    'li',
    { class: 'member', 'data-user': member.user },
    element('span', { class: `avatar hue-${hue(member.user)}`, 'aria-hidden': true }, initials(name)),
    element('span', { class: 'member-name' }, element('span', { class: 'name' }, name), element('span', { class: 'aside' })),
    element('span', { class: 'member-link' }, element('span', { class: 'badge' }), element('span', { class: 'rtt' }), element('span', { class: 'badge way' })),
    me.moderator && member.user !== me.user && member.info?.moderator !== true ? actions(name) : '',
  );
}

function update(item, member, me, via) {
  item.dataset.via = via;
  const way = item.querySelector('.way');
  way.dataset.via = via;
  way.hidden = via === '';
  setText(way, viaText(via));
  const transport = plain(member.state?.transport, 16);
  const rtt = typeof member.state?.rtt === 'number' ? member.state.rtt : null;
  item.dataset.transport = transport;
  item.dataset.rtt = rtt === null ? '' : rtt;
  item.dataset.sessions = member.sessions ?? 1;
  const badge = item.querySelector('.badge');
  badge.dataset.transport = transport;
  setText(badge, transport ? transportName(transport) : '…');
  setText(item.querySelector('.rtt'), rtt === null ? '' : millis(rtt));
  const asides = [member.user === me.user ? 'you' : '', member.info?.moderator === true ? 'moderator' : '', member.sessions > 1 ? `${member.sessions} tabs` : ''];
  setText(item.querySelector('.aside'), asides.filter(Boolean).join(', '));
}

/** Tells the room which transport this page is on, its round-trip time, and its session, by which others can send to it alone. */
export function shareLink({ client, room, signal }) {
  let shared = { transport: null, rtt: null, session: null };
  let at = -Infinity;
  let timer = null;

  function consider() {
    if (timer !== null || signal.aborted || !room.joined || client.transport === null) return;
    const next = { transport: client.transport, rtt: client.rtt === null ? null : roundRtt(client.rtt), session: client.session };
    if (next.transport === shared.transport && next.session === shared.session && close(next.rtt, shared.rtt)) return;
    const wait = at + SHARE_EVERY_MS - performance.now();
    if (wait > 0) {
      timer = setTimeout(() => {
        timer = null;
        consider();
      }, wait);
      return;
    }
    at = performance.now();
    shared = next;
    room.setState(next).catch(() => {
      shared = { transport: null, rtt: null, session: null };
    });
  }

  client.on('transport', consider);
  client.on('rtt', consider);
  client.on('session', ({ resumed }) => {
    if (!resumed) shared = { transport: null, rtt: null, session: null };
    consider();
  });
  room.on('join', consider);
  signal.addEventListener('abort', () => clearTimeout(timer));
  consider();
}

/** A change of a fifth, or of half a millisecond, is noise. */
function close(a, b) {
  if (a === null || b === null) return a === b;
  return Math.abs(a - b) <= Math.max(0.5, 0.2 * Math.max(a, b));
}
