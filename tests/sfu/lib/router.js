// What mediasoup's Router does, by mediasoup's own code, as far as that is JavaScript: capabilities, and the RTP parameters of producers and
// consumers. Its worker is a native program; here nobody listens at the transports' addresses.
import { randomBytes, randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const require = createRequire(import.meta.url);
const ortc = require(join(dirname(require.resolve('mediasoup')), 'ortc.js'));

const MEDIA_CODECS = [
  { kind: 'audio', mimeType: 'audio/opus', clockRate: 48_000, channels: 2 },
  { kind: 'video', mimeType: 'video/VP8', clockRate: 90_000 },
];

export class Router {
  rtpCapabilities = ortc.generateRouterRtpCapabilities(MEDIA_CODECS);

  /** As `router.createWebRtcTransport()`. */
  async createWebRtcTransport() {
    const value = randomBytes(32).toString('hex').toUpperCase().match(/../g).join(':');
    return {
      id: randomUUID(),
      iceParameters: { usernameFragment: randomBytes(8).toString('hex'), password: randomBytes(16).toString('hex'), iceLite: true },
      iceCandidates: [{ foundation: 'udpcandidate', priority: 1_076_302_079, ip: '192.0.2.1', protocol: 'udp', port: 40_000, type: 'host' }],
      dtlsParameters: { role: 'auto', fingerprints: [{ algorithm: 'sha-256', value }] },
    };
  }

  /** As `transport.connect()`. */
  async connect({ dtlsParameters }) {
    if (!Array.isArray(dtlsParameters?.fingerprints)) throw new TypeError('missing dtlsParameters.fingerprints');
  }

  /** As `transport.produce()`. */
  async produce({ kind, rtpParameters }) {
    ortc.validateRtpParameters(rtpParameters);
    const mapping = ortc.getProducerRtpParametersMapping(rtpParameters, this.rtpCapabilities);
    const consumable = ortc.getConsumableRtpParameters(kind, rtpParameters, this.rtpCapabilities, mapping);
    return { id: randomUUID(), kind, consumable };
  }

  /** As `transport.consume()`, which begins paused; `mid` counts within the transport. */
  async consume({ producer, rtpCapabilities, mid }) {
    ortc.validateRtpCapabilities(rtpCapabilities);
    if (!ortc.canConsume(producer.consumable, rtpCapabilities)) throw new TypeError('none of its codecs can be received');
    const rtpParameters = ortc.getConsumerRtpParameters({
      consumableRtpParameters: producer.consumable, remoteRtpCapabilities: rtpCapabilities, pipe: false, enableRtx: true,
    });
    return { id: randomUUID(), kind: producer.kind, rtpParameters: { ...rtpParameters, mid: String(mid) } };
  }

  /** As `consumer.resume()`. */
  async resume() {}
}
