/** What a part is: after two zero bytes, with which no binary frame begins. */
const LAST = 1;
const BINARY = 2;
const HEAD = 3;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A message as a channel carries it that takes no longer ones: as it is, or in parts. */
export function split(message: string | Uint8Array, max: number): (string | Uint8Array)[] {
  // No character has more than three bytes in UTF-8 for each unit of a string.
  if (message.length * (typeof message === 'string' ? 3 : 1) <= max) return [message];
  const bytes = typeof message === 'string' ? encoder.encode(message) : message;
  if (bytes.length <= max) return [message];
  const kind = typeof message === 'string' ? 0 : BINARY;
  const parts: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += max - HEAD) {
    const piece = bytes.subarray(at, at + max - HEAD);
    const part = new Uint8Array(HEAD + piece.length);
    part[2] = at + piece.length < bytes.length ? kind : kind | LAST;
    part.set(piece, HEAD);
    parts.push(part);
  }
  return parts;
}

/** Puts the messages of a channel together. */
export class Joiner {
  private held: Uint8Array[] = [];

  /** The message that is whole now, if one is. */
  next(message: string | ArrayBuffer): string | Uint8Array | null {
    if (typeof message === 'string') return message;
    const bytes = new Uint8Array(message);
    if (bytes.length < HEAD || bytes[0] !== 0 || bytes[1] !== 0) return bytes;
    this.held.push(bytes.subarray(HEAD));
    if ((bytes[2]! & LAST) === 0) return null;
    const whole = new Uint8Array(this.held.reduce((sum, piece) => sum + piece.length, 0));
    let at = 0;
    for (const piece of this.held.splice(0)) {
      whole.set(piece, at);
      at += piece.length;
    }
    return bytes[2]! & BINARY ? whole : decoder.decode(whole);
  }
}
