import type { Clock } from '../clock.js';
/** How many requests the tabs of this browser may keep waiting at one host. A client has one place at most, however many of its
 * links use it. */
export declare class Crowd {
    private readonly clock;
    private readonly me;
    private users;
    private leave;
    private asking;
    constructor(clock: Clock);
    /** Asks for the right to keep requests to `url` waiting. Returns what gives it back, or `null` where there are too many. */
    take(url: string): Promise<(() => void) | null>;
    private enter;
    private lock;
    private ask;
}
