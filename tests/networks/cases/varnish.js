import { varnish } from '../lib/boxes.js';

export default {
  title: 'Varnish as it comes',
  why: 'Drops the Upgrade, so that WebSocket fails at once; streams flow.',
  wins: 'sse',
  needs: ['varnishd'],
  box: varnish(),
  becomes: 'nginx-correct',
};
