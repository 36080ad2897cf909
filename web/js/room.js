// The room made live: joins the state, the socket, the log, the composer and the draft. Without it the page is forms.

import { keep } from './net.js';
import * as states from './state.js';
import { load, t } from './words.js';
import { button, heldWords, logView } from './view.js';
import { composer, freshKey } from './composer.js';
import { keeper } from './drafts.js';
import { sheet } from './sheet.js';
import { cardView } from './card.js';
import { askedView } from './asked.js';
import { holdView, waitsBar } from './holdview.js';
import { SETTLES } from './holds.js';

/** @typedef {import('../types/page').State} State */
/** @typedef {import('../types/page').Pending} Pending */
/** @typedef {import('../types/page').Link} Link */
/** @typedef {import('../types/page').ServerFrame} ServerFrame */

/** A line that was cut off longer ago than this is not sent again without its author's word. */
const STALE_MS = 120000;
/** After so long without an answer a line is said to be not sent yet. */
const SLOW_MS = 8000;
/** So near the end of the page counts as reading the newest. */
const END_PX = 120;
/** How often the words since when a line waits are looked at. */
const LOOK_MS = 10000;
/** So much of what stands above a new card stays in sight: the header, and the end of one's own line. */
const ABOVE_CARD_PX = 170;
/** What the header takes, and a little air. */
const ABOVE_PX = 76;

/** @param {string} id @returns {HTMLElement} */
function get(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}

