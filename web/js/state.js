// What a room is to this page: a value, and pure functions from a frame to the next value.
// Knows no document, no socket and no clock; tests read the golden frames into it.

import { hear, SETTLES } from './holds.js';

/** @typedef {import('../types/page').State} State */
/** @typedef {import('../types/page').Known} Known */
/** @typedef {import('../types/page').Pending} Pending */
/** @typedef {import('../types/page').Said} Said */
/** @typedef {import('../types/page').ServerFrame} ServerFrame */
/** @typedef {import('../types/page').Say} Say */

/** Refusals that pass by themselves: the same line is sent again with the same key. */
const AGAIN = ['busy', 'too_fast', 'not_entered'];
/** Refusals that speak of the room or the person, not of the line: the line may be sent later. */
const LATER = ['room_paused', 'room_closed', 'room_full', 'resting', 'listening', 'removed', 'not_allowed'];
/** Refusals after which one is not in the room at all. */
const OUT = ['room_closed', 'not_allowed', 'removed'];

/**
 * A page that has not entered yet.
 * @param {{me?: string, name?: string, mode?: string, body_chars_max?: number}} [from]
 * @returns {State}
 */
export function start(from) {
  const given = from || {};
  return {
    epoch: '', me: given.me || '', name: given.name || '', mode: given.mode || 'talk', entered: false, last_seq: 0,
    known: {}, order: [], gaps: [], pending: [], room: null, body_chars_max: given.body_chars_max || 500,
    stamped: {}, unsaid: {}, my_lamp: false, card: null, holds: [], settled: false, marks: {},
    withdrawn: {}, aside: null, notice: '', block: '', afresh: false,
  };
}

/**
 * @param {State} state
 * @param {Partial<State>} change
 * @returns {State}
 */
function withChange(state, change) {
  return Object.assign({}, state, change);
}

/**
 * Puts what stands at a number into its place.
 * @param {State} state
 * @param {Known} known
 * @returns {State}
 */
function put(state, known) {
  const seq = known.seq;
  /** @type {{[seq: number]: Known}} */
  const all = Object.assign({}, state.known);
  const isNew = !(seq in all);
  all[seq] = known;
  let order = state.order;
  if (isNew) {
    const next = order.slice();
    let at = next.length;
    while (at > 0 && next[at - 1] > seq) at -= 1;
    next.splice(at, 0, seq);
    order = next;
  }
  return withChange(state, { known: all, order: order });
}

/**
 * @param {State} state
 * @param {Said} line
 * @returns {State}
 */
function said(state, line) {
  const put1 = put(state, { seq: line.seq, line: line, note: line.note });
  const pending = put1.pending.filter(function (own) { return own.seq !== line.seq; });
  return withChange(put1, { pending: pending, last_seq: Math.max(put1.last_seq, line.seq) });
}

/**
 * @param {State} state
 * @param {number} seq
 * @param {boolean} moves whether this may be the first word of the number
 * @returns {State}
 */
function hidden(state, seq, moves) {
  const next = put(state, { seq: seq, line: null });
  const pending = next.pending.filter(function (own) { return own.seq !== seq; });
  return withChange(next, { pending: pending, last_seq: moves ? Math.max(next.last_seq, seq) : next.last_seq });
}

/**
 * Changes one of one's own lines.
 * @param {State} state
 * @param {string} key
 * @param {Partial<Pending>} change
 * @returns {State}
 */
export function change(state, key, change) {
  const pending = state.pending.map(function (own) {
    return own.key === key ? /** @type {Pending} */ (Object.assign({}, own, change)) : own;
  });
  return withChange(state, { pending: pending });
}

/**
 * Takes one of one's own lines off the page.
 * @param {State} state
 * @param {string} key
 * @returns {State}
 */
export function drop(state, key) {
  return withChange(state, { pending: state.pending.filter(function (own) { return own.key !== key; }) });
}

/**
 * Adds a line of one's own that is about to be sent.
 * @param {State} state
 * @param {Pending} own
 * @returns {State}
 */
export function add(state, own) {
  return withChange(state, { pending: state.pending.concat([own]) });
}

/**
 * The frame that says a line, the same each time.
 * @param {string} room
 * @param {Pending} own
 * @returns {Say}
 */
