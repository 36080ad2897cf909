// The waiting room: when the room opens, this page becomes the room. Nothing counts, nothing moves.

import { keep } from './net.js';

const place = document.getElementById('waiting');
const room = place ? place.getAttribute('data-room') : null;

if (place && room) {
  const link = keep({
    onLink: function () { /* nothing to say here */ },
    onFrame: function (frame) {
      if (frame.type === 'welcome') {
        const mode = place.getAttribute('data-mode') === 'listen' ? 'listen' : 'talk';
        link.send({ type: 'enter', room: room, mode: mode });
      }
      if (frame.type === 'waiting' && frame.room === room) {
        const words = document.getElementById('waiting-text');
        if (words && words.textContent !== frame.text) words.textContent = frame.text;
      }
      // It does not take place: the schedule says so, and what comes next.
      if (frame.type === 'left' && frame.room === room) {
        link.stop();
        window.location.assign('/days');
      }
      const over = frame.type === 'refused' && frame.room === room;
      if (frame.type === 'admitted' || frame.type === 'entered' || over) {
        link.stop();
        window.location.reload();
      }
    },
  });
}
