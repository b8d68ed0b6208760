import { createHmac } from 'node:crypto';

export const SECRET = 'a secret of thirty-two bytes or more';

/** Hub arguments with which these tokens count. */
export const SECURED = ['--set', `auth.jwt_secret=${SECRET}`, '--set', 'auth.jwt_leeway_s=0'];

const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

/** A token of the user that is over in so many seconds. */
export function sign(user, seconds, claims = {}) {
  const now = Date.now() / 1000;
  const text = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ sub: user, iat: Math.floor(now), exp: Math.ceil(now + seconds), ...claims })}`;
  return `${text}.${createHmac('sha256', SECRET).update(text).digest('base64url')}`;
}