export function frameOf(room, own) {
  /** @type {any} */
  const frame = { type: 'say', room: room, key: own.key };
  if (own.ready) frame.ready = own.ready;
  else frame.body = own.body;
  if (own.note) frame.note = own.note;
  if (own.no_reply) frame.no_reply = true;
  return frame;
}

/**
 * Own lines that have no answer yet, in the order in which they were written.
 * @param {State} state
 * @returns {Pending[]}
 */
export function unanswered(state) {
  return state.pending.filter(function (own) { return own.status === 'sending' || own.status === 'wait'; });
}

/**
 * Own lines that have not reached the room: neither in it, nor waiting there, nor back in the field.
 * @param {State} state
 * @returns {Pending[]}
 */
export function unsent(state) {
  return state.pending.filter(function (own) {
    return own.status !== 'acked' && own.status !== 'held' && own.status !== 'ask';
  });
}

/**
 * Own lines that must survive the page: all that are not in the room. Of those that wait the page must know the key, or
 * their author would not be told how they ended.
 * @param {State} state
 * @returns {Pending[]}
 */
export function kept(state) {
  return state.pending.filter(function (own) { return own.status !== 'acked'; });
}

/**
 * Takes up what was kept when the page was left.
 * @param {State} state
 * @param {Pending[]} lines
 * @param {(own: Pending) => boolean} fresh whether a line is sent again without its author's word
 * @returns {State}
 */
export function restore(state, lines, fresh) {
  const more = lines.filter(function (own) {
    return !state.pending.some(function (known) { return known.key === own.key; });
  }).map(function (own) {
    let status = own.status;
    // Where the room has told already which lines wait, this one has ended: the same key again brings its end.
    if (status === 'held') status = state.entered ? 'sending' : 'held';
    else if (status !== 'ask') status = fresh(own) ? 'sending' : 'unsent';
    return /** @type {Pending} */ (Object.assign({}, own, { status: status }));
  });
  return withChange(state, { pending: state.pending.concat(more) });
}

/**
 * The line that was asked back, and that its author has not decided on.
 * @param {State} state
 * @returns {Pending | null}
 */
export function asked(state) {
  return state.pending.filter(function (own) { return own.status === 'ask'; })[0] || null;
}

/**
 * What was asked back is in its author's hands again.
 * @param {State} state
 * @returns {State}
 */
export function answered(state) {
  if (!asked(state) && !state.aside) return state;
  return withChange(state, { pending: state.pending.filter(function (own) { return own.status !== 'ask'; }), aside: null });
}

/**
 * A line that was asked back is not sent; it is kept at hand.
 * @param {State} state
 * @param {Pending} own
 * @returns {State}
 */
export function putAside(state, own) {
  return withChange(drop(state, own.key), { aside: own });
}

/**
 * Takes a waiting line back; remembered, as the socket may be cut just now.
 * @param {State} state
 * @param {string} key
 * @returns {State}
 */
export function withdraw(state, key) {
  /** @type {{[key: string]: boolean}} */
  const own = {};
  own[key] = true;
  return withChange(drop(state, key), { withdrawn: Object.assign({}, state.withdrawn, own) });
}

/**
 * What the field holds once a line has come back into it, nothing of either lost.
 * @param {string} field
 * @param {string} body
 * @returns {string}
 */
export function intoField(field, body) {
  return field ? body + '\n' + field : body;
}

/**
 * What the field holds without a line that had come back into it. Where it was changed since, it stays.
 * @param {string} field
 * @param {string} body
 * @returns {string}
 */
export function outOfField(field, body) {
  if (field === body) return '';
  return field.indexOf(body + '\n') === 0 ? field.slice(body.length + 1) : field;
}

/**
 * What the composer lets one do just now; the names are those of the server's pages.
 * @param {State} state
 * @returns {string}
 */
export function seat(state) {
  const room = state.room;
  if (!state.entered && OUT.indexOf(state.block) >= 0) return 'closed';
  if (!room) return 'write';
  if (room.state === 'paused') return 'paused';
  if (room.state === 'afterglow') return 'afterglow';
  if (room.state === 'closed' || room.state === 'cancelled' || room.state === 'planned') return 'closed';
  if (state.mode === 'duty') return 'write';
  if (state.block === 'room_full') return 'full';
  if (state.mode === 'listen') return 'listen';
  if (room.guard >= 4) return 'rest';
  if (room.guard === 3) return 'reading';
  if (state.block === 'resting') return 'resting';
  return 'write';
}

