import io from './index.js';

(globalThis as unknown as { io: typeof io }).io = io;
