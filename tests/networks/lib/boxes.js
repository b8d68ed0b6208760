import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { listening } from './ports.js';

/** Each of these takes what a network's file says of the software's configuration, and makes something that starts it for a
 * site (`Site` in site.js) and resolves when it listens. */

const root = process.getuid() === 0;

function write(dir, name, text) {
  const path = join(dir, name);
  writeFileSync(path, text);
  return path;
}

export const nginx = (server) => async (site) => {
  const { dir, listen } = site;
  const places = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  const config = write(dir, 'nginx.conf', `
    daemon off;
    ${root ? 'user root;' : ''}
    worker_processes 1;
    pid ${dir}/nginx.pid;
    error_log stderr warn;
    events { worker_connections 512; }
    http {
      access_log off;
      ${places.map((place) => `${place}_temp_path ${dir}/${place};`).join('\n')}
      ${server(site)}
    }`);
  site.run('nginx', ['-p', dir, '-c', config, '-e', 'stderr']);
  await listening(listen);
};

export const haproxy = (config) => async (site) => {
  site.run('haproxy', ['-db', '-f', write(site.dir, 'haproxy.cfg', `${unindented(config(site))}\n`)]);
  await listening(site.listen);
};

export const varnish = () => async ({ dir, listen, hub, run }) => {
  run('varnishd', ['-F', '-n', join(dir, 'varnish'), '-a', listen, '-b', hub, '-s', 'malloc,16m']);
  await listening(listen);
};

export const squid = (config) => async (site) => {
  const { dir, listen, ca } = site;
  const text = config(site);
  if (text.includes('security_file_certgen')) {
    const made = spawnSync('/usr/lib/squid/security_file_certgen', ['-c', '-s', `${dir}/certs`, '-M', '4MB']);
    if (made.status !== 0) throw new Error(`security_file_certgen: ${made.stderr}`);
  }
  const path = write(dir, 'squid.conf', `${unindented(text)}
visible_hostname laboratory
pid_filename none
cache deny all
access_log none
cache_log ${dir}/cache.log
coredump_dir ${dir}
shutdown_lifetime 0 seconds
`);
  writeFileSync(`${dir}/ca.pem`, readFileSync(ca.cert, 'utf8') + readFileSync(ca.key, 'utf8'));
  // As root it turns into the user "proxy".
  if (root) spawnSync('chown', ['-R', 'proxy:', dir]);
  site.run('squid', ['-N', '-f', path]);
  await listening(listen);
};

export const mitmproxy = (...options) => async ({ dir, listen, mitmdump, run }) => {
  const [host, port] = listen.split(':');
  const home = join(dir, 'mitmproxy');
  mkdirSync(home);
  chmodSync(home, 0o700);
  run(mitmdump, ['-q', '--listen-host', host, '-p', port, '--set', `confdir=${home}`, '--ssl-insecure', ...options]);
  await listening(listen);
};

/** haproxy's and squid's sections begin at the line's first column. */
function unindented(text) {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const indent = Math.min(...lines.map((line) => line.search(/\S/)));
  return lines.map((line) => line.slice(indent)).join('\n');
}
