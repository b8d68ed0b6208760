export default {
  title: "the hub's own TLS, HTTP/2",
  why: 'All requests share one connection; a WebSocket has its own. Where that one connection becomes a black hole and WebSocket fails too, all requests hang until the browser itself gives it up, after some ten seconds.',
  wins: 'websocket',
  scheme: 'https',
  becomes: 'nginx-buffering-only',
};
