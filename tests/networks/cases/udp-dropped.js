export default {
  title: 'UDP dropped',
  why: 'Many firewalls. The hub lives in a network namespace of its own, where nftables drops all UDP: WebTransport is offered and never comes about. In its other state UDP passes.',
  wins: 'websocket',
  needs: ['ip', 'nft', 'ss'],
  space: { udp: 'drop' },
  turns: [{ rules: { udp: 'pass' } }, { rules: { udp: 'drop' } }],
};
