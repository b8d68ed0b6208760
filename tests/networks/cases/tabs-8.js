const rules = { http: [{ match: { upgrade: true }, do: 'strip_upgrade' }] };

export default {
  title: 'eight tabs on HTTP/1.1 without WebSocket',
  why: "A browser opens six connections to a host: six streams fill them, and neither the other tabs nor any POST get through. With `tabs: 'shared'` all share one link.",
  wins: 'sse',
  tabs: 8,
  options: { tabs: 'shared' },
  rules,
  turns: [{ rules: {} }, { rules }],
};
