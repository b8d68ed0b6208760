export default {
  title: 'UDP dropped',
  why: 'Many firewalls. The hub lives in a network namespace of its own, where nftables drops all UDP; in its other state it passes.',
  wins: 'websocket',
  needs: ['ip', 'nft', 'ss'],
  space: { udp: 'drop' },
  turn: { udp: 'pass' },
};
