// The socket: opens it, keeps it, opens it again. Knows no room; says what it hears to whoever asked.

/** @typedef {import('../types/page').ServerFrame} ServerFrame */
/** @typedef {import('../types/page').ClientFrame} ClientFrame */
/** @typedef {import('../types/page').Link} Link */

const FIRST_MS = 500;
const TOP_MS = 20000;
/** Older ones than this many tries that never opened: sockets do not get through here. */
const BLOCKED_AFTER = 3;
const PING_MS = 20000;
const SILENT_MS = 50000;
/** After so long in the background a socket is not trusted any more. */
const AWAY_MS = 10000;
const RETURN_MS = 4000;

/**
 * How long to wait before a try: doubling up to a top, spread so that not all come at once.
 * @param {number} tries how many failed before, from 0
 * @param {number} chance from 0 up to 1
 * @returns {number} milliseconds
 */
export function wait(tries, chance) {
  const whole = Math.min(TOP_MS, FIRST_MS * Math.pow(2, Math.min(tries, 10)));
  return Math.round(whole / 2 + (whole / 2) * chance);
}

/**
 * Keeps a socket open.
 * @param {{onFrame: (a: ServerFrame) => void, onLink: (a: Link) => void}} to
 * @returns {{send: (frame: ClientFrame) => boolean, stop: () => void}}
 */
export function keep(to) {
  /** @type {WebSocket | null} */
  let socket = null;
  let tries = 0;
  let opened = false;
  let stopped = false;
  let pings = 0;
  let heard = 0;
  let hiddenAt = 0;
  let waitMs = -1;
  let timer = 0;
  let watch = 0;

  /** @param {Link} link */
  function end(link) {
    stopped = true;
    window.clearTimeout(timer);
    window.clearInterval(watch);
    if (socket) socket.close(1000);
    socket = null;
    to.onLink(link);
  }

  function later() {
    if (stopped) return;
    const ms = waitMs >= 0 ? waitMs + Math.round(Math.random() * 500) : wait(tries, Math.random());
    waitMs = -1;
    tries += 1;
    to.onLink(!opened && tries >= BLOCKED_AFTER ? 'blocked' : 'cut');
    window.clearTimeout(timer);
    timer = window.setTimeout(open, ms);
  }

  /** An upgrade without a session fails without a word; this asks for the reason. */
  function askSession() {
    fetch('/api/v1/me', { credentials: 'same-origin', cache: 'no-store' }).then(function (answer) {
      if (answer.status === 401 && !stopped) end('ended');
    }, function () { /* the line is cut; the next try will tell */ });
  }

  function open() {
    if (stopped) return;
    window.clearTimeout(timer);
    const scheme = location.protocol === 'https:' ? 'wss:' : 'ws:';
    /** @type {WebSocket} */
    let mine;
    try {
      mine = new WebSocket(scheme + '//' + location.host + '/ws', 'engawa.v1');
    } catch (refusedByPolicy) {
      later();
      return;
    }
    socket = mine;
    let isOpen = false;
    mine.onopen = function () {
      isOpen = true;
      opened = true;
      heard = Date.now();
    };
    mine.onmessage = function (event) {
      if (mine !== socket) return;
      heard = Date.now();
      /** @type {ServerFrame} */
      let frame;
      try { frame = JSON.parse(event.data); } catch (notJson) { return; }
      if (frame.type === 'welcome') {
        tries = 0;
        to.onLink('live');
      }
      if (frame.type === 'bye') {
        waitMs = frame.reconnect_after_ms;
        if (frame.why === 'session') { end('ended'); return; }
        if (frame.why === 'slow') waitMs = 0;
      }
      to.onFrame(frame);
    };
    mine.onclose = function (event) {
      if (mine !== socket) return;
      socket = null;
      if (event.code === 4001) { end('ended'); return; }
      if (event.code === 4003) waitMs = 0;
      if (event.code === 1008) waitMs = TOP_MS;
      if (!isOpen) askSession();
      later();
    };
  }

  /** Lets the present socket go without waiting for its last word, and opens another at once. */
  function again() {
    if (stopped) return;
    const old = socket;
    socket = null;
    if (old) old.close(1000);
    tries = 0;
    to.onLink('cut');
    open();
  }

  /** @param {ClientFrame} frame */
  function send(frame) {
    if (!socket || socket.readyState !== 1) return false;
    socket.send(JSON.stringify(frame));
    return true;
  }

  function ping() {
    pings += 1;
    send({ type: 'ping', n: pings });
  }

  function back() {
    if (stopped) return;
    const away = hiddenAt ? Date.now() - hiddenAt : 0;
    hiddenAt = 0;
    if (!socket || socket.readyState > 1 || away >= AWAY_MS) { again(); return; }
    const asked = Date.now();
    const mine = socket;
    ping();
    window.setTimeout(function () {
      if (socket === mine && mine.readyState === 1 && heard < asked) again();
    }, RETURN_MS);
  }

  document.addEventListener('visibilitychange', function () {
    if (document.visibilityState === 'hidden') hiddenAt = Date.now();
    else back();
  });
  window.addEventListener('pageshow', function (event) { if (event.persisted) again(); });
  window.addEventListener('online', back);
  watch = window.setInterval(function () {
    if (!socket || socket.readyState !== 1) return;
    if (Date.now() - heard > SILENT_MS) again();
    else ping();
  }, PING_MS);

  open();
  return { send: send, stop: function () { end('stopped'); } };
}