/**
 * Where to resume: sixty lines back, so that what was hidden or taken back meanwhile is brought up to date.
 * @param {State} state
 * @returns {{epoch: string, after: number} | null}
 */
export function resume(state) {
  if (!state.epoch) return null;
  return { epoch: state.epoch, after: Math.max(0, state.last_seq - 60) };
}

/**
 * @param {State} state
 * @param {import('../types/page').Of<'entered'>} frame
 * @returns {State}
 */
function entered(state, frame) {
  let next = state;
  const replaced = state.epoch !== '' && state.epoch !== frame.epoch;
  const first = frame.messages.length ? firstSeq(frame) : 0;
  // Without a gap and without a common line, what we know does not join what we are given.
  const apart = state.order.length > 0 && first > state.last_seq + 1 && !frame.gap;
  if (replaced || apart) next = withChange(next, { known: {}, order: [], gaps: [], last_seq: 0 });
  if (frame.gap && next.gaps.indexOf(frame.gap.from) < 0) {
    next = withChange(next, { gaps: next.gaps.concat([frame.gap.from]) });
    if (frame.gap.to > next.last_seq) next = withChange(next, { last_seq: frame.gap.to });
  }
  next = withChange(next, {
    epoch: frame.epoch, me: frame.you.id, name: frame.you.name, entered: true, notice: '',
    // Without a free seat one entered for reading; that stays so until the page is loaded anew.
    block: state.block === 'room_full' && state.mode === 'listen' ? 'room_full' : '',
    afresh: replaced && state.order.length > 0, settled: false,
    room: {
      title: frame.title, kind: frame.kind, audience: frame.audience, state: frame.state, guard: frame.guard,
      topic: frame.topic, about: frame.about, on_duty: frame.on_duty, ready: frame.ready, lamp: frame.lamp,
    },
  });
  frame.messages.forEach(function (message) { next = apply(next, message); });
  const waiting = frame.waiting_lines.filter(function (line) { return !state.withdrawn[line.key]; });
  const pending = next.pending.map(function (own) {
    if (own.status === 'acked') return own.seq !== undefined && own.seq <= next.last_seq ? null : own;
    const still = waiting.some(function (line) { return line.key === own.key; });
    // A hold that is no longer open has ended while we were away: the same key again brings its end.
    return own.status === 'held' && !still ? /** @type {Pending} */ (Object.assign({}, own, { status: 'sending' })) : own;
  }).filter(function (own) { return own !== null; });
  const more = waiting.filter(function (line) {
    return !pending.some(function (own) { return own !== null && own.key === line.key; });
  }).map(function (line) {
    return /** @type {Pending} */ ({ key: line.key, body: line.body, at: 0, status: 'held', reason: line.reason, text: '' });
  });
  return withChange(next, { pending: /** @type {Pending[]} */ (pending).concat(more) });
}

/**
 * @param {import('../types/page').Of<'entered'>} frame
 * @returns {number}
 */
function firstSeq(frame) {
  const first = frame.messages[0];
  return first.type === 'said' || first.type === 'hidden' ? first.seq : 0;
}

/**
 * @param {State} state
 * @param {import('../types/page').Of<'refused'>} frame
 * @returns {State}
 */
function refused(state, frame) {
  const key = frame.key;
  if (key !== undefined && state.pending.some(function (own) { return own.key === key; })) {
    const block = frame.code === 'room_full' || frame.code === 'resting' ? frame.code : state.block;
    const next = withChange(state, { block: block });
    if (AGAIN.indexOf(frame.code) >= 0) {
      return change(next, key, { status: 'wait', text: frame.text, retry_after_ms: frame.retry_after_ms || 1000 });
    }
    return change(next, key, { status: LATER.indexOf(frame.code) >= 0 ? 'unsent' : 'refused', text: frame.text });
  }
  // What was asked on duty is answered where it was asked.
  if (key !== undefined && state.holds.some(function (one) { return one.key === key; })) return state;
  if (!state.entered && key === undefined) {
    const mode = frame.code === 'room_full' && state.mode === 'talk' ? 'listen' : state.mode;
    return withChange(state, { block: frame.code, notice: frame.text, mode: mode });
  }
  return withChange(state, { notice: frame.text });
}

