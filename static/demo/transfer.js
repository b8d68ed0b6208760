import { byTestId, setText } from './dom.js';
import { plain } from './words.js';

const SIZE = 20e6;
const PART_MAX = 32 * 1024;
/** Parts given to the SDK and not answered; it sends so many of them at a time as the hub takes. */
const AHEAD = 32;
const RECEIVERS_MAX = 8;

/** A test transfer of 20 MB in bulk, to everybody else who is here, or to this page itself; the chat goes on meanwhile. */
export function mountTransfer({ client, room, me, signal, note }) {
  const button = byTestId('transfer-button');
  const line = byTestId('transfer');
  const coming = new Map();
  const say = (text) => signal.aborted || setText(line, text);

  const receivers = () => {
    const others = [...room.members.values()].filter(({ user }) => user !== me.user);
    const sessions = others.map(({ state }) => plain(state?.session, 80)).filter(Boolean).slice(0, RECEIVERS_MAX);
    return sessions.length > 0 ? sessions : [client.session];
  };

  async function sendTo(session, part, progress) {
    const to = `session:${session}`;
    const under = new Set();
    const send = (type, data) => {
      const sent = client.sendBulk(to, type, data, { signal });
      const done = sent.then(() => under.delete(done));
      done.catch(() => {});
      under.add(done);
    };
    send('transfer-start', { size: SIZE, user: me.user });
    let sum = 1;
    for (let at = 0; at < SIZE; at += part.length) {
      const bytes = part.subarray(0, Math.min(part.length, SIZE - at));
      sum = sumOf(bytes, sum);
      send('transfer-part', bytes);
      while (under.size >= AHEAD) await Promise.race(under);
      progress(at + bytes.length);
    }
    send('transfer-end', { sum });
    await Promise.all(under);
  }

  async function start() {
    button.disabled = true;
    const to = receivers();
    const sent = new Map(to.map((session) => [session, 0]));
    const part = crypto.getRandomValues(new Uint8Array(Math.min(PART_MAX, client.bulkBytesMax)));
    const progress = (session) => (bytes) => {
      sent.set(session, bytes);
      say(`Sending: ${Math.floor((100 * Math.min(...sent.values())) / SIZE)} %`);
    };
    note('bulk', `Transfer of 20 MB to ${to.length === 1 ? 'one page' : `${to.length} pages`} begun`);
    try {
      await Promise.all(to.map((session) => sendTo(session, part, progress(session))));
      if (to[0] !== client.session) say('Sent.');
      note('bulk', 'Transfer sent');
    } catch (error) {
      if (signal.aborted) return;
      say(`Failed: ${error.message}`);
      note('error', `Transfer failed: ${error.message} (${error.code ?? 'error'})`);
    } finally {
      if (!signal.aborted) button.disabled = false;
    }
  }

  client.on('message', ({ type, data, from, bulk }) => {
    if (!bulk || !type.startsWith('transfer-') || signal.aborted) return;
    if (type === 'transfer-start') coming.set(from.session, { user: plain(data?.user, 40) || 'somebody', bytes: 0, sum: 1 });
    const transfer = coming.get(from.session);
    if (!transfer) return;
    if (type === 'transfer-part' && data instanceof Uint8Array) {
      transfer.sum = sumOf(data, transfer.sum);
      transfer.bytes += data.length;
      say(`From ${transfer.user}: ${(transfer.bytes / 1e6).toFixed(1)} MB`);
    } else if (type === 'transfer-end') {
      coming.delete(from.session);
      const whole = transfer.bytes === SIZE && transfer.sum === data?.sum;
      line.dataset.whole = whole;
      say(`From ${transfer.user}: ${(transfer.bytes / 1e6).toFixed(1)} MB, ${whole ? 'every byte as it was sent' : 'but not what was sent'}`);
      note(whole ? 'bulk' : 'error', line.textContent);
    }
  });
  button.disabled = false;
  button.addEventListener('click', start, { signal });
  delete line.dataset.whole;
  say('');
}

/** Adler-32 (RFC 1950), which goes on from the sum of what came before. */
function sumOf(bytes, sum) {
  let a = sum & 0xffff;
  let b = sum >>> 16;
  for (let i = 0; i < bytes.length; ) {
    for (const end = Math.min(bytes.length, i + 3000); i < end; i++) b += a += bytes[i];
    a %= 65521;
    b %= 65521;
  }
  return ((b << 16) | a) >>> 0;
}
