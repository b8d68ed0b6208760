export default {
  title: "the hub's own TLS, HTTP/1.1",
  why: 'A browser that offers no HTTP/2.',
  wins: 'websocket',
  scheme: 'https',
  flags: ['--disable-quic', '--disable-http2'],
  becomes: 'nginx-buffering',
};
