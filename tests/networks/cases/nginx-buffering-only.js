import { nginx } from '../lib/boxes.js';

export default {
  title: 'the same without Upgrade',
  why: 'Neither WebSocket nor a stream gets through; answers that end do. Polls are all that is left.',
  wins: 'sse-poll',
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
        proxy_set_header Connection "";
        proxy_set_header Host $http_host;
        proxy_buffering on;
        proxy_ignore_headers X-Accel-Buffering;
      }
    }`),
  becomes: 'tls-http1',
};
