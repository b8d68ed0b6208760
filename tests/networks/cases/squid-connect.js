import { squid } from '../lib/boxes.js';

export default {
  title: 'Squid as forward proxy, CONNECT',
  why: 'A page over TLS goes through tunnels, in which everything passes.',
  wins: 'websocket',
  scheme: 'https',
  forward: true,
  needs: ['squid'],
  box: squid(({ listen, hub }) => `
    http_port ${listen}
    acl SSL_ports port ${hub.split(':')[1]}
    acl CONNECT method CONNECT
    http_access deny CONNECT !SSL_ports
    http_access allow localhost`),
  becomes: 'squid-bump',
};
