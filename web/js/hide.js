// かくす: at once a harmless page, by the button, by Shift three times within five seconds, or by Esc twice.

const SHIFTS = 3;
const SHIFTS_MS = 5000;
const ESCAPES_MS = 1500;

/** Tells the server and goes; the page that is left is not to be come back to by one step. */
export function hide() {
  try {
    fetch('/m', { method: 'POST', credentials: 'same-origin', keepalive: true, redirect: 'manual' })
      .catch(function () { /* the page hides all the same */ });
  } catch (notSent) { /* the page hides all the same */ }
  window.location.replace('/m');
}

/** @type {number[]} */
let shifts = [];
let escapedAt = 0;

document.addEventListener('submit', function (event) {
  const form = event.target;
  if (form instanceof HTMLFormElement && form.getAttribute('action') === '/m') {
    event.preventDefault();
    hide();
  }
});

window.addEventListener('keydown', function (event) {
  if (event.isComposing || event.repeat) return;
  const now = Date.now();
  if (event.key === 'Shift') {
    shifts = shifts.filter(function (at) { return now - at < SHIFTS_MS; });
    shifts.push(now);
    if (shifts.length >= SHIFTS) hide();
    return;
  }
  shifts = [];
  // An Esc that closed something on the page was meant for that.
  if (event.key !== 'Escape' || event.defaultPrevented) return;
  if (now - escapedAt < ESCAPES_MS) hide();
  escapedAt = now;
});
