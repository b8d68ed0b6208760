import { byTestId } from './dom.js';

const LONGEST_MS = 120_000;
const TYPES = ['audio/webm;codecs=opus', 'audio/mp4'];

/** A voice message: recorded from one click to the next, then sent as a file with its type. */
export function mountVoice({ signal, note, send }) {
  const button = byTestId('voice-button');
  let recorder = null;

  function show(recording) {
    button.setAttribute('aria-pressed', String(recording));
    button.setAttribute('aria-label', recording ? 'Stop, and send the voice message' : 'Record a voice message');
    button.title = button.getAttribute('aria-label');
  }

  async function record() {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    const mimeType = TYPES.find((type) => MediaRecorder.isTypeSupported(type));
    const mine = new MediaRecorder(stream, mimeType ? { mimeType } : {});
    const parts = [];
    const late = setTimeout(() => mine.stop(), LONGEST_MS);
    mine.addEventListener('dataavailable', ({ data }) => parts.push(data));
    mine.addEventListener('stop', () => {
      clearTimeout(late);
      for (const track of stream.getTracks()) track.stop();
      recorder = null;
      show(false);
      if (signal.aborted) return;
      const type = mine.mimeType;
      const ending = type.startsWith('audio/mp4') ? 'm4a' : 'webm';
      void send(new File(parts, `voice message.${ending}`, { type }));
    });
    if (signal.aborted) return mine.stop();
    recorder = mine;
    mine.start();
    show(true);
  }

  button.addEventListener('click', async () => {
    if (recorder) return recorder.stop();
    button.disabled = true;
    try {
      await record();
    } catch (error) {
      note('error', `No voice message: ${error.message}`);
    } finally {
      button.disabled = false;
    }
  }, { signal });
  signal.addEventListener('abort', () => recorder?.stop());
  // Only pages from a secure context may record.
  button.hidden = !navigator.mediaDevices || typeof MediaRecorder === 'undefined';
  show(false);
}
