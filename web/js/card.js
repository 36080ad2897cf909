// The card: a letter to one person, laid above the place to write. What it says and where it leads comes from the server.

import { el, made, part } from './view.js';
import { t } from './words.js';

/** @typedef {import('../types/page').CardHere} CardHere */
/** @typedef {import('../types/wire').CardLink} CardLink */
/** @typedef {{text: string, href?: string}} Piece */

/**
 * Whether a link may be followed: a telephone, a page elsewhere that was named by our own data, or one of this place.
 * @param {string} href
 * @returns {boolean}
 */
export function fine(href) {
  return /^tel:[0-9%]+$/.test(href) || /^https:\/\//.test(href) || /^\/(?!\/)/.test(href);
}

/**
 * The paragraphs above the ways, and the last one in pieces: words, and numbers to dial.
 * @param {CardHere} card
 * @returns {{words: string[], urgent: Piece[], ways: CardLink[]}}
 */
export function laid(card) {
  const words = card.text.split('\n').filter(Boolean);
  const links = card.links.filter(function (link) { return fine(link.href); });
  const numbers = links.filter(function (link) { return link.mode === 'emergency'; });
  let rest = words.pop() || '';
  /** @type {Piece[]} */
  const urgent = [];
  for (;;) {
    const next = numbers
      .map(function (link) { return { at: rest.indexOf(link.label), link: link }; })
      .filter(function (found) { return found.at >= 0 && found.link.label; })
      .sort(function (a, b) { return a.at - b.at; })[0];
    if (!next) break;
    urgent.push({ text: rest.slice(0, next.at) }, { text: next.link.label, href: next.link.href });
    rest = rest.slice(next.at + next.link.label.length);
  }
  urgent.push({ text: rest });
  return { words: words, urgent: urgent, ways: links.filter(function (link) { return link.mode !== 'emergency'; }) };
}

/** @param {CardLink} link @returns {HTMLElement} */
function way(link) {
  const item = made('t-way');
  const anchor = part(item, '.way');
  anchor.setAttribute('href', link.href);
  if (link.href.indexOf('https:') === 0) anchor.setAttribute('rel', 'noreferrer noopener');
  part(item, '.how').textContent = t('way.' + link.mode);
  part(item, '.go').textContent = link.label;
  const what = part(item, '.what');
  if (link.number) {
    what.appendChild(el('br', ''));
    what.appendChild(el('span', 'tel', link.number));
  }
  if (link.about) what.appendChild(el('small', '', link.about));
  if (link.hours || link.cost) {
    const when = el('small', '', link.hours || '');
    if (link.cost) when.appendChild(el('span', 'whole', link.cost));
    what.appendChild(when);
  }
  return item;
}

/**
 * The card's place in the page.
 * @param {{place: HTMLElement, says: HTMLElement, leave: () => void}} from
 */
export function cardView(from) {
  /** @type {CardHere | null} */
  let drawn = null;

  /** @param {CardHere} card @returns {HTMLElement} */
  function row(card) {
    const paper = made('t-card');
    const all = laid(card);
    const only = part(paper, '.card-only-you');
    all.words.forEach(function (words) { paper.insertBefore(el('p', '', words), only); });
    const leave = part(paper, '.way-none');
    const list = part(paper, '.ways-out');
    all.ways.forEach(function (link) { list.insertBefore(way(link), leave); });
    const urgent = part(paper, '.emergency');
    all.urgent.forEach(function (piece) {
      if (!piece.href) { urgent.appendChild(document.createTextNode(piece.text)); return; }
      const number = el('a', '', piece.text);
      number.setAttribute('href', piece.href);
      urgent.appendChild(number);
    });
    part(leave, 'button').addEventListener('click', from.leave);
    return paper;
  }

  /**
   * Draws what stands, and tells whether a card was laid just now. It is told in one sentence, politely.
   * @param {CardHere | null} card
   * @returns {boolean}
   */
  function draw(card) {
    if (card === drawn) return false;
    const had = from.place.contains(document.activeElement);
    while (from.place.firstChild) from.place.removeChild(from.place.firstChild);
    drawn = card;
    from.says.textContent = card ? t('live.card') : '';
    if (card) from.place.appendChild(row(card));
    const field = document.getElementById('say');
    if (had && field) field.focus();
    return card !== null;
  }
  return { draw: draw };
}
