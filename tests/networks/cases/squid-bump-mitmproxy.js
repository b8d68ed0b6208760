import { mitmproxy, squid } from '../lib/boxes.js';

export default {
  title: 'Squid that opens TLS, and mitmproxy behind it',
  why: 'Each breaks what the other lets through: no Upgrade, no stream. Polls get through.',
  wins: 'sse-poll',
  scheme: 'https',
  forward: true,
  needs: ['squid', 'security_file_certgen', 'mitmdump'],
  async box(site) {
    const scanner = `127.0.0.1:${await site.port()}`;
    await mitmproxy()({ ...site, listen: scanner });
    await squid(({ listen, dir }) => `
      http_port ${listen} ssl-bump tls-cert=${dir}/ca.pem generate-host-certificates=on dynamic_cert_mem_cache_size=4MB
      sslcrtd_program /usr/lib/squid/security_file_certgen -s ${dir}/certs -M 4MB
      sslcrtd_children 2 startup=1
      ssl_bump bump all
      tls_outgoing_options flags=DONT_VERIFY_PEER
      cache_peer 127.0.0.1 parent ${scanner.split(':')[1]} 0 no-query default
      never_direct allow all
      http_access allow localhost`)(site);
  },
  becomes: 'mitmproxy',
};
