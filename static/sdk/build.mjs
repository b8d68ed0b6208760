// Builds dist/: the bundles and the declarations of the public API. `--check` builds beside it and fails if dist is stale.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, normalize, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const here = dirname(fileURLToPath(import.meta.url));
const dist = join(here, 'dist');
const check = process.argv.includes('--check');
const temp = mkdtempSync(join(tmpdir(), 'crosspoint-sdk-'));

/** What is built, from where, and under which global name. */
const BUNDLES = {
  'crosspoint.js': { entry: 'src/index.ts' },
  'crosspoint.global.js': { entry: 'src/index.ts', globalName: 'Crosspoint' },
  'crosspoint-io.js': { entry: 'src/io/index.ts' },
  'crosspoint-io.global.js': { entry: 'src/io/global.ts', global: true },
  'crosspoint-io-server.js': { entry: 'src/io-server/index.ts' },
  'crosspoint-plain.js': { entry: 'src/plain/index.ts' },
};
/** What bundles load when it is wanted (src/parts.ts), each from a file of its own. */
const PARTS = {
  'crosspoint-bulk.js': 'src/bulk/bulk.ts',
  'crosspoint-calls.js': 'src/rtc/calls/part.ts',
  'crosspoint-rtc.js': 'src/rtc/index.ts',
  'crosspoint-store.js': 'src/offline/indexeddb.ts',
  'crosspoint-tabs.js': 'src/tabs/part.ts',
};
/** What parts must not have twice, since it is told apart by identity or has a memory: whoever loads a part gives it its own. */
const KIT = {
  'src/driver.ts': ['Driver'],
  'src/codes.ts': ['CrosspointError'],
  'src/emitter.ts': ['Emitter', 'guarded'],
  'src/frame.ts': ['decode', 'encode', 'encodeText', 'frameOf', 'isCounted', 'isLinkFrame', 'textLength', 'payloadBytes', 'snapshot', 'utf8Length'],
};
const TYPES = ['index.d.ts', 'io/index.d.ts', 'io-server/index.d.ts', 'plain/index.d.ts'];

const version = /'(.+)'/.exec(readFileSync(join(here, 'src/version.ts'), 'utf8'))[1];

/** In a bundle: parts are fetched from beside it, and given the kit. A script of another origin has to look up where it is. */
const loader = (global) => ({
  name: 'loader',
  setup({ onLoad }) {
    onLoad({ filter: /\/src\/parts\.ts$/ }, ({ path }) => {
      const imports = Object.entries(KIT).map(([file, names]) => `import { ${names.join(', ')} } from '${join(here, file)}';\n`);
      const kit = `const kit = { version: '${version}', ${Object.values(KIT).flat().join(', ')} };\n`;
      const text = readFileSync(path, 'utf8').replace(/import\('(\..+?)'\)/g, (_, file) => {
        const source = resolve(dirname(path), file.replace(/\.js$/, '.ts'));
        const part = Object.keys(PARTS).find((name) => join(here, PARTS[name]) === source);
        if (!part) throw new Error(`${file} is not among the PARTS`);
        return `import(${global ? `beside('./${part}')` : `'./${part}'`}).then((part) => part.default(kit))`;
      });
      const beside = global ? BESIDE : '';
      return { contents: imports.join('') + kit + beside + text, loader: 'ts', resolveDir: dirname(path) };
    });
  },
});

const BESIDE = `
const script = typeof document === 'object' ? (document.currentScript as HTMLScriptElement | null)?.src : undefined;
const beside = (path: string) => (script ? new URL(path, script).href : path);
`;

/** In a part: what the kit has is taken from there. */
const kitted = {
  name: 'kitted',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^\./ }, ({ path, resolveDir }) => {
      const file = relative(here, resolve(resolveDir, path.replace(/\.js$/, '.ts')));
      return KIT[file] && { path: file, namespace: 'kit' };
    });
    onLoad({ filter: /./, namespace: 'kit' }, ({ path }) => ({ contents: `export const { ${KIT[path].join(', ')} } = kit;` }));
  },
};

/** A part as a module whose default export makes it of a kit. */
async function part(entry) {
  const text = await bundle({ entry, globalName: 'part', plugins: [kitted] });
  const check = `if(kit.version!=='${version}')throw new Error('it is of version ${version}, the page has '+kit.version);`;
  return `export default function(kit){${check}${text}return part}\n`;
}

async function bundle({ entry, globalName, global = globalName !== undefined, plugins = [loader(global)] }) {
  const built = await build({
    absWorkingDir: here,
    entryPoints: [entry],
    bundle: true,
    write: false,
    minify: true,
    target: 'es2021',
    legalComments: 'none',
    charset: 'utf8',
    format: global ? 'iife' : 'esm',
    globalName,
    plugins,
    external: Object.keys(PARTS).map((name) => `./${name}`),
  });
  return built.outputFiles[0].text;
}

async function bundles() {
  const made = Object.entries(BUNDLES).map(async ([name, what]) => [name, await bundle(what)]);
  const parts = Object.entries(PARTS).map(async ([name, entry]) => [name, await part(entry)]);
  return Object.fromEntries(await Promise.all([...made, ...parts]));
}

/** Declarations that the entries' need, directly or not; the internal ones stay out. */
function declarations() {
  const tsc = join(here, 'node_modules/typescript/bin/tsc');
  const flags = ['--noEmit', 'false', '--declaration', '--emitDeclarationOnly', '--stripInternal', '--rootDir', 'src', '--outDir', temp];
  execFileSync(process.execPath, [tsc, '-p', join(here, 'tsconfig.build.json'), ...flags], { cwd: here, stdio: 'inherit' });
  const files = {};
  const wanted = [...TYPES];
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
  for (const name of Object.keys({ ...BUNDLES, ...PARTS })) {
    const bytes = Buffer.byteLength(made[name]);
    console.log(`${name}: ${bytes} bytes, ${gzipSync(made[name], { level: 9 }).length} gzipped`);
  }
} finally {
  rmSync(temp, { recursive: true, force: true });
}
