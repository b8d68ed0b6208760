import { squid } from '../lib/boxes.js';

const config = (connect) => ({ listen }) => `
    http_port ${listen}
    acl SSL_ports port 443
    acl CONNECT method CONNECT
    ${connect}
    http_access allow localhost`;

export default {
  title: 'Squid as forward proxy, plain HTTP',
  why: 'Browsers ask a proxy for a tunnel (CONNECT) even for `ws:`, and Squid gives tunnels to port 443 only. Streams flow. In its other state it gives tunnels to all ports.',
  wins: 'sse',
  forward: true,
  needs: ['squid'],
  box: squid(config('http_access deny CONNECT !SSL_ports')),
  becomes: { box: squid(config('')) },
};
