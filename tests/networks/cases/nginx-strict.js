import { nginx } from '../lib/boxes.js';

const strict = (upgrade) =>
  nginx(({ listen, hub }) => `
    server {
      listen ${listen};
      client_max_body_size 1k;
      location / {
        proxy_pass http://${hub};
        proxy_read_timeout 2s;
        proxy_http_version 1.1;
        proxy_set_header Upgrade ${upgrade};
        proxy_set_header Connection "upgrade";
        proxy_set_header Host $http_host;
      }
    }`);

export default {
  title: 'nginx, `proxy_read_timeout 2s`, `client_max_body_size 1k`',
  why: 'Ends a link on which the hub says nothing for 2 s, and answers 413 to a POST beyond 1 KiB. In its other state no Upgrade passes: POSTs are split.',
  wins: 'websocket',
  needs: ['nginx'],
  bytes: 300,
  box: strict('$http_upgrade'),
  becomes: { box: strict('""') },
};
