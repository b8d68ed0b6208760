/** Messages on a byte stream: four bytes, big-endian, whose top bit says binary and whose rest is the length; then the message. */
const BINARY = 0x8000_0000;
const HEAD = 4;
/** A longer message than any hub's limit allows is a broken stream. */
const LENGTH_MAX = 64 << 20;

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

export function framed(message: string | Uint8Array): Uint8Array {
  const body = typeof message === 'string' ? encoder.encode(message) : message;
  const bytes = new Uint8Array(HEAD + body.length);
  new DataView(bytes.buffer).setUint32(0, body.length + (typeof message === 'string' ? 0 : BINARY));
  bytes.set(body, HEAD);
  return bytes;
}

/** Cuts what a stream brings into its messages. */
export class Unframer {
  private parts: Uint8Array[] = [];
  private held = 0;

  /** The messages that are whole now; throws where no message can be meant. */
  push(bytes: Uint8Array): (string | Uint8Array)[] {
    this.parts.push(bytes);
    this.held += bytes.length;
    const messages: (string | Uint8Array)[] = [];
    for (let need = this.need(); need !== null && this.held >= HEAD + need.length; need = this.need()) {
      const body = this.take(HEAD + need.length).subarray(HEAD);
      messages.push(need.binary ? body : decoder.decode(body));
    }
    return messages;
  }

  private need(): { length: number; binary: boolean } | null {
    if (this.held < HEAD) return null;
    if (this.parts[0]!.length < HEAD) this.parts = [this.take(this.held)];
    const first = this.parts[0]!;
    this.held = this.parts.reduce((sum, part) => sum + part.length, 0);
    const head = new DataView(first.buffer, first.byteOffset, HEAD).getUint32(0);
    const length = head & 0x7fff_ffff;
    if (length > LENGTH_MAX) throw new Error(`a message of ${length} bytes`);
    return { length, binary: head >= BINARY };
  }

  private take(length: number): Uint8Array {
    const out = new Uint8Array(length);
    let at = 0;
    while (at < length) {
      const part = this.parts.shift()!;
      const rest = length - at;
      out.set(part.subarray(0, rest), at);
      if (part.length > rest) this.parts.unshift(part.subarray(rest));
      at += Math.min(part.length, rest);
    }
    this.held -= length;
    return out;
  }
}
