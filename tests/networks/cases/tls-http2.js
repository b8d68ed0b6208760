export default {
  title: 'the hub’s own TLS, HTTP/2',
  why: 'All requests share one connection; a WebSocket has its own.',
  wins: 'websocket',
  scheme: 'https',
  becomes: 'nginx-buffering-only',
};
