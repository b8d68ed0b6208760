// Tokens made by Node's own cryptography (OpenSSL), for the tests of ours: node make.mjs > vectors.json
// The keys are made anew each time; what is committed stays good, as nothing in it ends before 2100.
import { constants, createHmac, generateKeyPairSync, randomBytes, sign } from 'node:crypto'

const claims = { sub: 'alice', iss: 'https://id.example.com', iat: 1_700_000_000, exp: 4_102_444_800, jti: 'vector' }
const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const keys = {
  RSA: rsa,
  'P-256': generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  'P-384': generateKeyPairSync('ec', { namedCurve: 'P-384' }),
  Ed25519: generateKeyPairSync('ed25519'),
}
const secret = randomBytes(64)
const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
const ieee = { dsaEncoding: 'ieee-p1363' }
const ways = [
  ['HS256', 'secret', (m) => createHmac('sha256', secret).update(m).digest()],
  ['HS384', 'secret', (m) => createHmac('sha384', secret).update(m).digest()],
  ['HS512', 'secret', (m) => createHmac('sha512', secret).update(m).digest()],
  ['RS256', 'RSA', (m, key) => sign('sha256', m, key)],
  ['RS384', 'RSA', (m, key) => sign('sha384', m, key)],
  ['RS512', 'RSA', (m, key) => sign('sha512', m, key)],
  ['PS256', 'RSA', (m, key) => sign('sha256', m, { key, ...pss })],
  ['PS384', 'RSA', (m, key) => sign('sha384', m, { key, ...pss })],
  ['PS512', 'RSA', (m, key) => sign('sha512', m, { key, ...pss })],
  ['ES256', 'P-256', (m, key) => sign('sha256', m, { key, ...ieee })],
  ['ES384', 'P-384', (m, key) => sign('sha384', m, { key, ...ieee })],
  ['EdDSA', 'Ed25519', (m, key) => sign(null, m, key)],
]
const tokens = ways.map(([alg, of, make]) => {
  const signed = `${part({ alg, typ: 'JWT', kid: of })}.${part(claims)}`
  return { alg, key: of, token: `${signed}.${make(Buffer.from(signed), keys[of]?.privateKey).toString('base64url')}` }
})
const shown = Object.entries(keys).map(([name, { publicKey, privateKey }]) => [
  name,
  {
    jwk: { ...publicKey.export({ format: 'jwk' }), kid: name },
    public: publicKey.export({ format: 'pem', type: 'spki' }),
    private: privateKey.export({ format: 'pem', type: 'pkcs8' }),
  },
])
shown.push(['secret', { jwk: { kty: 'oct', k: secret.toString('base64url'), kid: 'secret' } }])
console.log(JSON.stringify({ keys: Object.fromEntries(shown), tokens }, null, 2))
