export default {
  title: 'UDP allowed',
  why: 'The same cable with UDP; in its other state it is dropped.',
  wins: 'websocket',
  needs: ['ip', 'nft', 'ss'],
  space: { udp: 'pass' },
  turn: { udp: 'drop' },
};
