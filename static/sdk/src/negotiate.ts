import type { Clock } from './clock.js';
import { CrosspointError } from './codes.js';
import { post } from './links/http.js';
import { VERSION } from './version.js';

export const CLIENT = { name: 'crosspoint-js', version: VERSION };

/** A transport family as negotiation names it. */
export type Family = 'websocket' | 'sse' | 'webtransport' | 'webrtc';

const FAMILIES: readonly unknown[] = ['websocket', 'sse', 'webtransport', 'webrtc'] satisfies Family[];

export interface Offer {
  name: Family;
  url: string;
  head_start_ms: number;
  deadline_ms: number;
  /** Better than others where it works, which it doesn't everywhere. */
  upgrade: boolean;
  hashes: string[];
  /** What WebRTC may find paths by. */
  ice?: RTCIceServer[];
}

export interface Failed {
  transport: Family;
  code: string;
  age_ms: number;
}

export interface Negotiated {
  ticket: string | null;
  ticketUntil: number;
  offers: Offer[];
  postBytesMax: number | null;
  frameBytesMax: number | null;
  /** A name for the network the client is on, the same whenever it is there. */
  network: string | null;
  /** How long the exchange took (ms): what a round trip costs on this network, roughly. */
  tookMs: number;
}

export interface Ask {
  base: string;
  token: string | null;
  transports: Family[];
  failed: Failed[];
  user?: string | undefined;
  info?: object | undefined;
  deadlineMs: number;
}

/** The hub's address as an http(s) URL without a slash at its end; relative ones are of the page. */
export function baseUrl(url: string): string {
  const page = typeof location === 'undefined' ? undefined : location.href;
  const base = new URL(url, page);
  base.protocol = base.protocol.replace(/^ws/, 'http');
  base.search = base.hash = '';
  return base.href.replace(/\/+$/, '');
}

/** An offer's address below the hub's, with the scheme the transport wants. */
export function addressOf(base: string, offer: Offer): string {
  const url = /^[a-z]+:\/\//.test(offer.url) ? offer.url : base + offer.url;
  if (offer.name === 'webtransport') return url.replace(/^http:/, 'https:');
  return offer.name === 'websocket' ? url.replace(/^http/, 'ws') : url;
}

/** `POST /negotiate`: which transports to try, and a ticket for the hello. */
export async function negotiate(clock: Clock, fetchFn: typeof fetch, ask: Ask, signal: AbortSignal): Promise<Negotiated> {
  const { base, token, transports, failed, user, info, deadlineMs } = ask;
  const headers: Record<string, string> = { 'content-type': 'application/json' };
  if (token) headers.authorization = `Bearer ${token}`;
  const began = clock.now();
  const body = JSON.stringify({ version: 1, transports, failed, user, info, client: CLIENT });
  const answer = await post(clock, fetchFn, `${base}/negotiate`, body, (response) => response.json(), {
    headers,
    deadlineMs,
    signal,
  });
  return read(answer, began, clock.now());
}

/** What a client that can't negotiate knows: the usual addresses. */
export const DIRECT: Negotiated = {
  ticket: null,
  ticketUntil: 0,
  offers: [
    { name: 'websocket', url: '/ws', head_start_ms: 0, deadline_ms: 3_000, upgrade: false, hashes: [] },
    { name: 'sse', url: '/sse', head_start_ms: 300, deadline_ms: 4_000, upgrade: false, hashes: [] },
  ],
  postBytesMax: null,
  frameBytesMax: null,
  network: null,
  tookMs: 0,
};

function read(answer: unknown, began: number, now: number): Negotiated {
  const a = (answer ?? {}) as Record<string, unknown>;
  if (!Array.isArray(a.transports)) throw new CrosspointError('unavailable', 'not an answer of the hub');
  const limits = (a.limits ?? {}) as Record<string, unknown>;
  const offers = (a.transports as RawOffer[]).filter(
    (o): o is RawOffer & Offer => FAMILIES.includes(o?.name) && typeof o.url === 'string',
  );
  return {
    ticket: typeof a.ticket === 'string' ? a.ticket : null,
    ticketUntil: began + number(a.ticket_ms, 30_000),
    offers: offers.map((o) => ({
      name: o.name,
      url: o.url,
      head_start_ms: number(o.head_start_ms, 300),
      deadline_ms: number(o.deadline_ms, 4_000),
      upgrade: o.upgrade === true,
      hashes: strings(o.certificate_hashes),
      ice: o.name === 'webrtc' && Array.isArray(a.ice_servers) ? (a.ice_servers as RTCIceServer[]) : [],
    })),
    postBytesMax: number(limits.post_bytes_max, 0) || null,
    frameBytesMax: number(limits.frame_bytes_max, 0) || null,
    network: typeof a.network === 'string' ? a.network.slice(0, 64) : null,
    tookMs: now - began,
  };
}

type RawOffer = Partial<Offer> & { certificate_hashes?: unknown };

function strings(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string').slice(0, 8) : [];
}

function number(value: unknown, otherwise: number): number {
  return typeof value === 'number' && value >= 0 ? value : otherwise;
}
