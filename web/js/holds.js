// What waits for a human, for those on duty: a list of values, and pure functions from a frame to the next list.
// The room's page has one list, the day's page one over all rooms.

/** @typedef {import('../types/page').HoldHere} HoldHere */
/** @typedef {import('../types/page').HoldAct} HoldAct */
/** @typedef {import('../types/page').ServerFrame} ServerFrame */
/** @typedef {import('../types/page').ClientFrame} ClientFrame */

/** The number of the ping whose answer says that a room has told of all that waits in it. */
export const SETTLES = 0;

/** Why those on duty do not let a line into the room; the words are told to its author. */
export const REASONS = ['contact', 'hurt', 'worry', 'trade', 'other'];

/** @param {HoldHere} hold @returns {boolean} whether a life may depend on it */
export function isRisk(hold) {
  return hold.reason === 'risk';
}

/**
 * Lives first, then as they came.
 * @param {HoldHere} one
 * @param {HoldHere} other
 * @returns {number}
 */
function order(one, other) {
  return Number(isRisk(other)) - Number(isRisk(one)) || one.at - other.at || (one.hold < other.hold ? -1 : 1);
}

/**
 * @param {readonly HoldHere[]} holds
 * @param {import('../types/page').Of<'hold'>} frame
 * @returns {readonly HoldHere[]}
 */
function put(holds, frame) {
  const known = holds.filter(function (one) { return one.hold === frame.hold; })[0];
  /** @type {HoldHere} */
  const hold = {
    hold: frame.hold, room: frame.room, name: frame.from.name, duty: frame.from.duty, body: frame.body, spans: frame.spans,
    reason: frame.reason, at: Date.parse(frame.at), passes: frame.passes_at !== undefined,
    asked: '', key: '', looked: known ? known.looked : false, text: '', stale: false,
  };
  return holds.filter(function (one) { return one !== known; }).concat([hold]).sort(order);
}

/**
 * Changes one of them.
 * @param {readonly HoldHere[]} holds
 * @param {string} hold
 * @param {Partial<HoldHere>} change
 * @returns {readonly HoldHere[]}
 */
export function change(holds, hold, change) {
  return holds.map(function (one) { return one.hold === hold ? Object.assign({}, one, change) : one; });
}

/**
 * The next list; the same one where a frame says nothing of it.
 * @param {readonly HoldHere[]} holds
 * @param {ServerFrame} frame
 * @returns {readonly HoldHere[]}
 */
export function hear(holds, frame) {
  switch (frame.type) {
    case 'hold':
      return put(holds, frame);
    case 'hold_done': {
      const rest = holds.filter(function (one) { return one.hold !== frame.hold; });
      return rest.length === holds.length ? holds : rest;
    }
    case 'entered': {
      // What is still open is told again; until then it stays in sight.
      if (!holds.some(function (one) { return one.room === frame.room; })) return holds;
      return holds.map(function (one) {
        return one.room === frame.room
          ? Object.assign({}, one, { stale: true, asked: /** @type {''} */ (''), key: '' }) : one;
      });
    }
    case 'pong': {
      if (frame.n !== SETTLES) return holds;
      const rest = holds.filter(function (one) { return !one.stale; });
      return rest.length === holds.length ? holds : rest;
    }
    case 'done':
    case 'refused': {
      const known = holds.filter(function (one) { return one.key !== '' && one.key === frame.key; })[0];
      if (!known) return holds;
      if (frame.type === 'refused') return change(holds, known.hold, { asked: '', key: '', text: frame.text });
      // What was approved or rejected goes with its `hold_done`.
      return known.asked === 'look' ? change(holds, known.hold, { asked: '', key: '', text: '', looked: true }) : holds;
    }
    default:
      return holds;
  }
}

/**
 * The frame by which somebody on duty acts on one.
 * @param {HoldHere} hold
 * @param {HoldAct} act
 * @param {string} key
 * @param {string} [reason]
 * @returns {ClientFrame}
 */
export function frameOf(hold, act, key, reason) {
  /** @type {any} */
  const frame = { type: 'measure', room: hold.room, key: key, kind: act, target: hold.hold };
  if (reason) frame.reason = reason;
  return frame;
}

/**
 * The key of the words since when, and the minutes in them. Nothing counts down.
 * @param {number} at
 * @param {number} now
 * @returns {{key: string, n: number}}
 */
export function since(at, now) {
  const minutes = Math.floor(Math.max(0, now - at) / 60000);
  return { key: minutes < 1 ? 'desk.since_now' : minutes < 60 ? 'desk.since' : 'desk.since_long', n: minutes };
}
