export { Switchboard } from './switchboard.js';
