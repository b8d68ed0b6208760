import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const top = join(dirname(fileURLToPath(import.meta.url)), '../../..');
export const output = join(top, 'tests/output');
mkdirSync(output, { recursive: true });

const END_MS = 10_000;

/** A built binary of the workspace. */
export const binary = (name) => join(process.env.CARGO_TARGET_DIR ?? join(top, 'target'), 'debug', name);

/** A child process whose output goes to tests/output/<log>.log and which ends when it is told to. */
export class Process {
  constructor(path, args, { log, env = {} }) {
    this.child = spawn(path, args, { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, ...env } });
    this.log = createWriteStream(join(output, `${log}.log`), { flags: 'a' });
    this.child.stdout.pipe(this.log, { end: false });
    this.child.stderr.pipe(this.log, { end: false });
    this.exited = once(this.child, 'exit').then(([code, signal]) => ({ code, signal }));
    this.failed = once(this.child, 'error').then(([error]) => Promise.reject(error));
    this.failed.catch(() => {});
  }

  /** The first line on stdout. */
  async firstLine(within_ms = END_MS) {
    const line = new Promise((resolve) => {
      let text = '';
      this.child.stdout.on('data', (chunk) => {
        text += chunk;
        if (text.includes('\n')) resolve(text.slice(0, text.indexOf('\n')));
      });
    });
    const ended = this.exited.then(() => Promise.reject(new Error('it ended before its first line')));
    return within(Promise.race([line, ended, this.failed]), within_ms, 'the first line');
  }

  /** Asks it to end; kills it if it doesn't. Returns how it ended. */
  async stop(signal = 'SIGTERM') {
    this.child.kill(signal);
    const late = setTimeout(() => this.child.kill('SIGKILL'), END_MS);
    const end = await this.exited;
    clearTimeout(late);
    this.log.end();
    return end;
  }
}

/** Fails where the promise takes longer. */
export async function within(promise, ms, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took longer than ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Looks until `see` returns something true; fails after `ms`, with what was seen last. */
export async function until(see, what, ms = 20_000) {
  const end = Date.now() + ms;
  for (;;) {
    const seen = await see();
    if (seen) return seen;
    if (Date.now() > end) throw new Error(`${typeof what === 'function' ? await what() : what}: not within ${ms} ms`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
