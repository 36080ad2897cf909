// The room's log in the document: rows made from the page's templates with textContent, kept in step with the state.

import { t, halfHour, about } from './words.js';

/** @typedef {import('../types/page').State} State */
/** @typedef {import('../types/page').Known} Known */
/** @typedef {import('../types/page').Pending} Pending */
/**
 * What the rows may ask for.
 * @typedef {{
 *   stamp: (a: number, b: string, c: boolean) => void,
 *   unsay: (a: number) => void,
 *   measure: (a: number, b: string) => void,
 *   again: (a: string) => void,
 *   stop: (a: string) => void,
 *   reword: (a: string) => void,
 * }} Acts
 */

export const STAMPS = ['nod', 'listening', 'thanks', 'warm', 'same'];

/**
 * A copy of what a template holds.
 * @param {string} id
 * @returns {HTMLElement}
 */
export function made(id) {
  const template = document.getElementById(id);
  if (!(template instanceof HTMLTemplateElement)) throw new Error('no template ' + id);
  return /** @type {HTMLElement} */ (document.importNode(template.content, true).firstElementChild);
}

/**
 * @param {string} tag
 * @param {string} className
 * @param {string} [text]
 * @returns {HTMLElement}
 */
export function el(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

/**
 * @param {string} text
 * @param {string} className
 * @param {() => void} act
 * @returns {HTMLElement}
 */
export function button(text, className, act) {
  const node = el('button', className, text);
  node.setAttribute('type', 'button');
  node.addEventListener('click', act);
  return node;
}

/**
 * The part of a row that must be there.
 * @param {Element} within
 * @param {string} selector
 * @returns {HTMLElement}
 */
export function part(within, selector) {
  return /** @type {HTMLElement} */ (within.querySelector(selector));
}

/**
 * The log.
 * @param {{log: HTMLElement, own: HTMLElement, onDuty: boolean, acts: Acts}} from
 */
export function logView(from) {
  /** @type {{[seq: number]: {row: HTMLElement, sign: string}}} */
  const rows = {};
  /** @type {{[name: string]: {row: HTMLElement, sign: string}}} */
  const ownRows = {};
  /** The line whose strip is open; 0 for none. */
  let open = 0;
  /** @type {State | null} */
  let last = null;

  Array.prototype.forEach.call(from.log.querySelectorAll('li[data-seq]'), function (/** @type {HTMLElement} */ row) {
    rows[Number(row.getAttribute('data-seq'))] = { row: row, sign: '' };
  });

  /** @param {HTMLElement} who @param {string} name @param {string | undefined} duty @param {boolean} own */
  function author(who, name, duty, own) {
    who.textContent = name;
    if (duty) who.appendChild(el('span', 'role', t('duty.' + duty)));
    if (own) who.appendChild(el('span', 'me', t('live.you')));
  }

  /** @param {State} state @param {number} seq @param {boolean} own */
  function strip(state, seq, own) {
    const group = el('div', 'strip');
    group.setAttribute('role', 'group');
    group.setAttribute('aria-label', t('live.knot'));
    const stamps = state.mode === 'listen' && !state.room ? [] : STAMPS;
    stamps.forEach(function (stamp) {
      const on = Boolean(state.stamped[seq + ' ' + stamp]);
      const press = button(t('stamp.' + stamp), '', function () { from.acts.stamp(seq, stamp, !on); });
      press.setAttribute('aria-pressed', String(on));
      press.setAttribute('data-stamp', stamp);
      group.appendChild(press);
    });
    if (own) group.appendChild(button(t('live.unsay'), 'tell', function () { open = 0; from.acts.unsay(seq); }));
    if (from.onDuty) group.appendChild(button(t('live.hide'), 'tell', function () { open = 0; from.acts.measure(seq, 'hide'); }));
    return group;
  }

  /** @param {number} seq */
  function toggle(seq) {
    open = open === seq ? 0 : seq;
    if (last) draw(last);
    const here = rows[seq] && rows[seq].row.querySelector('.knot');
    if (here instanceof HTMLElement) here.focus();
  }

  /** @param {State} state @param {Known} known @returns {HTMLElement} */
  function row(state, known) {
    const line = known.line;
    if (!line) {
      const gone = el('li', 'gone', t(state.unsaid[known.seq] ? 'live.gone' : 'live.hidden'));
      if (from.onDuty && !state.unsaid[known.seq]) {
        gone.appendChild(button(t('live.unhide'), 'btn-plain', function () { from.acts.measure(known.seq, 'unhide'); }));
      }
      return gone;
    }
    if (!line.from) {
      const voice = el('li', 'room-voice');
      voice.appendChild(el('p', 'said', line.body));
      return voice;
    }
    const item = made('t-line');
    const own = line.from.id === state.me;
    const box = part(item, '.line');
    if (own) box.classList.add('own');
    author(part(item, '.who'), line.from.name, line.from.duty, own);
    part(item, '.said').textContent = line.body;
    const what = part(item, '.what');
    if (line.form === 'ready') what.appendChild(el('p', 'chosen', t('live.chosen')));
    if (line.no_reply) what.appendChild(el('p', 'aside', t('live.no_reply')));
    if (line.stamps && line.stamps.length) {
      const list = el('ul', 'stamps');
      list.setAttribute('aria-label', t('live.stamps'));
      line.stamps.forEach(function (stamp) { list.appendChild(el('li', '', t('stamp.' + stamp))); });
      what.appendChild(list);
    }
    const mark = from.onDuty ? state.marks[known.seq] : undefined;
    if (mark) {
      const sign = el('p', 'marked', t('mark.only') + t('mark.' + mark));
      what.appendChild(sign);
    }
    const knot = part(item, '.knot');
    knot.addEventListener('click', function () { toggle(known.seq); });
    if (open === known.seq) {
      knot.setAttribute('aria-expanded', 'true');
      what.appendChild(strip(state, known.seq, own));
    }
    if (known.note === undefined) return item;
    const folded = made('t-folded');
    const details = part(folded, 'details');
    part(folded, '.about').textContent = t('live.folded', { note: known.note });
    details.appendChild(box);
    const before = rows[known.seq] && rows[known.seq].row.querySelector('details');
    if ((before && before.open) || open === known.seq) details.setAttribute('open', '');
    return folded;
  }

  /** What a row is made from; a row is made anew when this changes. @param {State} state @param {Known} known */
  function sign(state, known) {
    const own = STAMPS.filter(function (stamp) { return state.stamped[known.seq + ' ' + stamp]; });
    const opened = open === known.seq ? own.join() + '!' : '';
    return JSON.stringify([known.line, known.note, opened, state.me, Boolean(state.unsaid[known.seq]), state.marks[known.seq]]);
  }

  /** @param {HTMLElement} old @param {HTMLElement} next */
  function replace(old, next) {
    const focused = document.activeElement;
    let find = '';
    if (focused && old.contains(focused)) {
      const stamp = focused.getAttribute('data-stamp');
      find = stamp ? '[data-stamp="' + stamp + '"]' : focused.tagName === 'SUMMARY' ? 'summary' : '.knot';
    }
    if (old.parentNode) old.parentNode.replaceChild(next, old);
    const again = find ? next.querySelector(find) || next.querySelector('button') : null;
    if (again instanceof HTMLElement) again.focus();
  }

  /** @param {State} state */
  function drawLog(state) {
    Array.prototype.forEach.call(from.log.querySelectorAll('.empty, .hour, .gone:not([data-seq])'), function (/** @type {HTMLElement} */ old) {
      if (state.order.length || old.className !== 'empty') old.remove();
    });
    Object.keys(rows).forEach(function (seq) {
      const known = rows[Number(seq)];
      if (known.sign !== '' && !state.known[Number(seq)]) {
        known.row.remove();
        delete rows[Number(seq)];
      }
    });
    /** @type {number | null} */
    let half = null;
    /** @type {HTMLElement | null} */
    let previous = null;
    state.order.forEach(function (seq) {
      const known = state.known[seq];
      const now = sign(state, known);
      let drawn = rows[seq];
      if (!drawn || drawn.sign !== now) {
        const next = row(state, known);
        next.setAttribute('data-seq', String(seq));
        next.id = 's' + seq;
        if (drawn) replace(drawn.row, next);
        else from.log.insertBefore(next, previous ? previous.nextSibling : firstAfter(seq));
        drawn = { row: next, sign: now };
        rows[seq] = drawn;
      }
      previous = drawn.row;
      if (known.line) {
        const this1 = halfHour(known.line.at);
        if (half !== null && half !== this1) from.log.insertBefore(el('li', 'hour', about(this1)), drawn.row);
        half = this1;
      }
    });
    state.gaps.forEach(function (first) {
      const after = state.order.filter(function (seq) { return seq >= first; })[0];
      const place = after && rows[after] ? rows[after].row : null;
      from.log.insertBefore(el('li', 'gone', t('live.gap')), place);
    });
  }

  /** The first row that stands after a number, among those the server drew. @param {number} seq */
  function firstAfter(seq) {
    const later = Object.keys(rows).map(Number).filter(function (other) { return other > seq; });
    return later.length ? rows[Math.min.apply(null, later)].row : null;
  }

  /** @param {State} state @param {Pending} own @param {string} status */
  function pendingRow(state, own, status) {
    const item = made('t-pending');
    // The seconds of a newcomer's line look as its sending does.
    const quiet = status === 'sending' || status === 'acked' || (status === 'held' && own.reason === 'newcomer');
    if (quiet) item.classList.add('own-sending');
    author(part(item, '.who'), state.name, undefined, true);
    part(item, '.said').textContent = own.body;
    const what = part(item, '.what');
    if (own.no_reply) what.appendChild(el('p', 'aside', t('live.no_reply')));
    const box = el('div', 'state');
    const acts = el('div', 'acts');
    const say = el('p', '');
    box.appendChild(say);
    if (status === 'sending' || status === 'acked') say.textContent = t('live.sending');
    if (status === 'unsent' || status === 'wait') {
      say.textContent = (own.text || '') + t('live.unsent');
      acts.appendChild(button(t('live.again'), 'btn', function () { from.acts.again(own.key); }));
      acts.appendChild(button(t('live.stop'), 'btn', function () { from.acts.stop(own.key); }));
    }
    if (status === 'held') {
      const words = heldWords(own);
      const first = words.indexOf('。') + 1;
      say.appendChild(el(quiet ? 'span' : 'strong', '', words.slice(0, first)));
      say.appendChild(document.createTextNode(words.slice(first)));
      acts.appendChild(button(t('live.take_back'), 'btn', function () { from.acts.stop(own.key); }));
    }
    if (status === 'refused') {
      say.textContent = own.text || '';
      if (own.body) acts.appendChild(button(t('live.reword'), 'btn', function () { from.acts.reword(own.key); }));
      acts.appendChild(button(t('live.drop'), 'btn', function () { from.acts.stop(own.key); }));
    }
    if (acts.firstChild) box.appendChild(acts);
    what.appendChild(box);
    return item;
  }

  /** @param {State} state */
  function drawOwn(state) {
    // What was asked back stands in the field, and what is said about it above it.
    const own1 = state.pending.filter(function (own) { return own.status !== 'ask'; });
    Object.keys(ownRows).forEach(function (key) {
      if (!own1.some(function (own) { return own.key === key; })) {
        ownRows[key].row.remove();
        delete ownRows[key];
      }
    });
    own1.forEach(function (own) {
      const now = JSON.stringify(own);
      const drawn = ownRows[own.key];
      if (drawn && drawn.sign === now) return;
      const next = pendingRow(state, own, own.status);
      if (drawn) replace(drawn.row, next);
      else from.own.appendChild(next);
      ownRows[own.key] = { row: next, sign: now };
    });
  }

  /** @param {State} state */
  function draw(state) {
    // Until the room has answered, what the server drew stands.
    if (!state.room && !state.pending.length) { last = null; return; }
    if (!last) while (from.own.firstChild) from.own.removeChild(from.own.firstChild);
    last = state;
    drawLog(state);
    drawOwn(state);
  }

  document.addEventListener('keydown', function (event) {
    if (event.key !== 'Escape' || !open || event.defaultPrevented) return;
    event.preventDefault();
    toggle(open);
  });
  return { draw: draw };
}

/**
 * What is said about a line that waits: the room's own words, or after the page was loaded anew those for its reason.
 * @param {Pending} own
 * @returns {string}
 */
export function heldWords(own) {
  if (own.text) return own.text;
  const reason = own.reason || '';
  return t(['newcomer', 'guard', 'risk'].indexOf(reason) >= 0 ? 'live.held.' + reason : 'live.held.other');
}

/**
 * Words in pieces, with the places that were seen in them set apart, and nothing of them lost. Spans count scalar values.
 * @param {string} body
 * @param {Array<{from: number, to: number}>} [spans]
 * @returns {Array<{text: string, marked: boolean}>}
 */
export function pieces(body, spans) {
  const letters = Array.from(body);
  /** @type {Array<{text: string, marked: boolean}>} */
  const all = [];
  /** @param {number} from @param {number} to @param {boolean} marked */
  const push = function (from, to, marked) {
    if (from < to) all.push({ text: letters.slice(from, to).join(''), marked: marked });
  };
  let at = 0;
  (spans || []).slice().sort(function (one, other) { return one.from - other.from; }).forEach(function (span) {
    const from = Math.max(at, span.from);
    const to = Math.min(letters.length, span.to);
    if (from >= to) return;
    push(at, from, false);
    push(from, to, true);
    at = to;
  });
  push(at, letters.length, false);
  return all;
}

/**
 * Puts words with their marks.
 * @param {HTMLElement} into
 * @param {{body: string, spans?: Array<{from: number, to: number}>}} line
 */
export function marked(into, line) {
  pieces(line.body, line.spans).forEach(function (piece) {
    into.appendChild(piece.marked ? el('span', 'mark', piece.text) : document.createTextNode(piece.text));
  });
}
