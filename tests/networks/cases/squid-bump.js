import { squid } from '../lib/boxes.js';

export default {
  title: 'Squid that opens TLS (`ssl-bump`)',
  why: 'The usual company proxy: reads what is in the tunnel, and strips the Upgrade. Streams flow.',
  wins: 'sse',
  scheme: 'https',
  forward: true,
  needs: ['squid', 'security_file_certgen'],
  box: squid(({ listen, dir }) => `
    http_port ${listen} ssl-bump tls-cert=${dir}/ca.pem generate-host-certificates=on dynamic_cert_mem_cache_size=4MB
    sslcrtd_program /usr/lib/squid/security_file_certgen -s ${dir}/certs -M 4MB
    sslcrtd_children 2 startup=1
    ssl_bump bump all
    tls_outgoing_options flags=DONT_VERIFY_PEER
    http_access allow localhost`),
  becomes: 'squid-bump-mitmproxy',
};
