/** What the ends of a transfer say to each other, in order and each once. `t` names the transfer. */
export type Control =
  /** Here is a file; once it was accepted: where shall I go on? */
  | { m: 'offer'; t: string; name: string; type: string; size: number; meta?: unknown }
  /** Accepted: send from this byte on. So many of those before it need no more room. */
  | { m: 'go'; t: string; o: number; s: number }
  /** So many bytes are here, and need no more room. */
  | { m: 'have'; t: string; s: number }
  /** That was all, and this is its SHA-256. */
  | { m: 'end'; t: string; h: string }
  /** All of it is here, and it is right. */
  | { m: 'done'; t: string }
  /** I have some of this one: offer it again. */
  | { m: 'held'; t: string }
  /** It is over. */
  | { m: 'stop'; t: string; code: string; message: string };

export const NAME_MAX = 255;
export const TYPE_MAX = 127;
export const META_BYTES_MAX = 4_096;
/** Of a code and its message. */
const TEXT_MAX = 500;
/** Bytes of a transfer's name. */
const ID_BYTES = 16;
/** The transfer's name, and the place of the first byte (64 bits, big-endian). */
export const HEADER_BYTES = ID_BYTES + 8;

const isCount = (n: unknown) => Number.isSafeInteger(n) && (n as number) >= 0;
const isText = (text: unknown, max: number) => typeof text === 'string' && text.length <= max;
export const isId = (t: unknown): t is string => typeof t === 'string' && /^[0-9a-f]{32}$/.test(t);

/** The message, or `null` if it makes no sense. */
export function controlOf(data: unknown): Control | null {
  const c = data as Control | null;
  if (typeof c !== 'object' || c === null || !isId(c.t)) return null;
  switch (c.m) {
    case 'offer':
      return isText(c.name, NAME_MAX) && isText(c.type, TYPE_MAX) && isCount(c.size) ? c : null;
    case 'go':
      return isCount(c.o) && isCount(c.s) && c.s <= c.o ? c : null;
    case 'have':
      return isCount(c.s) ? c : null;
    case 'end':
      return isText(c.h, 64) ? c : null;
    case 'stop':
      return isText(c.code, TEXT_MAX) && isText(c.message, TEXT_MAX) ? c : null;
    case 'done':
    case 'held':
      return c;
    default:
      return null;
  }
}

export function randomId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(ID_BYTES)), (b) => b.toString(16).padStart(2, '0')).join('');
}

/** What goes over a channel, or in bulk. */
export function chunk(t: string, offset: number, bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const message = new Uint8Array(HEADER_BYTES + bytes.length);
  for (let i = 0; i < ID_BYTES; i++) message[i] = parseInt(t.slice(2 * i, 2 * i + 2), 16);
  const view = new DataView(message.buffer);
  view.setUint32(ID_BYTES, Math.floor(offset / 2 ** 32));
  view.setUint32(ID_BYTES + 4, offset % 2 ** 32);
  message.set(bytes, HEADER_BYTES);
  return message;
}

export function chunkOf(message: Uint8Array): { t: string; offset: number; bytes: Uint8Array } | null {
  if (message.length < HEADER_BYTES) return null;
  const t = Array.from(message.subarray(0, ID_BYTES), (b) => b.toString(16).padStart(2, '0')).join('');
  const view = new DataView(message.buffer, message.byteOffset);
  const offset = view.getUint32(ID_BYTES) * 2 ** 32 + view.getUint32(ID_BYTES + 4);
  return { t, offset, bytes: message.subarray(HEADER_BYTES) };
}
