// The chat's server as it is written for socket.io 4. It is given `io` and knows of nothing else.

const GRACE_MS = 1_500;

export function install(io) {
  const number = { last: 0 };
  /** Whose link is lost may come back. */
  const leaving = new Map();

  io.use((socket, next) => {
    const { name } = socket.handshake.auth;
    if (socket.handshake.query.app !== 'chat') return next(new Error('another app'));
    if (name !== 'Mallory') return next();
    const error = new Error('go away');
    error.data = { banned: name };
    next(error);
  });

  const members = async (room) => (await io.in(room).fetchSockets()).map(({ data }) => data.name).sort();
  const gone = async ({ name, room }) => {
    if (room) io.to(room).emit('members', await members(room), `${name} has left`);
  };

  io.on('connection', (socket) => {
    clearTimeout(leaving.get(socket.id));
    if (!socket.recovered) {
      socket.data.name = socket.handshake.auth.name;
      socket.emit('welcome', 'be nice', 2, null);
    }
    const { data } = socket;

    socket.on('enter', async (room, done) => {
      socket.join(room);
      data.room = room;
      socket.to(room).emit('who', socket.id, data.name);
      for (const other of await io.in(room).fetchSockets()) {
        if (other.id !== socket.id) socket.emit('who', other.id, other.data.name);
      }
      io.to(room).emit('members', await members(room), `${data.name} is here`);
      done({ room, rooms: socket.rooms.size });
    });
    socket.on('leave', async (room, done) => {
      socket.leave(room);
      data.room = undefined;
      io.to(room).emit('members', await members(room), `${data.name} has left`);
      done(socket.rooms.has(room), socket.rooms.has(socket.id));
    });
    socket.on('message', (...args) => {
      const done = typeof args.at(-1) === 'function' ? args.pop() : undefined;
      io.to(data.room).emit('message', { from: data.name, text: args.join(' ') });
      done?.({ ok: true, number: ++number.last });
    });
    socket.on('typing', () => socket.to(data.room).volatile.emit('typing', data.name));
    socket.on('attach', (file, bytes, done) => {
      const sum = (buffer) => [...buffer].reduce((a, b) => a + b, 0);
      socket.to(data.room).emit('attachment', file, bytes);
      done({ sums: [...file.parts, bytes].map(sum), back: bytes });
    });
    socket.on('photo', (bytes, done) => done(bytes.length));
    socket.on('whisper', (id, text) => io.to(id).emit('whisper', data.name, text));
    socket.on('shapes', (...args) => socket.emit('shapes', args.length, ...args));
    socket.on('check', async (who, done) => {
      const [other] = (await io.fetchSockets()).filter((one) => one.data.name === who);
      const answers = await io.to(other.id).timeout(5_000).emitWithAck('are you there', 41);
      other.timeout(5_000).emit('are you there', 1, (error, yes) => done(answers, error, yes));
    });
    socket.on('disconnect', (reason) => {
      if (reason.endsWith('namespace disconnect')) gone(data);
      else leaving.set(socket.id, setTimeout(() => gone(data), GRACE_MS));
    });
  });

  const desk = io.of('/desk');
  desk.use((socket, next) => next(socket.handshake.auth.password === 'secret' ? undefined : new Error('wrong password')));
  desk.on('connection', (socket) => {
    socket.join('moderators');
    desk.to('moderators').emit('report', 'moderators', [...desk.sockets.keys()].length);
    socket.on('kick', async (who) => {
      for (const other of await io.fetchSockets()) if (other.data.name === who) other.disconnect();
      desk.emit('report', 'kicked', who);
    });
  });
}
