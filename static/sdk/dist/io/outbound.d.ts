/** An event on its way out. */
export interface Packet {
    event: string;
    args: unknown[];
    volatile: boolean;
    /** Names the callback that waits for its acknowledgement. */
    ack?: number;
    timeoutMs?: number | undefined;
}
/** Sends packets in order, also where the bytes of a Blob have to be read first. */
export declare class Outbound {
    private readonly send;
    private readonly failed;
    private tail;
    constructor(send: (packet: Packet, type: string, data: unknown) => void, failed: (packet: Packet, error: Error) => void);
    push(packet: Packet): void;
    private go;
    private after;
    private follow;
}
