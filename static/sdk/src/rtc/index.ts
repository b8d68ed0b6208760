import type { Core } from '../core.js';
import type { Emitter } from '../emitter.js';
import type { FaceName, Rtc } from '../near.js';
import { CrosspointError } from '../codes.js';
import type { RoomImpl } from '../room.js';
import type { BulkWay } from '../near.js';
import { CallFace } from './calls/call.js';
import type { CallsDoor } from './calls/door.js';
import { FilesFace } from './files/files.js';
import { Mesh } from './mesh.js';
import { PeersFace } from './peers.js';

/** What a room does from peer to peer. */
export function open(core: Core, room: RoomImpl, emitters: Record<FaceName, Emitter<any>>, calls: () => CallsDoor, bulk: BulkWay): Rtc {
  const mesh = new Mesh(core, room);
  return {
    faces: { call: new CallFace(mesh, emitters.call, calls), files: new FilesFace(mesh, emitters.files, bulk), peers: new PeersFace(mesh, emitters.peers) },
    take: (frame) => mesh.take(frame),
    left: () => mesh.end(new CrosspointError('not_joined', 'the room was left')),
  };
}
