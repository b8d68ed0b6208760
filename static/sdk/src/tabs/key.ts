import type { Options } from '../types.js';
import { VERSION } from '../version.js';

/** Claims that differ from token to token of the same user. */
const PASSING = new Set(['exp', 'iat', 'nbf', 'jti']);

/** What tabs must have in common to share a session: the hub, who they are and what they may do, and what they want of a link. */
export async function keyOf(base: string, options: Options, token: string | null): Promise<string> {
  const { user, info, transports, ssePoll, autoUpgrade } = options;
  const text = JSON.stringify([VERSION, base, user, info, transports, ssePoll, autoUpgrade, identity(token)]);
  const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text));
  return Array.from(new Uint8Array(hash, 0, 16), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** What a token says of the user and the grant; one that can't be read stands for itself. */
function identity(token: string | null): unknown {
  if (token === null) return null;
  try {
    const payload = atob((token.split('.')[1] ?? '').replace(/-/g, '+').replace(/_/g, '/'));
    const claims = Object.entries(JSON.parse(payload) as object).filter(([name]) => !PASSING.has(name));
    return claims.sort(([a], [b]) => (a < b ? -1 : 1));
  } catch {
    return token;
  }
}
