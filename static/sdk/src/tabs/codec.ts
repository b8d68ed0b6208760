import { CrosspointError } from '../codes.js';

/** What can't be cloned, as something that can. */
export function pack(value: unknown): unknown {
  if (!(value instanceof CrosspointError)) return value;
  const { code, message, retry, retryAfterMs, address } = value;
  return { $error: [code, message, retry, retryAfterMs, address] };
}

export function unpack(value: unknown): unknown {
  const error = (value as { $error?: ConstructorParameters<typeof CrosspointError> } | null)?.$error;
  return error ? new CrosspointError(...error) : value;
}
