/** A person who talks: the same code in the page and beside the hub. Runs alone, so that a page can be given its source.
 * Numbers its messages, and checks the numbers of the other. */
export function talker(connect, base, { user, room: name, options = {} }) {
  const began = performance.now();
  const client = connect(base, { user, ...options });
  const room = client.room(name);
  const log = [];
  const counts = { received: 0, last: 0, doubled: 0, swapped: 0, sent: 0, stored: 0, refused: 0 };
  const seen = new Set();
  const answers = new Map();
  let timer = null;

  const note = (what, more = {}) => log.push({ at: Date.now(), what, ...more });
  client.on('state', ({ state, error }) => note(state, { code: error?.code }));
  client.on('transport', ({ transport, cause, ms }) => note('transport', { transport, cause, ms }));
  client.on('gap', ({ reason }) => note('gap', { reason }));
  client.on('error', ({ code, message }) => note('error', { code, message }));

  room.on('number', ({ data: { n, from } }) => {
    if (from === user) return;
    counts.received += 1;
    if (seen.has(n)) counts.doubled += 1;
    else if (n < counts.last) counts.swapped += 1;
    seen.add(n);
    counts.last = Math.max(counts.last, n);
  });
  room.on('mark', ({ data: { mark, from } }) => from !== user && note('mark', { mark }));
  room.on('hello', ({ data: { from, to } }) => to === user && say('answer', { to: from }));
  room.on('answer', ({ data: { to, from } }) => to === user && answers.get(from)?.());
  const joined = room.join();
  joined.catch((error) => note('error', { code: error.code, message: `join: ${error.message}` }));

  /** A message that doesn't get through is counted by whoever misses it. */
  function say(type, data) {
    return room.publish(type, { ...data, from: user }, { echo: false }).then(
      () => true,
      (error) => {
        note('error', { code: error.code, message: `publish: ${error.message}` });
        return false;
      },
    );
  }

  return {
    client,
    log,
    joined,
    say,
    /** Says something to the other and waits for the answer. Returns ms since this person began to connect. */
    async hello(to) {
      const answered = new Promise((resolve) => answers.set(to, resolve));
      void say('hello', { to });
      await answered;
      return { ms: performance.now() - began, transport: client.transport };
    },
    stream(perSecond, bytes = 0) {
      const padding = 'x'.repeat(bytes);
      const due = performance.now();
      const base = counts.sent;
      const tick = () => {
        const until = base + ((performance.now() - due) * perSecond) / 1000;
        while (counts.sent < until) {
          counts.sent += 1;
          void say('number', { n: counts.sent, padding }).then((stored) => (counts[stored ? 'stored' : 'refused'] += 1));
        }
      };
      timer = setInterval(tick, 1000 / perSecond);
    },
    stop() {
      clearInterval(timer);
      return counts.sent;
    },
    numbers: () => ({ ...counts, distinct: seen.size }),
    close() {
      clearInterval(timer);
      client.close();
    },
  };
}
