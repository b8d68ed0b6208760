// A chat as it is written for socket.io-client 4. It knows of nothing else.
import { io } from 'socket.io-client';

const params = new URLSearchParams(location.search);
const server = params.get('server');
const name = params.get('name');
const $ = (id) => document.getElementById(id);

/** All that the page has seen, for the test. */
const log = [];
const names = new Map();

/** Sockets have other names each time: they are written by whose they are. */
const plain = (value) => {
  if (value instanceof ArrayBuffer) return { bytes: [...new Uint8Array(value)] };
  if (typeof value === 'string') return names.get(value) ?? value;
  if (typeof value === 'function') return 'ack';
  if (value instanceof Error) return { error: value.message, data: value.data ?? null };
  if (Array.isArray(value)) return value.map(plain);
  if (value && typeof value === 'object') return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
  return value;
};
const note = (...what) => {
  const entry = plain(what);
  // How often it was tried again is chance.
  if (/reconnect_|connect_error/.test(entry[0]) && log.some(([seen]) => seen === entry[0])) return;
  log.push(entry);
};

const socket = io(server, {
  auth: (done) => done({ name }),
  query: { app: 'chat' },
  reconnectionDelay: 100,
  reconnectionDelayMax: 400,
  autoConnect: false,
});
let members = [];

const show = () => {
  $('status').textContent = socket.connected ? `online as ${name}` : socket.active ? 'connecting' : 'offline';
  $('members').replaceChildren(...members.map((member) => Object.assign(document.createElement('li'), { textContent: member })));
};
const say = (who, text) => {
  $('messages').append(Object.assign(document.createElement('li'), { textContent: `${who}: ${text}` }));
};

socket.on('connect', () => {
  names.set(socket.id, name);
  note('connect', { id: typeof socket.id, recovered: socket.recovered === true });
  show();
});
socket.on('disconnect', (reason) => {
  note('disconnect', reason, { connected: socket.connected, active: socket.active, id: socket.id ?? null });
  show();
});
socket.on('connect_error', (error) => {
  if (error.data) note('refused', error, { active: socket.active });
  else note('connect_error', { active: socket.active });
  show();
});
socket.io.on('reconnect_attempt', () => note('reconnect_attempt'));
socket.io.on('reconnect', () => note('reconnect'));
socket.onAny((event, ...args) => {
  if (event === 'who') names.set(...args);
  note('in', event, ...args);
});
socket.onAnyOutgoing((event, ...args) => note('out', event, ...args));

socket.on('members', (list) => {
  members = list;
  show();
});
socket.on('message', ({ from, text }) => say(from, text));
socket.on('typing', (who) => {
  $('typing').textContent = `, ${who} is typing`;
});
socket.on('are you there', (since, answer) => answer('yes', since + 1));
socket.once('welcome', (motd, count, nothing) => note('once', motd, count, nothing));

$('form').addEventListener('submit', (event) => {
  event.preventDefault();
  const text = $('text').value;
  $('text').value = '';
  socket.emit('message', text, ({ ok, number }) => note('stored', ok, number));
});
$('text').addEventListener('input', () => socket.volatile.emit('typing'));

/** The namespace of the moderators, on the same connection. */
let desk;

globalThis.chat = {
  log,
  socket,
  transport: () => socket.io.engine?.transport.name,
  connect: () => void socket.connect(),
  disconnect: () => void socket.disconnect(),
  note,
  enter: (room) => socket.emitWithAck('enter', room).then((answer) => note('entered', answer)),
  leave: (room) => socket.emitWithAck('leave', room).then((answer) => note('left', answer)),
  attach: (bytes) => {
    const file = { name: 'a.bin', parts: [new Uint8Array(bytes), new Uint8Array(bytes).buffer] };
    return socket.emitWithAck('attach', file, new Uint8Array(bytes)).then((answer) => note('attached', answer));
  },
  photo: (text) => new Promise((resolve) => {
    socket.emit('photo', new Blob([text]), (size) => resolve(note('photographed', size)));
    socket.emit('message', 'right after the photo');
  }),
  slow: () => new Promise((resolve) => {
    socket.timeout(150).emit('never answered', 1, (error) => resolve(note('slow', error)));
  }),
  slowPromise: () => socket.timeout(150).emitWithAck('never answered', 2).catch((error) => note('slow', error)),
  whisper: (who, text) => {
    const [id] = [...names].find(([, other]) => other === who);
    socket.emit('whisper', id, text);
  },
  check: (who) => socket.emitWithAck('check', who).then((answers) => note('checked', answers)),
  type: () => void socket.volatile.emit('typing'),
  say: (text) => void socket.emit('message', text),
  shapes: () => {
    socket.emit('shapes', [1, [2]], null, undefined, { a: [true] }, 'é\u2028', new Date(0));
    socket.emit('shapes');
    socket.emit('shapes', null);
    socket.emit('shapes', []);
    socket.emit('shapes', [[]]);
    socket.send('a message', 'of two');
  },
  moderate: (password) => {
    if (!desk) {
      desk = io(new URL('/desk', server).href);
      desk.on('connect', () => note('desk connect', desk.nsp));
      desk.on('connect_error', (error) => note('desk refused', error));
      desk.on('disconnect', (reason) => note('desk disconnect', reason));
      desk.on('report', (...args) => note('desk report', ...args));
    }
    desk.auth = { password };
    desk.connect();
    return desk.io === socket.io;
  },
  kick: (who) => desk.emit('kick', who),
  closeDesk: () => void desk.disconnect(),
};
show();
socket.connect();
