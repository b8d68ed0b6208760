/** Where a hub is, and which namespace is wanted, from what `io()` was given. */
export interface Address {
  base: string;
  nsp: string;
  query: Record<string, string>;
}

/** `/chat`, `host`, `//host`, `https://host/chat?name=value`: the path is the namespace. */
export function addressOf(uri: string | undefined, path: string | undefined): Address {
  const page = typeof location === 'undefined' ? undefined : location.origin;
  let full = uri ?? page;
  if (full === undefined) throw new TypeError('outside of a page io() needs the address of the hub');
  if (!/^(https?|wss?):\/\//.test(full)) {
    const scheme = page?.startsWith('http:') || page === undefined ? 'http:' : 'https:';
    if (full.startsWith('//')) full = scheme + full;
    else full = full.startsWith('/') ? (page ?? 'http://localhost') + full : `${scheme}//${full}`;
  }
  const url = new URL(full);
  const below = path && !/^\/?socket\.io\/?$/.test(path) ? `/${path.replace(/^\/|\/$/g, '')}` : '';
  return {
    base: `${url.protocol.replace(/^ws/, 'http')}//${url.host}${below}`,
    nsp: decodeURI(url.pathname) || '/',
    query: Object.fromEntries(url.searchParams),
  };
}
