// What was written and has not come into the room: kept by the server, sealed, and on an own device also in
// this tab's session. Nothing goes into local storage.

/** @typedef {import('../types/page').Pending} Pending */
/** @typedef {{text: string, unsent: Pending[]}} Draft */

const LATER_MS = 1000;

/**
 * As it is kept: plain text, or with lines that are not in the room. Without script the server puts `unsent` back into
 * the field, so lines that wait or were asked back stand apart from them.
 * @param {Draft} draft
 * @returns {string}
 */
export function pack(draft) {
  if (!draft.unsent.length) return draft.text;
  /** @param {(own: Pending) => boolean} which @param {(own: Pending) => any} more */
  const those = function (which, more) {
    const found = draft.unsent.filter(which).map(function (own) {
      const line = { key: own.key, body: own.body, ready: own.ready, note: own.note, no_reply: own.no_reply, at: own.at };
      return Object.assign(line, more(own));
    });
    return found;
  };
  /** @type {any} */
  const kept = { v: 1, text: draft.text };
  kept.unsent = those(function (own) { return own.status !== 'held' && own.status !== 'ask'; }, function () { return {}; });
  const held = those(function (own) { return own.status === 'held'; }, function (own) { return { reason: own.reason }; });
  const asked = those(function (own) { return own.status === 'ask'; }, function (own) {
    return { reason: own.reason, text: own.text, spans: own.spans, masked: own.masked };
  });
  if (held.length) kept.held = held;
  if (asked.length) kept.asked = asked;
  return JSON.stringify(kept);
}

/**
 * As it was kept.
 * @param {string} kept
 * @returns {Draft}
 */
export function unpack(kept) {
  if (kept.slice(0, 7) !== '{"v":1,') return { text: kept, unsent: [] };
  try {
    const draft = JSON.parse(kept);
    /** @param {any} lines @param {string} status */
    const those = function (lines, status) {
      return (Array.isArray(lines) ? lines : []).filter(function (own) {
        return own && typeof own.key === 'string' && typeof own.body === 'string';
      }).map(function (own) { return Object.assign({}, own, { status: status }); });
    };
    return {
      text: String(draft.text || ''),
      unsent: those(draft.unsent, 'unsent').concat(those(draft.held, 'held'), those(draft.asked, 'ask')),
    };
  } catch (notOurs) {
    return { text: kept, unsent: [] };
  }
}

/**
 * Keeps the draft of a room.
 * @param {string} room
 * @param {boolean} ownDevice
 * @param {() => Draft} now what there is to keep
 * @param {(a: boolean) => void} onKept whether something is kept
 */
export function keeper(room, ownDevice, now, onKept) {
  const url = '/api/v1/drafts/room/' + encodeURIComponent(room);
  const name = 'draft ' + room;
  let saved = '';
  let timer = 0;

  /** @param {boolean} leaving */
  function save(leaving) {
    window.clearTimeout(timer);
    timer = 0;
    const body = pack(now());
    if (body === saved) return;
    saved = body;
    /** @type {RequestInit} */
    const call = body === ''
      ? { method: 'DELETE' }
      : { method: 'PUT', body: JSON.stringify({ body: body }), headers: { 'content-type': 'application/json' } };
    call.credentials = 'same-origin';
    call.keepalive = leaving;
    fetch(url, call).then(function (answer) {
      if (!answer.ok && saved === body) saved = '\u0000';
      if (answer.ok) onKept(body !== '');
    }, function () {
      if (saved === body) saved = '\u0000';
    });
  }

  /** Something changed. */
  function changed() {
    if (ownDevice) {
      try {
        const body = pack(now());
        if (body === '') sessionStorage.removeItem(name);
        else sessionStorage.setItem(name, body);
      } catch (noStorage) { /* the server keeps it */ }
    }
    if (!timer) timer = window.setTimeout(function () { save(false); }, LATER_MS);
  }

  /**
   * What was kept: this tab's own first, as it is newer.
   * @returns {Promise<Draft>}
   */
  function load() {
    let here = null;
    if (ownDevice) {
      try { here = sessionStorage.getItem(name); } catch (noStorage) { here = null; }
    }
    return fetch(url, { credentials: 'same-origin', cache: 'no-store' }).then(function (answer) {
      return answer.status === 200 ? answer.json() : { body: '' };
    }).then(function (kept) {
      saved = typeof kept.body === 'string' ? kept.body : '';
      return unpack(here === null ? saved : here);
    }).catch(function () {
      return unpack(here === null ? '' : here);
    });
  }

  window.addEventListener('pagehide', function () { save(true); });
  document.addEventListener('visibilitychange', function () {
    if (document.visibilityState === 'hidden') save(true);
  });
  return { changed: changed, load: load };
}
