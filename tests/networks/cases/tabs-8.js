const rules = { http: [{ match: { upgrade: true }, do: 'strip_upgrade' }] };

export default {
  title: 'eight tabs on HTTP/1.1 without WebSocket',
  why: 'A browser opens six connections to a host: some tabs stream, and those whose stream has to wait for a connection poll.',
  wins: ['sse-poll', 'sse'],
  tabs: 8,
  rules,
  turns: [{ rules: {} }, { rules }],
};
