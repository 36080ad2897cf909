// Every page of people with powers: the bar that says that something waits, and on the day's page the list of it. It
// enters the rooms in which this person is on duty, so that what comes is there at once. Without it the page is forms.

import { keep } from './net.js';
import { hear, SETTLES } from './holds.js';
import { holdView, waitsBar } from './holdview.js';
import { load, t } from './words.js';

/** @typedef {import('../types/page').HoldHere} HoldHere */
/** @typedef {import('../types/page').ServerFrame} ServerFrame */

/** How often the words since when are looked at. */
const LOOK_MS = 10000;

/** @param {HTMLElement} place */
function begin(place) {
  const rooms = (place.getAttribute('data-rooms') || '').split(' ').filter(Boolean);
  const elsewhere = place.getAttribute('data-elsewhere') === 'true';
  /** @type {readonly HoldHere[]} */
  let holds = [];
  /** @type {{[room: string]: string}} */
  const titles = {};
  /** What a room answered to being entered. @type {{[room: string]: string}} */
  let answers = {};
  /** Rooms that have told of all that waits in them. @type {{[room: string]: boolean}} */
  let told = {};
  /** By how much the server's clock is ahead of this one. */
  let ahead = 0;
  if (!rooms.length) return;
  const bar = waitsBar();
  const view = holdView({
    always: true,
    titles: function (room) { return titles[room] || ''; },
    send: function (frame) { return net.send(frame); },
    now: function () { return holds; },
    set: function (next) { holds = next; draw(); },
    clock: function () { return Date.now() + ahead; },
  });

  function draw() {
    view.draw(holds, function (room) { return Boolean(told[room]); });
    const all = rooms.every(function (room) { return told[room] || answers[room] === 'refused'; });
    // Until the rooms have told, what the server said stands.
    if (!all && !holds.length) return;
    const risk = holds.some(function (one) { return one.reason === 'risk'; });
    bar.draw(holds.length > 0 || view.waits() || elsewhere, risk || view.risk());
  }

  /** @param {ServerFrame} frame */
  function onFrame(frame) {
    const before = holds;
    holds = hear(holds, frame);
    if (frame.type === 'welcome') {
      ahead = Date.parse(frame.now) - Date.now();
      answers = {};
      told = {};
      rooms.forEach(function (room) { net.send({ type: 'enter', room: room, mode: 'duty' }); });
    }
    const of = frame.type === 'entered' || frame.type === 'waiting' || frame.type === 'refused' ? frame.room : undefined;
    if (of !== undefined && rooms.indexOf(of) >= 0 && !answers[of] && !(frame.type === 'refused' && frame.key)) {
      answers[of] = frame.type;
      if (frame.type === 'entered') titles[of] = frame.title;
      // The last one has answered: what this ping's answer comes after is all that waits.
      if (rooms.every(function (room) { return answers[room]; })) net.send({ type: 'ping', n: SETTLES });
    }
    if (frame.type === 'pong' && frame.n === SETTLES) {
      rooms.forEach(function (room) { told[room] = answers[room] === 'entered'; });
    }
    if (frame.type === 'hold' && !before.some(function (one) { return one.hold === frame.hold; })) {
      const hold = holds.filter(function (one) { return one.hold === frame.hold; })[0];
      draw();
      bar.say(hold);
      return;
    }
    draw();
  }

  /** What is known stands, but that nothing new comes is said. @param {import('../types/page').Link} link */
  function onLink(link) {
    const note = /** @type {HTMLElement} */ (document.getElementById('waits-link'));
    note.hidden = link === 'live' || link === 'opening';
    const words = note.hidden ? '' : t('desk.off');
    if (note.textContent !== words) note.textContent = words;
  }

  const net = keep({ onFrame: onFrame, onLink: onLink });
  window.setInterval(draw, LOOK_MS);
}

const place = document.getElementById('waits');
if (place) load(place.getAttribute('data-texts') || '').then(function () { begin(/** @type {HTMLElement} */ (place)); });
