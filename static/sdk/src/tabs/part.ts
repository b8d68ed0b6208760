export { Seats } from './seats.js';
export { Shared } from './shared.js';
