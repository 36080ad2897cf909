// A line that was asked back: why, what was seen in it, and the form in which it goes with one press. The line itself
// stands in the field, untouched.

import { button, el, marked } from './view.js';
import { t } from './words.js';

/** @typedef {import('../types/page').Pending} Pending */

/**
 * @param {{place: HTMLElement, masked: (a: Pending) => void, self: (a: Pending) => void, stop: (a: Pending) => void}} from
 */
export function askedView(from) {
  let sign = from.place.firstElementChild ? 'drawn by the server' : '';

  /** @param {Pending} own @returns {HTMLElement} */
  function paper(own) {
    const box = el('section', 'asked');
    box.setAttribute('aria-labelledby', 'asked-title');
    const title = el('h2', '', t('live.ask_title'));
    title.id = 'asked-title';
    box.appendChild(title);
    box.appendChild(el('p', '', own.text));
    if (own.spans && own.spans.length) {
      box.appendChild(el('h3', '', t('live.ask_seen')));
      const copy = el('p', 'said asked-copy');
      marked(copy, own);
      box.appendChild(copy);
    }
    const acts = el('div', 'acts');
    if (own.masked) {
      box.appendChild(el('h3', '', t('live.ask_masked')));
      box.appendChild(el('p', 'said', own.masked));
      box.appendChild(button(t('live.ask_go'), 'btn asked-go', function () { from.masked(own); }));
    }
    box.appendChild(el('p', 'quiet', t('live.ask_kept')));
    acts.appendChild(button(t('live.ask_self'), 'btn', function () { from.self(own); }));
    acts.appendChild(button(t('live.stop'), 'btn', function () { from.stop(own); }));
    box.appendChild(acts);
    return box;
  }

  /**
   * Draws what stands, and tells whether it was laid just now.
   * @param {Pending | null} own
   * @param {boolean} known whether the room has answered; until then what the server drew stands
   * @returns {boolean}
   */
  function draw(own, known) {
    const now = own ? own.key : '';
    if (now === sign || (!own && !known)) return false;
    sign = now;
    while (from.place.firstChild) from.place.removeChild(from.place.firstChild);
    if (own) from.place.appendChild(paper(own));
    return own !== null;
  }
  return { draw: draw };
}
