// The catalogue's part that the scripts need, and hours in words.

/** @type {{[key: string]: string}} */
let catalogue = {};

/**
 * Loads the catalogue.
 * @param {string} url
 * @returns {Promise<void>}
 */
export function load(url) {
  return fetch(url, { credentials: 'same-origin' })
    .then(function (answer) { return answer.json(); })
    .then(function (texts) { catalogue = texts; });
}

/**
 * The text of a key, with its places filled in.
 * @param {string} key
 * @param {{[place: string]: string | number}} [places]
 * @returns {string}
 */
export function t(key, places) {
  const text = catalogue[key] || '';
  return text.replace(/\{(\w+)\}/g, function (whole, place) {
    return places && place in places ? String(places[place]) : '';
  });
}

/**
 * The half hour of an instant, by the city's clock (nine hours ahead, no summer time); equal within it.
 * @param {string} at RFC 3339
 * @returns {number}
 */
export function halfHour(at) {
  return Math.floor((Date.parse(at) + 9 * 3600000) / 1800000);
}

/**
 * 20時半ごろ.
 * @param {number} half
 * @returns {string}
 */
export function about(half) {
  const h = Math.floor((half % 48) / 2);
  return t('time.about', { time: t(half % 2 ? 'time.half' : 'time.hour', { h: h }) });
}
