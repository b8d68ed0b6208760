declare module 'node:test' {
  export const test: any, after: any, before: any, afterEach: any, beforeEach: any;
  export type TestContext = any;
}
declare module 'node:assert/strict';
declare module 'node:fs';
declare module 'node:path';
declare module 'node:http';
declare module 'node:zlib';
declare module 'node:crypto';
declare const Buffer: any;
declare const process: { env: Record<string, string | undefined>; cwd(): string };