/** @param {HTMLElement} main */
function begin(main) {
  /** @param {string} name */
  const data = function (name) { return main.getAttribute('data-' + name) || ''; };
  const room = data('room');
  let announces = data('announce') === 'true';
  const note = get('link');
  const newer = get('newer');
  const announcer = get('announcer');
  const form = /** @type {HTMLFormElement} */ (get('seat'));

  /** @type {State} */
  let state = states.start({
    me: data('me'), name: data('name'), mode: data('mode'), body_chars_max: Number(data('body-chars-max')),
  });
  state = Object.assign({}, state, { epoch: data('epoch'), last_seq: Number(data('last-seq')) });
  /** @type {Link} */
  let link = 'opening';
  let catching = true;
  let restored = false;
  /** By how much the server's clock is ahead of this one. */
  let ahead = 0;
  /** @type {{[key: string]: number}} */
  const timers = {};

  const view = logView({
    log: get('log'), own: get('own'), onDuty: data('duty') === 'true',
    acts: {
      stamp: function (seq, stamp, on) {
        if (!net.send({ type: 'stamp', room: room, seq: seq, stamp: /** @type {any} */ (stamp), on: on })) return;
        set(states.stamp(state, seq, stamp, on));
      },
      unsay: function (seq) {
        if (net.send({ type: 'unsay', room: room, seq: seq })) set(states.unsay(state, seq));
      },
      measure: function (seq, kind) {
        net.send({ type: 'measure', room: room, key: freshKey(), kind: /** @type {any} */ (kind), target: seq });
      },
      again: function (key) { set(states.change(state, key, { status: 'sending', text: '', at: Date.now() })); sendAll(); },
      stop: stop,
      reword: function (key) {
        const own = find(key);
        if (!own) return;
        field.set(own.body + (field.text() ? '\n' + field.text() : ''));
        stop(key);
        get('say').focus();
      },
    },
  });
  const draft = keeper(room, data('device') === 'mine', function () {
    return { text: field.text(), unsent: states.kept(state) };
  }, function () { /* saying so at every pause would be a noise */ });
  const field = composer({
    form: form, field: /** @type {HTMLTextAreaElement} */ (get('say')),
    max: function () { return state.body_chars_max; },
    send: function (text) {
      // Where sockets do not get through, the form goes the way it goes without script.
      if (link === 'blocked' || link === 'ended') return false;
      const more = words.take();
      // What was asked back goes as its author has left it in the field.
      set(states.answered(state));
      say({ body: text, note: more.note || undefined, no_reply: more.no_reply || undefined });
      toEnd();
      return true;
    },
    changed: function () { draft.changed(); },
  });
  const card = cardView({
    place: get('card'), says: get('card-says'),
    leave: function () { set(states.leaveCard(state)); },
  });
  const asked = askedView({
    place: get('asked'),
    masked: function (own) {
      field.set(states.outOfField(field.text(), own.body));
      words.give({});
      set(states.drop(state, own.key));
      say({ body: own.masked || '', note: own.note, no_reply: own.no_reply });
      toEnd();
      get('say').focus();
    },
    self: function (own) {
      set(states.drop(state, own.key));
      toField();
    },
    stop: function (own) {
      field.set(states.outOfField(field.text(), own.body));
      words.give({});
      set(states.putAside(state, own));
      toEnd();
      get('say').focus();
    },
  });
  const duty = data('duty') === 'true';
  const holds = holdView({
    always: false,
    titles: function () { return ''; },
    send: function (frame) { return net.send(frame); },
    now: function () { return state.holds; },
    set: function (next) { set(Object.assign({}, state, { holds: next })); },
    clock: function () { return Date.now() + ahead; },
  });
  const bar = waitsBar();
  const words = sheet({
    ready: function (id, text) { say({ body: text, ready: id, no_reply: words.noReply() || undefined }); },
    lamp: function (on) {
      if (net.send({ type: 'lamp', room: room, on: on })) set(Object.assign({}, state, { my_lamp: on }));
    },
    closed: function () { draw(); },
  });

  /** @param {string} key @returns {Pending | undefined} */
  function find(key) {
    return state.pending.filter(function (own) { return own.key === key; })[0];
  }

  /** Takes a line of one's own off; where it may be with the server, there too. @param {string} key */
  function stop(key) {
    const own = find(key);
    if (own && (own.status === 'held' || own.status === 'wait' || own.status === 'unsent')) {
      net.send({ type: 'unsay', room: room, key: key });
      set(states.withdraw(state, key));
      return;
    }
    set(states.drop(state, key));
  }

  /** The line comes back into the field, with what had gone with it. @param {Pending} own */
  function giveBack(own) {
    field.set(states.intoField(field.text(), own.body));
    words.give(own);
  }

  function toField() {
    const say = /** @type {HTMLTextAreaElement} */ (get('say'));
    say.focus();
    say.setSelectionRange(say.value.length, say.value.length);
  }

  /** What became of one's own line, told once and politely. @param {ServerFrame} frame @param {Pending | undefined} before */
  function tell(frame, before) {
    let words = '';
    const own = 'key' in frame && frame.key !== undefined ? find(frame.key) : undefined;
    if (frame.type === 'held' && own) words = heldWords(own);
    if (frame.type === 'ask' && own) words = frame.text + t('live.ask_kept');
    if (frame.type === 'refused' && own && own.status === 'refused') words = frame.text;
    if (frame.type === 'acked' && before && before.status === 'held' && before.reason !== 'newcomer') words = t('live.passed');
    if (words) get('own-says').textContent = words;
  }

  /** @param {{body: string, ready?: string, note?: string, no_reply?: boolean}} line */
  function say(line) {
    /** @type {Pending} */
    const own = Object.assign({ key: freshKey(), at: Date.now(), status: /** @type {'sending'} */ ('sending') }, line);
    set(states.add(state, own));
    if (state.entered) net.send(states.frameOf(room, own));
  }

  /** Says everything again that has no answer, each with its own key. */
  function sendAll() {
    if (!state.entered) return;
    states.unanswered(state).forEach(function (own) { net.send(states.frameOf(room, own)); });
  }

  /** @param {Pending} own */
  function sendLater(own) {
    window.clearTimeout(timers[own.key]);
    timers[own.key] = window.setTimeout(function () {
      const still = find(own.key);
      if (still && still.status === 'wait' && state.entered) net.send(states.frameOf(room, still));
    }, (own.retry_after_ms || 1000) + 100);
  }

  /** @param {State} next */
  function set(next) {
    const lines = next.pending !== state.pending;
    state = next;
    draw();
    if (lines) draft.changed();
  }

  function enter() {
    const from = states.resume(state);
    /** @type {any} */
    const frame = { type: 'enter', room: room, mode: state.mode };
    if (from) { frame.epoch = from.epoch; frame.after = from.after; }
    catching = true;
    net.send(frame);
  }

  /** @param {ServerFrame} frame */
  function onFrame(frame) {
    const before = state.last_seq;
    const line = 'key' in frame && frame.key !== undefined ? find(frame.key) : undefined;
    const waited = state.holds;
    if (frame.type === 'welcome') ahead = Date.parse(frame.now) - Date.now();
    if (frame.type === 'ask' && line && line.status !== 'ask') giveBack(line);
    set(states.apply(state, frame));
    // Other words about a line that waits are to be seen, too, where a card that is higher than a phone stands below it:
    // nothing moves under somebody who reads, the words stand above the place to write.
    const news = frame.type === 'held' && line && line.status === 'held' && line.text !== frame.text;
    if (news && !inSight(get('own'))) set(Object.assign({}, state, { notice: frame.text }));
    else tell(frame, line);
    if (frame.type === 'held' && !news && line && state.card && !inSight(get('own'))) toLaid('card', ABOVE_CARD_PX);
    if (frame.type === 'hold' && !waited.some(function (one) { return one.hold === frame.hold; })) {
      state.holds.forEach(function (one) { if (one.hold === frame.hold) bar.say(one); });
    }
    if (frame.type === 'welcome' || (frame.type === 'left' && frame.why === 'slow')) enter();
    if (frame.type === 'entered') {
      if (before < state.last_seq) arrived(before);
      catching = false;
      sendAll();
      frame.waiting_lines.forEach(function (waits) {
        const own = find(waits.key);
        // What was taken back while the line was cut; and for the others the same key again brings the words that are so now.
        if (state.withdrawn[waits.key]) net.send({ type: 'unsay', room: room, key: waits.key });
        else if (own && own.status === 'held') net.send(states.frameOf(room, own));
      });
      if (duty) net.send({ type: 'ping', n: SETTLES });
    }
    if (frame.type === 'said' && frame.seq > before) arrived(before);
    if (frame.type === 'refused' && frame.key === undefined && frame.code === 'room_full' && !state.entered) enter();
    if (frame.type === 'refused' && frame.key !== undefined) {
      const own = find(frame.key);
      if (own && own.status === 'wait') sendLater(own);
      if (frame.code === 'not_entered') enter();
    }
    if (frame.type === 'said' && !catching && announces && frame.from && frame.from.id !== state.me) {
      announcer.textContent = t('live.said', {
        name: frame.from.name, body: frame.note ? t('live.folded', { note: frame.note }) : frame.body,
      });
    }
  }

  /** New lines are there: one who reads the newest sees them, one who reads above is told. @param {number} before */
  function arrived(before) {
    if (atEnd || !wasDrawn) { toEnd(); return; }
    const others = state.order.some(function (seq) {
      const line = state.known[seq].line;
      return seq > before && line !== null && !(line.from && line.from.id === state.me);
    });
    if (others) newer.hidden = false;
  }

  let wasDrawn = false;
  let atEnd = true;

  function measureEnd() {
    const page = document.documentElement;
    atEnd = page.scrollHeight - (window.pageYOffset + window.innerHeight) < END_PX + footHeight();
    if (atEnd) newer.hidden = true;
  }

  /** The page's foot stands below the room; reading the newest line is being above it. */
  function footHeight() {
    const foot = document.querySelector('.foot');
    return foot instanceof HTMLElement ? foot.offsetHeight + 56 : 0;
  }

  function toEnd() {
    newer.hidden = true;
    const bottom = form.getBoundingClientRect().bottom + window.pageYOffset;
    const main1 = main.getBoundingClientRect().bottom + window.pageYOffset;
    window.scrollTo(0, Math.max(bottom, main1) - window.innerHeight);
    // The event of scrolling comes later; what arrives before it has to know.
    measureEnd();
  }

  /** @param {HTMLElement} node */
  function inSight(node) {
    const place = node.getBoundingClientRect();
    return place.top > 0 && place.bottom < window.innerHeight - form.offsetHeight;
  }

  /** The first words of what was laid are to be seen, not its last. @param {string} id @param {number} above */
  function toLaid(id, above) {
    const y = window.pageYOffset;
    let top = get(id).getBoundingClientRect().top + y - above;
    // Beside a line that waits because a life may depend on it: what is said about that line, and the card's first words.
    const waits = state.pending.some(function (own) { return own.status === 'held' && own.reason === 'risk'; });
    if (id === 'card' && waits) {
      const room = window.innerHeight - form.offsetHeight - ABOVE_CARD_PX;
      top = Math.min(top, Math.max(get('own').getBoundingClientRect().top + y - ABOVE_PX, top + above - ABOVE_PX - room));
    }
    window.scrollTo(0, Math.max(0, top));
    measureEnd();
  }

  function drawNote() {
    let text = '';
    if (link === 'cut') text = t('live.cut');
    if (link === 'blocked') text = t('live.blocked');
    if (link === 'ended') text = t('live.ended');
    if (link === 'live' && state.afresh) text = t('live.afresh');
    if (state.notice) text = state.notice;
    if (!text) text = words.says();
    if (!text && restored && field.text()) text = t('live.kept');
    const aside = text || link !== 'live' ? null : state.aside;
    if (aside) text = t('live.stopped');
    if (note.getAttribute('data-says') === text + (aside ? aside.key : '')) return;
    note.setAttribute('data-says', text + (aside ? aside.key : ''));
    note.textContent = text;
    if (aside) {
      note.appendChild(button(t('live.put_back'), 'btn-plain', function () {
        giveBack(aside);
        set(states.answered(state));
        toField();
      }));
    }
    if (link === 'ended') {
      const door = document.createElement('a');
      door.href = '/';
      door.textContent = t('live.to_door');
      note.appendChild(door);
    }
    note.hidden = text === '';
  }

  function drawRoom() {
    const now = state.room;
    get('now').hidden = link === 'live';
    if (!now) return;
    const lamp = get('lamp');
    lamp.className = now.lamp ? 'seat-lamp' : 'seat-lamp seat-lamp-off';
    lamp.setAttribute('aria-label', t(now.lamp ? 'live.lamp_on' : 'live.lamp_off'));
    const kind = t('kind.' + now.kind + '.' + now.audience);
    const facts = [t('room.kind', { kind: kind, about: t('room.' + now.about) }), dutyWords(now.on_duty)];
    facts.forEach(function (fact, i) {
      Array.prototype.forEach.call(main.parentNode ? main.parentNode.querySelectorAll('[data-fact="' + i + '"]') : [], function (/** @type {HTMLElement} */ place) {
        if (place.textContent !== fact) place.textContent = fact;
      });
    });
    const topic = document.querySelector('[data-topic]');
    if (topic && now.topic && topic.textContent !== now.topic) topic.textContent = now.topic;
  }

  /** @param {Array<{name: string, duty: string}>} people */
  function dutyWords(people) {
    const sentences = ['host', 'supporter', 'staff'].map(function (duty) {
      const names = people.filter(function (one) { return one.duty === duty; }).map(function (one) { return one.name; });
      return names.length ? t('room.on_duty', { duty: t('duty.' + duty), names: names.join(t('time.comma')) }) : '';
    });
    return sentences.join('') || t('room.no_duty');
  }

  function draw() {
    const anchor = wasDrawn && !atEnd ? firstSeen() : null;
    const top = anchor ? anchor.getBoundingClientRect().top : 0;
    const seat = states.seat(state);
    view.draw(state);
    holds.draw(state.holds, function () { return state.settled; });
    if (duty && (state.settled || state.holds.length)) bar.draw(holds.waits(), holds.risk());
    field.seat(seat, seat === 'write' || seat === 'reading');
    words.draw(state);
    drawNote();
    drawRoom();
    const laid = card.draw(state.card);
    const back = asked.draw(states.asked(state), state.room !== null);
    // A card is higher than a phone: its first words are to be seen, not its last.
    if (laid && atEnd) { toLaid('card', ABOVE_CARD_PX); return; }
    if (back) { toLaid('asked', ABOVE_PX); return; }
    if (anchor && document.contains(anchor)) {
      const moved = anchor.getBoundingClientRect().top - top;
      if (moved) window.scrollBy(0, moved);
    } else if (wasDrawn && atEnd) toEnd();
  }

  /** The first row in sight, so that it can be kept where it is. */
  function firstSeen() {
    const rows = get('log').children;
    for (let i = 0; i < rows.length; i += 1) {
      if (rows[i].getBoundingClientRect().bottom > 70) return rows[i];
    }
    return null;
  }

  /** A line that got no answer for a while is said to be not sent yet, and is said again with its key. */
  function slow() {
    const now = Date.now();
    let next = state;
    state.pending.forEach(function (own) {
      if (own.status !== 'sending' || now - own.at <= SLOW_MS) return;
      next = states.change(next, own.key, { status: 'wait', retry_after_ms: SLOW_MS });
      if (state.entered) sendLater(own);
    });
    if (next !== state) set(next);
  }

  const quiet = get('quiet');
  quiet.hidden = false;
  quiet.addEventListener('click', function () {
    announces = !announces;
    announcer.textContent = '';
    quiet.textContent = t(announces ? 'live.quiet' : 'live.loud');
  });
  newer.addEventListener('click', toEnd);
  window.addEventListener('scroll', measureEnd, { passive: true });
  window.addEventListener('resize', function () { if (atEnd) toEnd(); });

  const net = keep({
    onFrame: onFrame,
    onLink: function (now) {
      link = now;
      if (now !== 'live' && state.entered) state = Object.assign({}, state, { entered: false });
      draw();
    },
  });
  window.setInterval(slow, 2000);
  if (duty) window.setInterval(draw, LOOK_MS);

  draft.load().then(function (kept) {
    if (kept.text && !field.text()) { field.set(kept.text); restored = true; }
    const next = states.restore(state, kept.unsent, function (own) {
      return Boolean(own.at) && Date.now() - own.at < STALE_MS;
    });
    // Without script these lines stand in the field; here each stands by itself.
    if (kept.unsent.length) field.set(kept.text);
    set(next);
    sendAll();
  });
  draw();
  wasDrawn = true;
  toEnd();
}

const main = document.getElementById('main');
if (main && main.getAttribute('data-room')) {
  load(main.getAttribute('data-texts') || '').then(function () { begin(/** @type {HTMLElement} */ (main)); });
}
