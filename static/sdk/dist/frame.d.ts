/** Who sent something; `session` is absent when a backend did. */
export interface Sender {
    user?: string;
    session?: string;
}
/** A frame of the protocol. A binary payload is a `Uint8Array` in `data`. */
export interface Frame {
    type: string;
    data?: unknown;
    room?: string;
    id?: string;
    to?: string;
    request?: string;
    volatile?: true | string;
    echo?: boolean;
    from?: Sender;
    offset?: number;
    ts?: number;
    timeout_ms?: number;
    error?: {
        code: string;
        message: string;
    };
    /** It came by a bulk session. */
    bulk?: true;
}
/** Whether a frame of this type speaks about the link, not the session. */
export declare function isLinkFrame(type: string): boolean;
/** Whether the frame has a number in the session's sequence. */
export declare function isCounted(frame: Frame): boolean;
/** Length in UTF-8 bytes. */
export declare function utf8Length(text: string): number;
/** A copy of bytes: what the application does with its own later is not what it sent. */
export declare function snapshot(data: unknown): unknown;
/** The text message that is no frame but a beat: a sign of life. */
export declare const BEAT = "{}";
/** How many bytes a frame's data has, as JSON or as it is. */
export declare function payloadBytes(frame: Frame): number;
/** As JSON text; a binary payload becomes `data64`. A frame is encoded once: what becomes of its data later changes nothing. */
export declare function encodeText(frame: Frame): string;
/** How long `encodeText` makes it (UTF-8 bytes). */
export declare function textLength(frame: Frame): number;
/** As a binary frame where the payload is binary, else as JSON text. */
export declare function encode(frame: Frame): string | Uint8Array;
/** The frame in a text or binary message, or `null` if it isn't a valid one. */
export declare function decode(message: string | ArrayBuffer | Uint8Array): Frame | null;
/** Checks parsed JSON to be a frame and turns `data64` into bytes. */
export declare function frameOf(value: unknown): Frame | null;
