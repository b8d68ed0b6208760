import { byTestId } from './dom.js';
import { plain, viaText } from './words.js';

const TEXT_MAX = 2000;

/** Reaches the others directly where that works, and sends the chat that way where this page is told to; then it is for those who are here, and nobody stores it. Returns `send(text)`. */
export function mountPeers({ room, me, signal, note, chat }) {
  const { peers } = room;
  const direct = byTestId('peers-chat');
  direct.checked = false;
  let made = 0;

  room.on('join', () => {
    if (!peers.joined) peers.join().catch(failed);
  });
  peers.on('path', ({ user, via }) => note('peer', `${user}: ${viaText(via)}`));
  peers.on('message', ({ data, from, via }) => {
    const text = plain(data?.text, TEXT_MAX);
    if (!signal.aborted && text) chat.show({ id: plain(data.id, 64), user: from.user, text, ts: Date.now(), own: false, status: 'received', via });
  });

  const failed = (error) => signal.aborted || note('error', `Peers: ${error.message} (${error.code})`);

  return (text) => {
    if (!direct.checked) return chat.send(text);
    const id = `${Date.now()}-${++made}`;
    const item = chat.show({ id, user: me.user, text, ts: Date.now(), own: true, status: 'sending', via: 'peers' });
    const send = () => {
      chat.setStatus(item, 'sending');
      peers.send({ id, text }).then(() => chat.setStatus(item, 'stored'), (error) => {
        chat.setStatus(item, 'failed');
        failed(error);
      });
    };
    item.querySelector('.retry').addEventListener('click', send);
    send();
  };
}
