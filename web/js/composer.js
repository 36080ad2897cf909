// The front edge: the field, its button, and what it says when one may not write just now.

import { t } from './words.js';

/** Below so many letters left, the page says how many. */
const NEAR = 50;

/**
 * Letters as the server counts them, after putting decomposed ones together and trimming.
 * @param {string} text
 * @returns {number}
 */
export function count(text) {
  return Array.from(text.normalize('NFC').trim()).length;
}

/**
 * A key that no other line has.
 * @returns {string}
 */
export function freshKey() {
  const bytes = new Uint8Array(16);
  crypto.getRandomValues(bytes);
  return Array.from(bytes).map(function (byte) { return ('0' + byte.toString(16)).slice(-2); }).join('');
}

/**
 * @param {{form: HTMLFormElement, field: HTMLTextAreaElement, max: () => number,
 *   send: (a: string) => boolean, changed: () => void}} from `send` answers false where the form must go by itself
 */
export function composer(from) {
  const left = /** @type {HTMLElement} */ (document.getElementById('left'));
  const box = /** @type {HTMLElement} */ (document.getElementById('seat-field'));
  const say = /** @type {HTMLElement} */ (document.getElementById('seat-say'));
  const choose = /** @type {HTMLElement} */ (document.getElementById('choose'));
  const send = /** @type {HTMLButtonElement} */ (document.getElementById('send'));

  function fit() {
    from.field.style.height = '';
    const most = Math.min(window.innerHeight / 3, 220);
    if (from.field.scrollHeight > from.field.clientHeight) {
      from.field.style.height = Math.min(from.field.scrollHeight + 2, most) + 'px';
    }
    const n = from.max() - count(from.field.value);
    left.hidden = n > NEAR;
    left.textContent = n > NEAR ? '' : n < 0 ? t('live.over', { n: -n }) : t('live.left', { n: n });
  }

  from.field.addEventListener('input', function () {
    fit();
    from.changed();
  });
  from.form.addEventListener('submit', function (event) {
    const text = from.field.value.trim();
    if (text === '') { event.preventDefault(); from.field.focus(); return; }
    if (count(text) > from.max()) { event.preventDefault(); fit(); from.field.focus(); return; }
    if (!from.send(text)) return;
    event.preventDefault();
    from.field.value = '';
    fit();
    from.changed();
    from.field.focus();
  });

  return {
    /** @param {string} text */
    set: function (text) {
      from.field.value = text;
      fit();
    },
    /** @returns {string} */
    text: function () { return from.field.value; },
    fit: fit,
    /** @param {string} seat @param {boolean} chooses */
    seat: function (seat, chooses) {
      const writes = seat === 'write';
      // What stands in the field is never taken away from under somebody's hands.
      const keep = writes || (from.field.value !== '' && seat !== 'closed');
      box.hidden = !keep;
      from.field.disabled = !keep;
      send.hidden = !writes;
      say.hidden = writes;
      const words = writes ? '' : t('seat.' + seat);
      if (say.textContent !== words) say.textContent = words;
      choose.hidden = !chooses;
    },
  };
}
