export default {
  title: 'UDP allowed',
  why: 'The same cable with UDP: WebTransport is an upgrade, tried once another link is there. In its other state UDP is dropped, and nothing else happens to running connections.',
  wins: 'websocket',
  settles: 'webtransport',
  needs: ['ip', 'nft', 'ss'],
  space: { udp: 'pass' },
  turns: [{ rules: { udp: 'drop' }, running: 'keep' }, { rules: { udp: 'pass' }, running: 'keep' }],
};
