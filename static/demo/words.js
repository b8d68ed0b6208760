/** How this page names transports, causes and numbers. */

const TRANSPORTS = { webtransport: 'WebTransport', websocket: 'WebSocket', webrtc: 'WebRTC', sse: 'SSE', 'sse-poll': 'SSE poll' };

const CAUSES = {
  connect: 'first link',
  lost: 'the link was lost',
  up: 'a better one works',
  down: 'the other one stopped answering',
  manual: 'you asked for it',
  asked: 'the hub asked for it',
};

const STATES = { connecting: 'Connecting', connected: 'Connected', reconnecting: 'Reconnecting', closed: 'Closed' };

const VIAS = { direct: 'direct', relay: 'by TURN', hub: 'through the hub', peers: 'to who is here' };

/** How a peer is reached, or a message came. */
export const viaText = (via) => VIAS[via] ?? '';

export const transportName = (transport) => TRANSPORTS[transport] ?? (transport || 'No link');

export const causeText = (cause) => CAUSES[cause] ?? String(cause ?? 'unknown cause');

export const stateText = (state) => STATES[state] ?? state;

/** Milliseconds as a person reads them: `0.4 ms`, `38 ms`, `1.2 s`. */
export function millis(ms) {
  if (typeof ms !== 'number' || !Number.isFinite(ms)) return '–';
  if (ms >= 1000) return `${(ms / 1000).toFixed(1)} s`;
  return ms < 10 ? `${roundRtt(ms)} ms` : `${Math.round(ms)} ms`;
}

/** As a person reads it: `312 kB`, `4.5 MB`. */
export function bytesText(bytes) {
  if (bytes < 1e6) return `${Math.ceil(bytes / 1e3)} kB`;
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
}

/** Tenths below 10 ms, whole milliseconds above. */
export function roundRtt(ms) {
  return ms < 10 ? Math.round(ms * 10) / 10 : Math.round(ms);
}

const timeFormat = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const dayFormat = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' });
const secondFormat = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false });

/** The time of day, with the date where it isn't today. */
export function clock(ts) {
  const date = new Date(ts);
  const today = new Date().toDateString() === date.toDateString();
  return (today ? timeFormat : dayFormat).format(date);
}

export const clockSeconds = (ts) => secondFormat.format(new Date(ts));

/** Up to two initials. */
export function initials(name) {
  const parts = String(name).trim().split(/[\s_.-]+/u).filter(Boolean);
  const letters = parts.length > 1 ? [parts[0], parts.at(-1)] : parts;
  return letters.map((part) => [...part][0].toLocaleUpperCase()).join('') || '?';
}

/** One of eight colours, the same on every page. */
export function hue(user) {
  let hash = 456;
  for (const char of String(user)) hash = (Math.imul(hash, 33) ^ char.codePointAt(0)) >>> 0;
  return ((hash ^ (hash >>> 7)) >>> 0) % 8;
}

/** A string of at most `max` characters out of whatever another client sent. */
export function plain(value, max) {
  return typeof value === 'string' ? [...value].slice(0, max).join('') : '';
}
