import { haproxy } from '../lib/boxes.js';

export default {
  title: 'haproxy, time-outs of 3 s',
  why: 'No `timeout tunnel`: a WebSocket is cut when either side is silent for 3 s. Beats come sooner.',
  wins: 'websocket',
  needs: ['haproxy'],
  box: haproxy(({ listen, hub }) => `
    defaults
      mode http
      timeout connect 3s
      timeout client 3s
      timeout server 3s
    listen hub
      bind ${listen}
      server hub ${hub}`),
  becomes: 'nginx-bare',
};
