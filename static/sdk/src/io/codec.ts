import { fromBase64, toBase64 } from '../base64.js';
import { utf8Length } from '../frame.js';

/** What stands beside an event's arguments, in a last element that marks the array: `{"$io": 1, …}`. */
export interface Meta {
  /** Where in the arguments bytes stand as base64. */
  bin?: (string | number)[][];
  /** The event's name, where it can't be a frame's type. */
  ev?: string;
  /** Names what comes by more than one way. */
  id?: string;
  /** Sessions that are left out. */
  except?: string[];
}

interface Found {
  bin: (string | number)[][];
  blobs: boolean;
}

export const ESCAPED = 'io:event';

/** The type of an event's frames, and what the mark has to say of its name. */
export function typeOf(event: string): { type: string; ev?: string } {
  const plain = event !== '' && !/^(hub|io):|[\u0000-\u001f\u007f]/.test(event) && utf8Length(event) <= 128;
  return plain ? { type: event } : { type: ESCAPED, ev: event };
}

/** An event's arguments as the data of a frame. One travels as it is; none, several, one that is an array, and those with something
 * to say beside them, as an array that ends with a mark. A promise where a Blob has to be read first. */
export function pack(args: readonly unknown[], meta: Meta = {}): unknown {
  const found: Found = { bin: [], blobs: false };
  const [only] = args;
  const bare = Object.keys(meta).length === 0;
  if (bare && args.length === 0) return null;
  const alone = bare && args.length === 1;
  if (alone && isBytes(only)) return bytesOf(only).slice();
  const lifted = lift(args, [], found) as unknown[];
  if (found.blobs) return read(args).then((all) => pack(all as unknown[], meta));
  if (found.bin.length > 0) return [...lifted, { $io: 1, ...meta, bin: found.bin }];
  return alone && only != null && !Array.isArray(only) ? only : [...args, { $io: 1, ...meta }];
}

/** Goes on with what was packed, at once unless a Blob has to be read. */
export function whenPacked(data: unknown, then: (data: unknown) => void): void {
  if (data instanceof Promise) void data.then(then);
  else then(data);
}

/** The arguments in a frame's data. */
export function unpack(data: unknown): { args: unknown[]; meta: Meta } {
  if (data == null) return { args: [], meta: {} };
  if (data instanceof Uint8Array) return { args: [native(data)], meta: {} };
  const last = Array.isArray(data) ? data[data.length - 1] : null;
  if (typeof last !== 'object' || last === null || last.$io !== 1) return { args: [data], meta: {} };
  const args = (data as unknown[]).slice(0, -1);
  for (const path of Array.isArray(last.bin) ? last.bin : []) restore(args, path);
  return { args, meta: last as Meta };
}

function isBytes(value: unknown): value is ArrayBuffer | ArrayBufferView {
  return value instanceof ArrayBuffer || ArrayBuffer.isView(value);
}

function isBlob(value: unknown): value is Blob {
  return typeof Blob !== 'undefined' && value instanceof Blob;
}

function bytesOf(value: ArrayBuffer | ArrayBufferView): Uint8Array {
  return value instanceof ArrayBuffer ? new Uint8Array(value) : new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
}

/** As socket.io hands bytes to applications: an ArrayBuffer, in Node a Buffer. */
function native(bytes: Uint8Array): unknown {
  const { Buffer, process } = globalThis as any;
  if (process?.versions?.node && Buffer) return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
}

/** The value with base64 in the place of bytes; itself where there are none. */
function lift(value: unknown, path: (string | number)[], found: Found): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (isBytes(value)) {
    found.bin.push([...path]);
    return toBase64(bytesOf(value));
  }
  if (isBlob(value)) found.blobs = true;
  if (isBlob(value) || typeof (value as { toJSON?: unknown }).toJSON === 'function') return value;
  let copy: any = value;
  for (const key of Array.isArray(value) ? value.keys() : Object.keys(value)) {
    const before = (value as any)[key];
    const after = lift(before, [...path, key], found);
    if (after === before) continue;
    if (copy === value) copy = Array.isArray(value) ? [...value] : { ...value };
    copy[key] = after;
  }
  return copy;
}

/** The value with the bytes of its Blobs. */
async function read(value: unknown): Promise<unknown> {
  if (isBlob(value)) return value.arrayBuffer();
  if (typeof value !== 'object' || value === null || isBytes(value)) return value;
  if (Array.isArray(value)) return Promise.all(value.map(read));
  if (typeof (value as { toJSON?: unknown }).toJSON === 'function') return value;
  const entries = Object.entries(value).map(async ([key, inner]) => [key, await read(inner)] as const);
  return Object.fromEntries(await Promise.all(entries));
}

function restore(args: any, path: unknown): void {
  if (!Array.isArray(path) || path.length === 0) return;
  let at = args;
  for (const key of path.slice(0, -1)) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, key)) return;
    at = at[key];
  }
  const last = path[path.length - 1];
  if (typeof at !== 'object' || at === null || !Object.hasOwn(at, last) || typeof at[last] !== 'string') return;
  try {
    at[last] = native(fromBase64(at[last]));
  } catch {
    // Not base64: the sender's own text.
  }
}
