import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { promisify } from 'node:util';

const run = promisify(execFile);
const PREFIX = 'crosspoint-lab-';

/** Both ends of a cable. The addresses are of 198.18.0.0/15, which RFC 2544 keeps for laboratories; others may run on this machine. */
export function addresses(number) {
  const net = `198.18.${process.pid % 256}.`;
  return { near: `${net}${4 * number + 1}`, far: `${net}${4 * number + 2}` };
}

/** A network namespace in which a hub lives, reached by a cable of its own (veth); nftables decides what
 * arrives. */
export class Namespace {
  static async make(number, rules = {}) {
    const space = new Namespace();
    space.name = `${PREFIX}${process.pid}-${number}`;
    space.cable = `cplab${process.pid % 100_000}-${number}`;
    const { near, far } = addresses(number);
    space.address = far;
    const ip = (...args) => run('ip', args);
    await ip('netns', 'add', space.name);
    try {
      await ip('link', 'add', space.cable, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', space.name);
      await ip('address', 'add', `${near}/30`, 'dev', space.cable);
      await ip('link', 'set', space.cable, 'up');
      await ip('-n', space.name, 'address', 'add', `${far}/30`, 'dev', 'eth0');
      await ip('-n', space.name, 'link', 'set', 'eth0', 'up');
      await ip('-n', space.name, 'link', 'set', 'lo', 'up');
      await space.nft(`
        table inet lab {
          set dead { type inet_service; }
          set refused { type inet_service; }
          chain rules { }
          chain in {
            type filter hook input priority 0;
            tcp sport @dead drop
            udp sport @dead drop
            tcp sport @refused reject with tcp reset
            jump rules
          }
          chain out {
            type filter hook output priority 0;
            tcp dport @dead drop
            udp dport @dead drop
          }
        }`);
      await space.rules(rules);
    } catch (error) {
      await space.stop();
      throw error;
    }
    return space;
  }

  /** Why there can be none here, or null. */
  static async missing() {
    if (process.getuid() !== 0) return 'network namespaces need root';
    const name = `${PREFIX}${process.pid}-try`;
    try {
      await run('ip', ['netns', 'add', name]);
      await run('ip', ['netns', 'exec', name, 'nft', 'list', 'ruleset']);
      return null;
    } catch (error) {
      return `network namespaces can't be had: ${String(error.stderr || error.message).trim()}`;
    } finally {
      await run('ip', ['netns', 'delete', name]).catch(() => {});
    }
  }

  /** Removes what laboratories left behind that were killed. */
  static async sweep() {
    const { stdout } = await run('ip', ['netns', 'list']).catch(() => ({ stdout: '' }));
    const alive = new Set(readdirSync('/proc'));
    for (const [, name, pid] of stdout.matchAll(/^(crosspoint-lab-(\d+)-\S+)/gm)) {
      if (!alive.has(pid)) await run('ip', ['netns', 'delete', name]);
    }
  }

  /** The command that runs another one in here. */
  get exec() {
    return ['/usr/sbin/ip', 'netns', 'exec', this.name];
  }

  nft(text) {
    const child = run('ip', ['netns', 'exec', this.name, 'nft', '-f', '-']);
    child.child.stdin.end(text);
    return child;
  }

  /** `udp`: `drop` or `pass`. */
  rules({ udp = 'pass' }) {
    return this.nft(`flush chain inet lab rules\n${udp === 'drop' ? 'add rule inet lab rules meta l4proto udp drop\n' : ''}`);
  }

  /** What becomes of the connections that run now: `swallow`, `reset` (those over UDP are swallowed then, too) or `keep`. Returns how
   * many there were. */
  async end(how) {
    // The browser is on this side of the cable.
    const { stdout } = await run('ss', ['-Htun', 'dst', this.address]);
    const ports = (kind) =>
      stdout.split('\n').flatMap((line) => (line.startsWith(kind) ? line.trim().split(/\s+/)[4].split(':').pop() : []));
    const [tcp, udp] = [ports('tcp'), ports('udp')];
    const put = (set, ports) => ports.length > 0 && this.nft(`add element inet lab ${set} { ${[...new Set(ports)].join(', ')} }`);
    if (how !== 'keep') {
      await put(how === 'reset' ? 'refused' : 'dead', tcp);
      await put('dead', udp);
    }
    return tcp.length + udp.length;
  }

  stop() {
    // The cable goes with it.
    return run('ip', ['netns', 'delete', this.name]);
  }
}
