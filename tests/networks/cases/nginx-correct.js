import { nginx } from '../lib/boxes.js';

export default {
  title: 'nginx as its manual says for WebSocket',
  why: 'Everything passes: the reference for all other rows.',
  wins: 'websocket',
  needs: ['nginx'],
  box: nginx(({ listen, hub }) => `
    server {
      listen ${listen};
      location / {
        proxy_pass http://${hub};
        proxy_http_version 1.1;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection "upgrade";
        proxy_set_header Host $http_host;
        proxy_read_timeout 1h;
      }
    }`),
  becomes: 'nginx-bare',
};
