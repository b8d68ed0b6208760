import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Process, binary } from '../../browser/lib/process.js';
import { launch } from '../../browser/lib/browser.js';
import { freePort, listening } from './ports.js';

/** What all networks share: hubs, browsers, and the processes between them. Ends all that it started. */
export class Lab {
  /** `tools`: what tests/networks/run has prepared: `{ca: {cert, key}, mitmdump}`. `addresses`: of hubs outside of 127.0.0.1. */
  constructor(tools, addresses = []) {
    this.dir = mkdtempSync(join(tmpdir(), 'crosspoint-networks-'));
    chmodSync(this.dir, 0o755);
    this.tools = { ...tools, ...certificate(this.dir, tools.ca, ['127.0.0.1', ...addresses]) };
    this.ends = [() => rmSync(this.dir, { recursive: true, force: true })];
    this.hubs = new Map();
    this.browsers = new Map();
    this.boxes = new Map();
  }

  /** Runs until the laboratory is closed. */
  run(name, path, args) {
    const child = new Process(path, args, { log: `networks-${name}` });
    this.ends.push(() => child.stop());
    child.exited.then(({ code, signal }) => {
      if (!this.closing) console.error(`${name}: ${path} ended with ${signal ?? code}: see tests/output/networks-${name}.log`);
    });
    return child;
  }

  /** The hub that speaks `http` or `https`. Returns its address. */
  hub(scheme) {
    return this.once(this.hubs, scheme, async () => {
      const address = `127.0.0.1:${await freePort()}`;
      // No way around the proxies: they carry no UDP.
      await this.startHub(scheme, address, { args: ['--set', 'transports.webtransport.enabled=false'] });
      return address;
    });
  }

  async startHub(scheme, address, { args = [], wrap = [] }) {
    const { cert, key } = this.tools;
    const tls = scheme === 'https' ? ['--tls-cert', cert, '--tls-key', key] : [];
    const command = [...wrap, binary('crosspoint'), 'serve', '--dev', '--dev-insecure-listen', '--listen', address, ...tls, ...args];
    this.run(`hub-${address.split(':')[0]}-${scheme}`, command[0], command.slice(1));
    await listening(address);
  }

  /** A Chromium, with flags of its own where a network needs them. */
  browser(flags = []) {
    return this.once(this.browsers, flags.join(' '), async () => {
      const browser = await launch(flags);
      this.ends.push(() => browser.close());
      return browser;
    });
  }

  /** The software of a network's file, started once however many networks lead through it. Returns its address. */
  box(name, definition) {
    return this.once(this.boxes, name, async () => {
      if (!definition.box) return this.hub(definition.scheme ?? 'http');
      const dir = join(this.dir, name);
      mkdirSync(dir);
      chmodSync(dir, 0o755);
      const listen = `127.0.0.1:${await freePort()}`;
      const site = {
        ...this.tools,
        dir,
        listen,
        hub: await this.hub(definition.scheme ?? 'http'),
        port: freePort,
        run: (path, args) => this.run(name, path, args),
      };
      await definition.box(site);
      return listen;
    });
  }

  once(map, key, make) {
    if (!map.has(key)) map.set(key, make());
    return map.get(key);
  }

  async close() {
    this.closing = true;
    const [first, ...others] = this.ends.splice(0);
    await Promise.allSettled(others.reverse().map((end) => end()));
    first();
  }
}

/** A server's certificate, signed by the laboratory's authority. */
function certificate(dir, ca, addresses) {
  const [cert, key] = [join(dir, 'cert.pem'), join(dir, 'key.pem')];
  const names = addresses.map((address) => `IP:${address}`).join();
  execFileSync('openssl', ['req', '-x509', '-CA', ca.cert, '-CAkey', ca.key, '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256',
    '-nodes', '-days', '2', '-subj', '/CN=laboratory', '-addext', `subjectAltName=${names}`,
    '-addext', 'basicConstraints=critical,CA:FALSE', '-keyout', key, '-out', cert], { stdio: 'pipe' });
  return { cert, key };
}
