import { nginx } from '../lib/boxes.js';

export default {
  title: 'nginx, TLS and HTTP/1.1, buffering forced',
  why: '`proxy_ignore_headers X-Accel-Buffering`: a stream stays in the buffer however it asks. WebSocket passes.',
  wins: 'websocket',
  scheme: 'https',
  needs: ['nginx'],
  box: nginx(({ listen, hub, cert, key }) => `
    server {
      listen ${listen} ssl;
      ssl_certificate ${cert};
      ssl_certificate_key ${key};
      location / {
        proxy_pass https://${hub};
        proxy_http_version 1.1;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection "upgrade";
        proxy_set_header Host $http_host;
        proxy_buffering on;
        proxy_ignore_headers X-Accel-Buffering;
      }
    }`),
  becomes: 'nginx-buffering-only',
};
