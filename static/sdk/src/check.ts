import { CrosspointError } from './codes.js';
import { textLength, utf8Length, type Frame } from './frame.js';

/** Bytes the hub may add to or expect around a frame (the header's length of a binary one). */
const MARGIN_BYTES = 16;

/** Whether the hub would take the frame; what it wouldn't is refused here, where the caller can be told which it was. Returns its
 * length. */
export function check(frame: Frame, frameBytesMax: number): number {
  fits('type', frame.type, 128);
  if (frame.room !== undefined) fits('room', frame.room, 256);
  if (frame.to !== undefined) fits('to', frame.to, 300);
  if (frame.id !== undefined) fits('id', frame.id, 64);
  if (typeof frame.volatile === 'string') fits('volatile key', frame.volatile, 64);
  let bytes: number;
  try {
    bytes = textLength(frame) + MARGIN_BYTES;
  } catch (error) {
    throw new CrosspointError('bad_request', `the data has no JSON form: ${error}`);
  }
  if (bytes > frameBytesMax) throw tooLarge(bytes, frameBytesMax);
  return bytes;
}

export function tooLarge(bytes: number, max: number): CrosspointError {
  return new CrosspointError('frame_too_large', `${bytes} bytes, at most ${max}`);
}

function fits(what: string, text: unknown, max: number): void {
  if (typeof text !== 'string' || text === '' || /[\u0000-\u001f\u007f]/.test(text) || utf8Length(text) > max) {
    throw new CrosspointError('bad_request', `the ${what} must have 1 to ${max} bytes and no control characters`);
  }
}

/** Types beginning with `hub:` are the protocol's own. */
export function checkType(type: unknown): void {
  if (typeof type === 'string' && type.startsWith('hub:')) {
    throw new CrosspointError('bad_request', 'types that begin with hub: belong to the protocol');
  }
}

/** An error as it is; anything else that was thrown as `internal`. */
export function asError(error: unknown): CrosspointError {
  return error instanceof CrosspointError ? error : new CrosspointError('internal', String(error));
}