/**
 * The next value. A frame that this page does not need, or does not know, changes nothing.
 * @param {State} state
 * @param {ServerFrame} frame
 * @returns {State}
 */
export function apply(state, frame) {
  const next = step(state, frame);
  const holds = hear(next.holds, frame);
  return holds === next.holds ? next : withChange(next, { holds: holds });
}

/**
 * @param {State} state
 * @param {ServerFrame} frame
 * @returns {State}
 */
function step(state, frame) {
  switch (frame.type) {
    case 'welcome':
      return withChange(state, { body_chars_max: frame.limits.body_chars_max, entered: false });
    case 'entered':
      return entered(state, frame);
    case 'waiting':
      return withChange(state, { entered: false, notice: frame.text });
    case 'said':
      return said(state, frame);
    case 'hidden':
      return hidden(state, frame.seq, true);
    case 'shown':
      return frame.line.type === 'said'
        ? put(state, { seq: frame.line.seq, line: frame.line, note: frame.line.note })
        : state;
    case 'folded': {
      const known = state.known[frame.seq];
      return known && known.line ? put(state, { seq: frame.seq, line: known.line, note: frame.note }) : state;
    }
    case 'stamped': {
      const known = state.known[frame.seq];
      if (!known || !known.line) return state;
      const line = /** @type {Said} */ (Object.assign({}, known.line, { stamps: frame.stamps }));
      return put(state, { seq: frame.seq, line: line, note: known.note });
    }
    case 'acked':
      return frame.seq <= state.last_seq
        ? drop(state, frame.key)
        : change(state, frame.key, { status: 'acked', seq: frame.seq, text: '' });
    case 'held':
      return change(state, frame.key, { status: 'held', reason: frame.reason, text: frame.text });
    case 'ask':
      return change(state, frame.key, {
        status: 'ask', reason: frame.reason, text: frame.text, spans: frame.spans, masked: frame.masked,
      });
    case 'refused':
      return refused(state, frame);
    case 'card':
      return lay(state, frame);
    case 'marked': {
      /** @type {{[seq: number]: string}} */
      const one = {};
      one[frame.seq] = frame.category;
      return withChange(state, { marks: Object.assign({}, state.marks, one) });
    }
    case 'pong':
      return frame.n === SETTLES && state.entered ? withChange(state, { settled: true }) : state;
    case 'room': {
      const head = {
        state: frame.state, guard: frame.guard, topic: frame.topic, about: frame.about, on_duty: frame.on_duty,
        ready: frame.ready, lamp: frame.lamp,
      };
      return withChange(state, { room: Object.assign({}, state.room, head), notice: '' });
    }
    case 'measured':
      return withChange(state, { notice: frame.text });
    case 'left':
      return withChange(state, { entered: false, block: frame.why === 'removed' ? 'removed' : state.block });
    default:
      return state;
  }
}

/**
 * Lays a card before this person. While one stands there is no second; only one about a life takes another's place, and
 * a fresh one of the same kind the old one's, as other lines may be open by now.
 * @param {State} state
 * @param {import('../types/page').Of<'card'>} frame
 * @returns {State}
 */
function lay(state, frame) {
  const card = { kind: frame.kind, text: frame.text, links: frame.links || [] };
  const same = state.card && state.card.kind === card.kind;
  if (same ? JSON.stringify(state.card) === JSON.stringify(card) : state.card && card.kind !== 'life') return state;
  return withChange(state, { card: card });
}

/**
 * The person puts the card away.
 * @param {State} state
 * @returns {State}
 */
export function leaveCard(state) {
  return withChange(state, { card: null });
}

/**
 * Remembers a stamp this page gave or took off, for its own button only.
 * @param {State} state
 * @param {number} seq
 * @param {string} stamp
 * @param {boolean} on
 * @returns {State}
 */
export function stamp(state, seq, stamp, on) {
  /** @type {{[what: string]: boolean}} */
  const own = {};
  own[seq + ' ' + stamp] = on;
  return withChange(state, { stamped: Object.assign({}, state.stamped, own) });
}

/**
 * Remembers that this page took a line back.
 * @param {State} state
 * @param {number} seq
 * @returns {State}
 */
export function unsay(state, seq) {
  /** @type {{[seq: number]: boolean}} */
  const own = {};
  own[seq] = true;
  return withChange(state, { unsaid: Object.assign({}, state.unsaid, own) });
}
