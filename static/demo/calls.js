import { mountIncoming } from './ringing.js';
import { byId, byTestId, element, setText } from './dom.js';
import { hue, initials, plain } from './words.js';

/** Small, since each sends it to all others. */
const VIDEO = { width: 320, height: 240, frameRate: 15 };
const RUNG_MAX = 32;
const OUTCOMES = { accepted: 'takes the call', declined: 'declined the call', busy: 'is in another call', no_answer: 'did not answer', offline: 'is not there', failed: 'could not be called' };

/** The room's call: who is in it, with a tile each, and what rings. */
export function mountCalls({ client, room, me, signal, note, announce }) {
  const { call } = room;
  const strip = byId('call');
  const list = byTestId('call-tiles');
  const start = byTestId('call-start');
  const microphone = byTestId('call-audio');
  const camera = byTestId('call-video');
  const tiles = new Map();
  let busy = false;
  list.replaceChildren();

  function render() {
    if (signal.aborted) return;
    const { list: peers, joined } = call;
    const names = peers.map(({ user }) => user);
    strip.hidden = !joined && peers.length === 0;
    strip.dataset.joined = joined;
    setText(byId('call-text'), joined ? (peers.length > 0 ? '' : 'Nobody else is in the call yet.') : `${names.join(', ')} ${names.length === 1 ? 'is' : 'are'} in a call.`);
    for (const button of strip.querySelectorAll('button')) button.hidden = (button.dataset.testid === 'call-join') === joined;
    press(microphone, call.audio);
    press(camera, call.video);
    start.setAttribute('aria-disabled', String(busy || joined));
    const wanted = joined ? [{ session: 'me', user: me.user, audio: call.audio, video: call.video, stream: call.stream, via: '' }, ...peers] : [];
    for (const [session, tile] of tiles) {
      if (wanted.some((peer) => peer.session === session)) continue;
      tile.remove();
      tiles.delete(session);
    }
    for (const peer of wanted) show(peer);
  }

  function show({ session, user, audio, video, stream, via }) {
    let tile = tiles.get(session);
    if (!tile) {
      tile = tileOf(user, session === 'me');
      tiles.set(session, tile);
      list.append(tile);
    }
    Object.assign(tile.dataset, { audio, video, via });
    const screen = tile.querySelector('video');
    if (screen.srcObject !== stream) screen.srcObject = stream;
  }

  /** Joins, and calls everyone here if nobody is in the call yet. */
  async function begin() {
    if (busy || call.joined) return;
    const first = call.list.length === 0;
    await doing(async () => {
      await call.join(await wanted());
      const others = [...room.members.keys()].filter((user) => user !== me.user).slice(0, RUNG_MAX);
      if (!first || others.length === 0) return;
      const rung = await call.ring(others);
      rung.on('update', ({ user, state, reason }) => {
        if (OUTCOMES[state] && !signal.aborted) note('call', `${user} ${OUTCOMES[state]}${plain(reason, 80) ? `: ${plain(reason, 80)}` : ''}`);
      });
    });
  }

  async function doing(what) {
    busy = true;
    render();
    try {
      await what();
    } catch (error) {
      if (!signal.aborted) note('error', `Call: ${error.message} (${error.code})`);
    } finally {
      busy = false;
      render();
    }
  }

  const press = (button, on) => button.setAttribute('aria-pressed', String(!on));
  const tell = (text) => {
    note('call', text);
    announce(text);
  };

  call.on('join', ({ user }) => (tell(`${user} is in the call`), render()));
  call.on('leave', ({ user, code }) => (code === 'replaced' || tell(`${user} left the call`), render()));
  call.on('update', render);
  call.on('stream', render);
  call.on('state', ({ error }) => {
    if (error && !signal.aborted) note('error', `The call ended: ${error.message}`);
    render();
  });
  start.addEventListener('click', begin, { signal });
  byTestId('call-join').addEventListener('click', begin, { signal });
  byTestId('call-leave').addEventListener('click', () => doing(() => call.leave()), { signal });
  microphone.addEventListener('click', () => doing(() => call.mute({ audio: call.audio })), { signal });
  camera.addEventListener('click', () => doing(() => call.mute({ video: call.video })), { signal });
  signal.addEventListener('abort', () => {
    list.replaceChildren();
    strip.hidden = true;
  });
  mountIncoming({ client, room, signal, tell, accept: (incoming) => doing(async () => incoming.accept(await wanted())) });
  render();
}

/** What this machine has. */
async function wanted() {
  const devices = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
  const has = (kind) => devices.some((device) => device.kind === kind);
  return { audio: has('audioinput'), video: has('videoinput') && VIDEO };
}

function tileOf(user, own) {
  const video = element('video', { autoplay: true, playsinline: true });
  // The attribute alone does not mute.
  video.muted = own;
  return element(
    'li',
    { class: 'call-tile', 'data-user': user, 'data-own': own },
    video,
    element('span', { class: `avatar hue-${hue(user)}`, 'aria-hidden': true }, initials(user)),
    element('span', { class: 'call-name' }, own ? 'You' : user),
  );
}
