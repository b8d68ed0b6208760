// Builds dist/: both bundles and the declarations of the public API. `--check` builds beside it and fails if dist is stale.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, normalize, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const here = dirname(fileURLToPath(import.meta.url));
const dist = join(here, 'dist');
const check = process.argv.includes('--check');
const temp = mkdtempSync(join(tmpdir(), 'crosspoint-sdk-'));

async function bundles() {
  const common = {
    absWorkingDir: here,
    entryPoints: ['src/index.ts'],
    bundle: true,
    write: false,
    minify: true,
    target: 'es2021',
    legalComments: 'none',
    charset: 'utf8',
  };
  const esm = await build({ ...common, format: 'esm' });
  const global = await build({ ...common, format: 'iife', globalName: 'Crosspoint' });
  return { 'crosspoint.js': esm.outputFiles[0].text, 'crosspoint.global.js': global.outputFiles[0].text };
}

/** Declarations that index.d.ts needs, directly or not; the internal ones stay out. */
function declarations() {
  const tsc = join(here, 'node_modules/typescript/bin/tsc');
  const flags = ['--noEmit', 'false', '--declaration', '--emitDeclarationOnly', '--rootDir', 'src', '--outDir', temp];
  execFileSync(process.execPath, [tsc, '-p', join(here, 'tsconfig.build.json'), ...flags], { cwd: here, stdio: 'inherit' });
  const files = {};
  const wanted = ['index.d.ts'];
  for (let name = wanted.pop(); name; name = wanted.pop()) {
    if (files[name]) continue;
    files[name] = readFileSync(join(temp, name), 'utf8');
    for (const [, path] of files[name].matchAll(/from '(\.[^']+)\.js'/g)) wanted.push(normalize(join(dirname(name), `${path}.d.ts`)));
    for (const [, path] of files[name].matchAll(/from "(\.[^"]+)\.js"/g)) wanted.push(normalize(join(dirname(name), `${path}.d.ts`)));
  }
  return files;
}

function present() {
  const files = {};
  for (const entry of readdirSync(dist, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath ?? entry.path, entry.name);
    if (entry.isFile()) files[relative(dist, path)] = readFileSync(path, 'utf8');
  }
  return files;
}

try {
  const made = { ...(await bundles()), ...declarations() };
  if (check) {
    const old = present();
    const stale = [...new Set([...Object.keys(made), ...Object.keys(old)])].filter((name) => made[name] !== old[name]);
    if (stale.length > 0) {
      console.error(`dist is stale: ${stale.join(', ')}; run npm run build and commit dist`);
      process.exitCode = 1;
    }
  } else {
    rmSync(dist, { recursive: true, force: true });
    for (const [name, text] of Object.entries(made)) {
      mkdirSync(dirname(join(dist, name)), { recursive: true });
      writeFileSync(join(dist, name), text);
    }
  }
  for (const name of ['crosspoint.js', 'crosspoint.global.js']) {
    const bytes = Buffer.byteLength(made[name]);
    console.log(`${name}: ${bytes} bytes, ${gzipSync(made[name], { level: 9 }).length} gzipped`);
  }
} finally {
  rmSync(temp, { recursive: true, force: true });
}
