import { fromBase64, toBase64 } from './base64.js';

/** Who sent something; `session` is absent when a backend did. */
export interface Sender {
  user?: string;
  session?: string;
}

/** A frame of the protocol. A binary payload is a `Uint8Array` in `data`. */
export interface Frame {
  type: string;
  data?: unknown;
  room?: string;
  id?: string;
  to?: string;
  request?: string;
  volatile?: true | string;
  echo?: boolean;
  from?: Sender;
  offset?: number;
  ts?: number;
  timeout_ms?: number;
  error?: { code: string; message: string };
  /** It came by a bulk session. */
  bulk?: true;
}

const LINK_FRAMES = new Set(
  ['hello', 'welcome', 'ping', 'pong', 'ack', 'move', 'close', 'bye', 'report'].map((name) => `hub:${name}`),
);

/** Whether a frame of this type speaks about the link, not the session. */
export function isLinkFrame(type: string): boolean {
  return LINK_FRAMES.has(type);
}

/** Whether the frame has a number in the session's sequence. */
export function isCounted(frame: Frame): boolean {
  return frame.volatile === undefined && !LINK_FRAMES.has(frame.type);
}

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

/** Length in UTF-8 bytes. */
export function utf8Length(text: string): number {
  let bytes = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) continue;
    bytes += unit < 0x800 ? 1 : 2;
    // Two surrogates make one character of four bytes.
    if (unit >= 0xd800 && unit < 0xe000) bytes -= 1;
  }
  return bytes;
}

/** A copy of bytes: what the application does with its own later is not what it sent. */
export function snapshot(data: unknown): unknown {
  return data instanceof Uint8Array ? data.slice() : data;
}

/** The text message that is no frame but a beat: a sign of life. */
export const BEAT = '{}';

const texts = new WeakMap<Frame, string>();
const payloads = new WeakMap<Frame, string>();

/** The JSON of a frame's data, made once: what becomes of the data later changes nothing. */
function payloadText(frame: Frame): string {
  let text = payloads.get(frame);
  if (text === undefined) {
    text = JSON.stringify(frame.data) ?? '';
    payloads.set(frame, text);
  }
  return text;
}

/** How many bytes a frame's data has, as JSON or as it is. */
export function payloadBytes(frame: Frame): number {
  return frame.data instanceof Uint8Array ? frame.data.length : utf8Length(payloadText(frame));
}

/** As JSON text; a binary payload becomes `data64`. A frame is encoded once: what becomes of its data later changes nothing. */
export function encodeText(frame: Frame): string {
  let text = texts.get(frame);
  if (text === undefined) {
    const { data, ...head } = frame;
    const binary = data instanceof Uint8Array;
    const payload = binary ? JSON.stringify(toBase64(data)) : payloadText(frame);
    text = JSON.stringify(head);
    if (payload !== '') text = `${text.slice(0, -1)},"${binary ? 'data64' : 'data'}":${payload}}`;
    texts.set(frame, text);
  }
  return text;
}

/** How long `encodeText` makes it (UTF-8 bytes). */
export function textLength(frame: Frame): number {
  const { data, ...head } = frame;
  if (!(data instanceof Uint8Array)) return utf8Length(encodeText(frame));
  return utf8Length(JSON.stringify(head)) + ',"data64":""'.length + 4 * Math.ceil(data.length / 3);
}

/** As a binary frame where the payload is binary, else as JSON text. */
export function encode(frame: Frame): string | Uint8Array {
  if (!(frame.data instanceof Uint8Array)) return encodeText(frame);
  const { data, ...head } = frame;
  const header = encoder.encode(JSON.stringify(head));
  const bytes = new Uint8Array(2 + header.length + data.length);
  new DataView(bytes.buffer).setUint16(0, header.length);
  bytes.set(header, 2);
  bytes.set(data, 2 + header.length);
  return bytes;
}

/** The frame in a text or binary message, or `null` if it isn't a valid one. */
export function decode(message: string | ArrayBuffer | Uint8Array): Frame | null {
  try {
    if (typeof message === 'string') return frameOf(JSON.parse(message));
    const bytes = message instanceof Uint8Array ? message : new Uint8Array(message);
    const length = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint16(0);
    if (2 + length > bytes.length) return null;
    const frame = frameOf(JSON.parse(decoder.decode(bytes.subarray(2, 2 + length))));
    if (frame) frame.data = bytes.slice(2 + length);
    return frame;
  } catch {
    return null;
  }
}

/** Checks parsed JSON to be a frame and turns `data64` into bytes. */
export function frameOf(value: unknown): Frame | null {
  if (typeof value !== 'object' || value === null || typeof (value as Frame).type !== 'string') return null;
  const frame = value as Frame & { data64?: unknown };
  if (frame.data64 === undefined) return frame;
  if (typeof frame.data64 !== 'string') return null;
  try {
    frame.data = fromBase64(frame.data64);
  } catch {
    return null;
  }
  delete frame.data64;
  return frame;
}
