import { nginx } from '../lib/boxes.js';

export default {
  title: 'nginx, bare `proxy_pass`',
  why: 'Speaks HTTP/1.0 to the hub, passes no Upgrade and buffers answers. WebSocket fails at once; a stream flows because the hub says `X-Accel-Buffering: no`.',
  wins: 'sse',
  needs: ['nginx'],
  box: nginx(({ listen, hub }) => `
    server {
      listen ${listen};
      location / {
        proxy_pass http://${hub};
      }
    }`),
  becomes: 'nginx-correct',
};
