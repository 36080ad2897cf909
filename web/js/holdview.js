// The rows of what waits for a human, each with its three acts, in the room and on the day's page; and the bar at the top.

import { isRisk, since, change, frameOf, REASONS } from './holds.js';
import { freshKey } from './composer.js';
import { button, el, marked } from './view.js';
import { t } from './words.js';

/** @typedef {import('../types/page').HoldHere} HoldHere */
/** @typedef {import('../types/page').HoldAct} HoldAct */
/** @typedef {import('../types/page').ClientFrame} ClientFrame */

/** So long a line that is not to come into the room can still come: nothing is sent before. */
export const UNDO_MS = 6000;

/**
 * @param {{
 *   always: boolean,
 *   titles: (a: string) => string,
 *   send: (a: ClientFrame) => boolean,
 *   now: () => readonly HoldHere[],
 *   set: (a: readonly HoldHere[]) => void,
 *   clock: () => number,
 * }} from `always`: the list has its place when nothing waits, too; `titles`: the name of a room where that must be said
 */
export function holdView(from) {
  /** @param {string} id @returns {HTMLElement | null} */
  const get = function (id) { return document.getElementById(id); };
  const section = get('holds');
  const list = get('holds-list');
  /** @type {{[hold: string]: {row: HTMLElement, sign: string, room: string, when: HTMLElement | null}}} */
  const rows = {};
  /** The hold whose reasons stand open. */
  let choosing = '';
  /** What will be sent soon. @type {{[hold: string]: {reason: string, timer: number}}} */
  const soon = {};

  // What the server drew stands until the room has told.
  if (list) {
    Array.prototype.forEach.call(list.querySelectorAll('li[data-hold]'), function (/** @type {HTMLElement} */ row) {
      const room = row.getAttribute('data-room') || '';
      rows[row.getAttribute('data-hold') || ''] = { row: row, sign: '', room: room, when: null };
    });
  }

  /** @param {HoldHere} hold @param {HoldAct} act @param {string} [reason] */
  function ask(hold, act, reason) {
    const key = freshKey();
    const sent = from.send(frameOf(hold, act, key, reason));
    from.set(change(from.now(), hold.hold, sent ? { asked: act, key: key, text: '' } : { text: t('desk.cut') }));
  }

  /** @param {HoldHere} hold @param {string} reason */
  function rejectSoon(hold, reason) {
    choosing = '';
    const timer = window.setTimeout(function () {
      delete soon[hold.hold];
      const still = from.now().filter(function (one) { return one.hold === hold.hold; })[0];
      if (still) ask(still, 'reject', reason);
    }, UNDO_MS);
    soon[hold.hold] = { reason: reason, timer: timer };
    again();
  }

  /** @param {string} hold */
  function undo(hold) {
    if (!soon[hold]) return;
    window.clearTimeout(soon[hold].timer);
    delete soon[hold];
    again();
  }

  function again() { from.set(from.now()); }

  /** @param {string} name @param {string} words @param {() => void} act */
  function press(name, words, act) {
    const node = button(words, 'btn', act);
    node.setAttribute('data-act', name);
    return node;
  }

  /** @param {HoldHere} hold @returns {HTMLElement} */
  function acts(hold) {
    const box = el('div', 'acts');
    const coming = soon[hold.hold];
    if (coming) {
      box.appendChild(el('p', 'hold-state', t('desk.rejecting', { why: t('reject.' + coming.reason) })));
      box.appendChild(press('undo', t('desk.undo'), function () { undo(hold.hold); }));
      return box;
    }
    if (hold.asked === 'approve' || hold.asked === 'reject') {
      box.appendChild(el('p', 'hold-state', t(hold.asked === 'approve' ? 'desk.approving' : 'desk.rejected')));
      return box;
    }
    if (hold.looked || hold.asked === 'look') box.appendChild(el('p', 'hold-state', t(hold.looked ? 'desk.looked' : 'desk.look')));
    else box.appendChild(press('look', t('desk.look'), function () { ask(hold, 'look'); }));
    box.appendChild(press('approve', t('desk.approve'), function () { ask(hold, 'approve'); }));
    const no = press('reject', t('desk.reject'), function () {
      choosing = choosing === hold.hold ? '' : hold.hold;
      again();
    });
    no.setAttribute('aria-expanded', String(choosing === hold.hold));
    box.appendChild(no);
    return box;
  }

  /** @param {HoldHere} hold @returns {HTMLElement} */
  function reasons(hold) {
    const group = el('div', 'reasons');
    group.setAttribute('role', 'group');
    group.setAttribute('aria-label', t('desk.reject_why'));
    REASONS.forEach(function (reason) {
      group.appendChild(press('reason-' + reason, t('reject.' + reason), function () { rejectSoon(hold, reason); }));
    });
    group.appendChild(press('stop', t('desk.stop'), function () { choosing = ''; again(); }));
    return group;
  }

  /** @param {HoldHere} hold @returns {{row: HTMLElement, when: HTMLElement}} */
  function made(hold) {
    const row = el('li', isRisk(hold) ? 'task hold task-now' : 'task hold');
    const head = el('p', 'why');
    const why = el('b', '');
    if (isRisk(hold)) why.appendChild(el('span', 'why-now', t('desk.now')));
    why.appendChild(document.createTextNode(t('why.' + hold.reason)));
    const when = el('span', '');
    head.appendChild(why);
    head.appendChild(when);
    const quote = el('blockquote', '');
    const who = el('span', 'who', hold.name);
    if (hold.duty) who.appendChild(el('span', 'role', t('duty.' + hold.duty)));
    const title = from.titles(hold.room);
    if (title) who.appendChild(el('span', 'role', title));
    const said = el('p', 'said');
    marked(said, hold);
    quote.appendChild(who);
    quote.appendChild(said);
    row.appendChild(head);
    row.appendChild(quote);
    const besides = isRisk(hold) ? 'desk.risk_what' : hold.passes && !hold.looked ? 'desk.newcomer_what' : '';
    if (besides) row.appendChild(el('p', 'quiet', t(besides)));
    if (hold.text) row.appendChild(el('p', 'quiet', hold.text));
    row.appendChild(acts(hold));
    if (choosing === hold.hold && !soon[hold.hold]) {
      row.appendChild(el('p', 'quiet', t('desk.reject_why')));
      row.appendChild(reasons(hold));
    }
    return { row: row, when: when };
  }

  /** Where the focus goes when a row is made anew: to the same act, to what came of it, or to the first one. @param {HTMLElement} row @param {string | null} act */
  function focusIn(row, act) {
    const same = act ? row.querySelector('[data-act="' + act + '"]') : null;
    const next = row.querySelector('[data-act="undo"]') || row.querySelector('[data-act^="reason-"]');
    const found = (act === 'reject' && next) || same || next || row.querySelector('[data-act]');
    if (found instanceof HTMLElement) { found.focus(); return; }
    row.setAttribute('tabindex', '-1');
    row.focus();
  }

  /** @param {readonly HoldHere[]} holds @param {(a: string) => boolean} told whether a room has told of all that waits in it */
  function draw(holds, told) {
    if (!section || !list) return;
    const into = list;
    let lost = false;
    Object.keys(rows).forEach(function (id) {
      if (holds.some(function (one) { return one.hold === id; })) return;
      if (rows[id].sign === '' && !told(rows[id].room)) return;
      if (soon[id]) { window.clearTimeout(soon[id].timer); delete soon[id]; }
      if (choosing === id) choosing = '';
      lost = lost || rows[id].row.contains(document.activeElement);
      rows[id].row.remove();
      delete rows[id];
    });
    const now = from.clock();
    holds.forEach(function (hold) {
      const coming = soon[hold.hold];
      const sign = JSON.stringify([hold, choosing === hold.hold, coming ? coming.reason : '', from.titles(hold.room)]);
      const drawn = rows[hold.hold];
      if (!drawn || drawn.sign !== sign) {
        const next = made(hold);
        next.row.setAttribute('data-hold', hold.hold);
        next.row.setAttribute('data-room', hold.room);
        next.row.setAttribute('data-at', String(hold.at));
        next.row.setAttribute('data-risk', String(isRisk(hold)));
        const focused = drawn && drawn.row.contains(document.activeElement) ? document.activeElement : null;
        if (drawn) into.replaceChild(next.row, drawn.row);
        else into.insertBefore(next.row, place(next.row));
        rows[hold.hold] = { row: next.row, sign: sign, room: hold.room, when: next.when };
        if (focused) focusIn(next.row, focused.getAttribute('data-act'));
      }
      const when = rows[hold.hold].when;
      const words = since(hold.at, now);
      const text = t(words.key, { n: words.n });
      if (when && when.textContent !== text) when.textContent = text;
    });
    const none = into.children.length === 0;
    section.hidden = none && !from.always;
    const lead = get('holds-lead');
    const nothing = get('holds-none');
    if (lead) lead.hidden = none;
    if (nothing) nothing.hidden = !none;
    const title = get('holds-title');
    const field = get('say');
    if (lost) {
      if (!section.hidden && title) title.focus();
      else if (field) field.focus();
    }
  }

  /** The row before which one comes: lives first, then as they came. @param {HTMLElement} row @returns {Element | null} */
  function place(row) {
    /** @param {Element} one */
    const rank = function (one) { return one.getAttribute('data-risk') === 'true' ? 0 : 1; };
    /** @param {Element} one */
    const at = function (one) { return Number(one.getAttribute('data-at')); };
    const all = list ? Array.prototype.slice.call(list.children) : [];
    return all.filter(function (/** @type {Element} */ other) {
      return rank(other) > rank(row) || (rank(other) === rank(row) && at(other) > at(row));
    })[0] || null;
  }

  return {
    draw: draw,
    /** How many rows stand, those that the server drew too. */
    waits: function () { return Object.keys(rows).length > 0; },
    risk: function () {
      return Object.keys(rows).some(function (id) { return rows[id].row.getAttribute('data-risk') === 'true'; });
    },
  };
}

/**
 * The bar at the top of every page of those on duty.
 * @returns {{draw: (a: boolean, b: boolean) => void, say: (a: HoldHere) => void}}
 */
export function waitsBar() {
  const bar = document.getElementById('waits');
  const now = document.getElementById('waits-now');
  const says = document.getElementById('waits-say');
  return {
    draw: function (waits, risk) {
      if (bar) { bar.hidden = !waits; bar.classList[risk ? 'add' : 'remove']('waits-risk'); }
      if (now) now.hidden = !risk;
      if (says && !waits) says.textContent = '';
    },
    say: function (hold) {
      if (says) says.textContent = (isRisk(hold) ? t('desk.now') + '、' : '') + t('desk.told', { why: t('why.' + hold.reason) });
    },
  };
}
