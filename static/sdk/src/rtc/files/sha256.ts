/** The round constants of FIPS 180-4 §4.2.2: what is behind the point in the cube roots of the first 64 primes. */
const K = new Uint32Array(64);
const START = new Uint32Array(8);

/** 32 bits behind the point. */
const behindPoint = (x: number) => ((x - Math.floor(x)) * 2 ** 32) >>> 0;

for (let n = 2, i = 0; i < 64; n++) {
  let prime = true;
  for (let d = 2; d * d <= n && prime; d++) prime = n % d !== 0;
  if (!prime) continue;
  if (i < 8) START[i] = behindPoint(Math.sqrt(n));
  K[i++] = behindPoint(Math.cbrt(n));
}

const W = new Int32Array(64);

/** SHA-256 (FIPS 180-4) of what comes piece by piece, which `crypto.subtle` can't do. */
export class Sha256 {
  /** Bytes taken so far. */
  length = 0;
  private readonly state = Int32Array.from(START);
  private readonly block = new Uint8Array(64);
  private readonly view = new DataView(this.block.buffer);

  update(bytes: Uint8Array): this {
    const { block } = this;
    let at = 0;
    const filled = this.length % 64;
    this.length += bytes.length;
    if (filled > 0) {
      at = Math.min(64 - filled, bytes.length);
      block.set(bytes.subarray(0, at), filled);
      if (filled + at < 64) return this;
      this.compress(this.view, 0);
    }
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (; at + 64 <= bytes.length; at += 64) this.compress(view, at);
    block.set(bytes.subarray(at));
    return this;
  }

  /** In lower-case hexadecimal digits. Nothing more can be taken after it. */
  hex(): string {
    const { block, view, length } = this;
    const filled = length % 64;
    block.fill(0, filled);
    block[filled] = 0x80;
    if (filled >= 56) {
      this.compress(view, 0);
      block.fill(0);
    }
    view.setUint32(56, Math.floor(length / 2 ** 29));
    view.setUint32(60, (length * 8) >>> 0);
    this.compress(view, 0);
    return Array.from(this.state, (word) => (word >>> 0).toString(16).padStart(8, '0')).join('');
  }

  private compress(view: DataView, at: number): void {
    const { state } = this;
    for (let i = 0; i < 16; i++) W[i] = view.getInt32(at + i * 4);
    for (let i = 16; i < 64; i++) {
      const x = W[i - 15]!;
      const y = W[i - 2]!;
      const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
      const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
      W[i] = (W[i - 16]! + s0 + W[i - 7]! + s1) | 0;
    }
    let a = state[0]!, b = state[1]!, c = state[2]!, d = state[3]!, e = state[4]!, f = state[5]!, g = state[6]!, h = state[7]!;
    for (let i = 0; i < 64; i++) {
      const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
      const t1 = (h + s1 + ((e & f) ^ (~e & g)) + K[i]! + W[i]!) | 0;
      const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
      const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g;
      g = f;
      f = e;
      e = (d + t1) | 0;
      d = c;
      c = b;
      b = a;
      a = (t1 + t2) | 0;
    }
    state[0] = state[0]! + a;
    state[1] = state[1]! + b;
    state[2] = state[2]! + c;
    state[3] = state[3]! + d;
    state[4] = state[4]! + e;
    state[5] = state[5]! + f;
    state[6] = state[6]! + g;
    state[7] = state[7]! + h;
  }
}
