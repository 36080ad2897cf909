// ことばを選ぶ: takes the composer's place, stays open after one word, closes with 閉じる or Esc.

import { t } from './words.js';
import { button } from './view.js';

/** @typedef {import('../types/page').State} State */

/**
 * @param {{ready: (a: string, b: string) => void, lamp: (a: boolean) => void, closed: () => void}} acts
 */
export function sheet(acts) {
  const form = /** @type {HTMLElement} */ (document.getElementById('seat'));
  const box = /** @type {HTMLElement} */ (document.getElementById('words'));
  const link = /** @type {HTMLElement} */ (document.getElementById('choose'));
  const template = /** @type {HTMLTemplateElement} */ (document.getElementById('t-sheet'));
  let isOpen = false;
  let noReply = false;
  let shown = '';
  /** @type {State | null} */
  let last = null;

  link.setAttribute('role', 'button');
  link.setAttribute('aria-expanded', 'false');
  link.setAttribute('aria-controls', 'words');

  /** @param {string} id @returns {HTMLElement} */
  function get(id) {
    return /** @type {HTMLElement} */ (document.getElementById(id));
  }

  /** @param {HTMLElement} node @param {boolean} on @param {string} words */
  function turn(node, on, words) {
    node.setAttribute('aria-checked', String(on));
    const value = node.querySelector('.val');
    if (value) value.textContent = words;
  }

  function open() {
    if (isOpen) return;
    isOpen = true;
    shown = '';
    box.appendChild(document.importNode(template.content, true));
    box.hidden = false;
    form.classList.add('seat-open');
    link.setAttribute('aria-expanded', 'true');
    get('words-close').addEventListener('click', close);
    get('words-lamp').addEventListener('click', function () { acts.lamp(!(last && last.my_lamp)); });
    get('words-no-reply').addEventListener('click', function () {
      noReply = !noReply;
      if (last) draw(last);
    });
    if (last) draw(last);
    get('words-close').focus();
  }

  function close() {
    if (!isOpen) return;
    isOpen = false;
    const note = /** @type {HTMLInputElement} */ (get('words-note')).value;
    keptNote = note.trim();
    while (box.firstChild) box.removeChild(box.firstChild);
    box.hidden = true;
    form.classList.remove('seat-open');
    link.setAttribute('aria-expanded', 'false');
    link.focus();
    acts.closed();
  }

  let keptNote = '';

  /** @param {State} state */
  function draw(state) {
    last = state;
    if (!isOpen) return;
    const ready = state.room ? state.room.ready : [];
    const now = JSON.stringify(ready);
    if (now !== shown) {
      shown = now;
      const list = get('words-list');
      while (list.firstChild) list.removeChild(list.firstChild);
      ready.forEach(function (line) {
        list.appendChild(button(line.text, '', function () { acts.ready(line.id, line.text); }));
      });
    }
    turn(get('words-lamp'), state.my_lamp, t(state.my_lamp ? 'words.lit' : 'words.unlit'));
    turn(get('words-no-reply'), noReply, t(noReply ? 'words.on' : 'words.unlit'));
  }

  link.addEventListener('click', function (event) {
    event.preventDefault();
    open();
  });
  link.addEventListener('keydown', function (event) {
    if (event.key !== ' ') return;
    event.preventDefault();
    open();
  });
  document.addEventListener('keydown', function (event) {
    if (event.key !== 'Escape' || !isOpen || event.isComposing) return;
    event.preventDefault();
    close();
  });

  return {
    draw: draw,
    close: close,
    /** What goes with the next written line; asked once, then plain again. */
    take: function () {
      const field = isOpen ? /** @type {HTMLInputElement} */ (get('words-note')) : null;
      const taken = { no_reply: noReply, note: field ? field.value.trim() : keptNote };
      noReply = false;
      keptNote = '';
      return taken;
    },
    /** Takes up again what had gone with a line that came back. @param {{note?: string, no_reply?: boolean}} line */
    give: function (line) {
      noReply = Boolean(line.no_reply);
      keptNote = line.note || '';
      const field = isOpen ? /** @type {HTMLInputElement} */ (get('words-note')) : null;
      if (field) field.value = keptNote;
      if (last) draw(last);
    },
    /** Whether something goes with the next written line, in words. */
    says: function () {
      return (noReply ? t('live.no_reply') + '。' : '') + (keptNote ? t('live.noted') : '');
    },
    noReply: function () { return noReply; },
  };
}
