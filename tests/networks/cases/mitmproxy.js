import { mitmproxy } from '../lib/boxes.js';

export default {
  title: 'mitmproxy as it comes',
  why: 'Opens TLS and holds every answer back until it is whole, as virus scanners do: a stream never arrives. WebSocket passes.',
  wins: 'websocket',
  scheme: 'https',
  forward: true,
  needs: ['mitmdump'],
  box: mitmproxy(),
  becomes: 'squid-connect',
};
