// Bundles each test and runs them with Node's own runner.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const here = dirname(fileURLToPath(import.meta.url));
const out = mkdtempSync(join(tmpdir(), 'crosspoint-sdk-test-'));
const only = process.argv.slice(2).filter((arg) => !arg.startsWith('--'));
const names = readdirSync(here).filter((name) => name.endsWith('.test.ts') && (only.length === 0 || only.some((o) => name.includes(o))));
try {
  await build({
    entryPoints: names.map((name) => join(here, name)),
    outdir: out,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    platform: 'node',
    format: 'esm',
    sourcemap: 'inline',
  });
  const files = names.map((name) => join(out, name.replace(/\.ts$/, '.mjs')));
  const env = { ...process.env, SDK_DIR: dirname(here) };
  // Node 20 has its WebSocket behind a flag.
  const flags = typeof WebSocket === 'undefined' ? ['--experimental-websocket'] : [];
  flags.push(...process.argv.slice(2).filter((arg) => arg.startsWith('--')));
  const run = spawnSync(process.execPath, [...flags, '--enable-source-maps', '--test', '--test-reporter=spec', ...files], { stdio: 'inherit', env });
  process.exitCode = run.status ?? 1;
} finally {
  rmSync(out, { recursive: true, force: true });
}
