// What waits for a human: for its author and for those on duty, from the golden frames that the server's tests read too.
import test from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import * as states from '../js/state.js';
import { start, apply, add } from '../js/state.js';
import { hear, change, frameOf, since, REASONS, SETTLES } from '../js/holds.js';
import { pieces } from '../js/view.js';
import { pack, unpack } from '../js/drafts.js';

const golden = JSON.parse(readFileSync(new URL('../../tests/golden/frames.json', import.meta.url), 'utf8'));
const frame = (name) => golden.server.find((example) => example.name === name).frame;
const texts = JSON.parse(readFileSync(new URL('../texts/ja.json', import.meta.url), 'utf8'));

const room = frame('hold').room;
const entered = (more) => ({ ...frame('entered, an empty room'), ...more });
const own = (key, body) => ({ key, body, at: 1, status: 'sending' });
const inRoom = (...lines) => lines.reduce(add, apply(start(), entered()));
const only = (state) => { assert.equal(state.pending.length, 1); return state.pending[0]; };

test('a line that was asked back keeps its words, says where and why, and has a form that passes', () => {
  const ask = frame('ask, with a masked form');
  const state = apply(inRoom(own('k-3', 'でんわ090だよ')), ask);
  const line = states.asked(state);
  assert.deepEqual([line.body, line.text, line.masked, line.spans], ['でんわ090だよ', ask.text, ask.masked, ask.spans]);
  assert.equal(states.unanswered(state).length, 0, 'it is not sent again by itself');
  assert.equal(states.asked(states.answered(state)), null);
  const aside = states.putAside(state, line);
  assert.deepEqual([aside.pending.length, aside.aside.body], [0, 'でんわ090だよ'], 'not sent, and still at hand');
  const least = apply(inRoom(own('k-3', 'x')), frame('ask, the least'));
  assert.equal(states.asked(least).masked, undefined);
});

test('what comes back into the field loses nothing, and leaves it only where it still stands', () => {
  for (const [field, body] of [['', 'あ'], ['書きかけ', 'あ\nい'], ['あ', 'あ']]) {
    assert.equal(states.outOfField(states.intoField(field, body), body), field);
  }
  assert.equal(states.outOfField('あと、なおした', 'あ'), 'あと、なおした');
});

test('p7 places are marked by letters, and nothing of the words is lost', () => {
  const body = '猫🌧0601に電話';
  for (const spans of [[], [[2, 6]], [[2, 6], [0, 1]], [[1, 4], [2, 6]], [[2, 900], [50, 60], [3, 3]]]) {
    const found = pieces(body, spans.map(([from, to]) => ({ from, to })));
    assert.equal(found.map((piece) => piece.text).join(''), body);
  }
  assert.deepEqual(pieces(body, [{ from: 2, to: 6 }])[1], { text: '0601', marked: true });
  assert.deepEqual(pieces('', undefined), []);
});

test('p7 a second `held` for a key replaces the words', () => {
  const held = { ...frame('held'), key: 'k1', reason: 'risk' };
  let state = apply(inRoom(own('k1', 'あ')), { ...held, text: 'まず、今日の担当が先に読みます。' });
  assert.deepEqual([only(state).status, only(state).reason], ['held', 'risk']);
  state = apply(state, { ...held, text: 'まだ、だれも読めていません。' });
  assert.equal(only(state).text, 'まだ、だれも読めていません。');
  assert.equal(only(state).body, 'あ');
});

test('a hold ends as a line, as words with the text at hand, or by its author', () => {
  const held = apply(inRoom(own('k1', 'あ')), { ...frame('held'), key: 'k1', reason: 'guard' });
  const me = { id: frame('entered, an empty room').you.id, name: 'みどり' };
  const passed = [{ ...frame('acked'), key: 'k1', seq: 1 }, { ...frame('said, a person'), seq: 1, from: me, body: 'あ' }].reduce(apply, held);
  assert.deepEqual([passed.pending.length, passed.known[1].line.body], [0, 'あ']);
  const rejected = apply(held, { type: 'refused', key: 'k1', room, code: 'rejected', text: 'わけ' });
  assert.deepEqual([only(rejected).status, only(rejected).text, only(rejected).body], ['refused', 'わけ', 'あ']);
  const spam = apply(inRoom(own('k2', 'い')), { type: 'refused', key: 'k2', room, code: 'spam', text: 'わけ' });
  assert.equal(only(spam).status, 'refused');
  const closed = apply(held, { type: 'refused', key: 'k1', room, code: 'room_closed', text: 'わけ' });
  assert.deepEqual([only(closed).status, only(closed).body], ['unsent', 'あ'], 'the text stays');
  const taken = states.withdraw(held, 'k1');
  assert.equal(taken.pending.length, 0);
  const back = apply(taken, entered({ waiting_lines: [{ key: 'k1', body: 'あ', reason: 'guard' }] }));
  assert.equal(back.pending.length, 0, 'what was taken back while the line was cut does not come back');
  assert.ok(back.withdrawn.k1);
});

test('p11 what waits or was asked back is told its end after the page was left, and no line is said twice', () => {
  let state = inRoom(own('k-3', 'でんわ090だよ'), own('k1', 'あ'), own('k2', 'い'));
  state = apply(apply(state, frame('ask, with a masked form')), { ...frame('held'), key: 'k1', reason: 'risk' });
  const draft = unpack(pack({ text: 'でんわ090だよ', unsent: states.kept(state) }));
  assert.equal(draft.text, 'でんわ090だよ');
  const before = states.restore(start(), draft.unsent, () => true);
  const status = (at) => Object.fromEntries(at.pending.map((line) => [line.key, line.status]));
  assert.deepEqual(status(before), { 'k-3': 'ask', k1: 'held', k2: 'sending' });
  assert.equal(states.asked(before).masked, frame('ask, with a masked form').masked);
  assert.deepEqual(status(states.restore(start(), draft.unsent, () => false)), { 'k-3': 'ask', k1: 'held', k2: 'unsent' });
  const waits = entered({ waiting_lines: [{ key: 'k1', body: 'あ', reason: 'risk' }] });
  assert.equal(status(apply(before, waits)).k1, 'held');
  assert.equal(status(apply(before, entered())).k1, 'sending', 'the same key again brings its end');
  assert.equal(status(states.restore(apply(start(), entered()), draft.unsent, () => true)).k1, 'sending');
  const known = states.restore(apply(start(), waits), draft.unsent, () => true);
  assert.equal(known.pending.filter((line) => line.key === 'k1').length, 1);
  // Without script the server puts what was not sent back into the field; what waits is not among it.
  assert.deepEqual(JSON.parse(pack({ text: '', unsent: states.kept(state) })).unsent.map((line) => line.key), ['k2']);
});

test('what waits stands with lives first, then as it came, and goes when it is done', () => {
  const at = (minute) => `2026-11-20T11:0${minute}:00.000Z`;
  const hold = (id, reason, minute) => ({ ...frame('hold'), hold: id, reason, at: at(minute) });
  const all = [hold('o1', 'guard', 2), hold('o2', 'contact', 1), hold('o3', 'risk', 4), hold('o4', 'risk', 3)];
  const state = all.reduce(apply, inRoom());
  const ids = (list) => list.map((one) => one.hold);
  assert.deepEqual(ids(state.holds), ['o4', 'o3', 'o2', 'o1']);
  for (const how of ['approved', 'rejected', 'passed', 'withdrawn', 'closed']) {
    const done = apply(state, { ...frame('hold_done'), hold: 'o4', how });
    assert.deepEqual(ids(done.holds), ['o3', 'o2', 'o1'], how);
  }
  assert.equal(apply(state, { ...frame('hold_done'), hold: 'o9' }), state);
  const newcomer = apply(inRoom(), frame('hold, a newcomer\'s, with everything')).holds[0];
  assert.deepEqual([newcomer.passes, newcomer.duty, newcomer.name, newcomer.spans.length], [true, 'staff', 'あおば', 1]);
});

test('what was asked of a hold is answered where it was asked', () => {
  const state = apply(inRoom(), frame('hold'));
  const asked = (act, key) => ({ ...state, holds: change(state.holds, 'o_1', { asked: act, key }) });
  const looked = apply(asked('look', 'm1'), { type: 'done', key: 'm1' });
  assert.deepEqual([looked.holds[0].looked, looked.holds[0].asked], [true, '']);
  const approved = apply(asked('approve', 'm2'), { type: 'done', key: 'm2' });
  assert.equal(approved.holds[0].asked, 'approve', 'it goes with its hold_done');
  const refused = apply(asked('reject', 'm3'), { type: 'refused', key: 'm3', room, code: 'busy', text: 'あとで' });
  assert.deepEqual([refused.holds[0].asked, refused.holds[0].text, refused.notice], ['', 'あとで', '']);
  assert.equal(hear(state.holds, { type: 'done', key: 'other' }), state.holds);
  const again = apply(looked, frame('hold'));
  assert.ok(again.holds[0].looked, 'the same hold told again is still being read');
});

test('after a cut what ended meanwhile goes once the room has told all, and what is open stays in sight', () => {
  let state = [frame('hold'), { ...frame('hold'), hold: 'o_2' }].reduce(apply, inRoom());
  state = apply(state, entered());
  assert.equal(state.holds.length, 2, 'nothing flickers');
  assert.equal(state.settled, false);
  state = apply(apply(state, frame('hold')), { type: 'pong', n: SETTLES });
  assert.deepEqual(state.holds.map((one) => one.hold), ['o_1']);
  assert.ok(state.settled);
  const other = apply(state, { ...entered(), room: 'elsewhere' });
  assert.ok(!other.holds[0].stale);
  assert.equal(hear(state.holds, { type: 'pong', n: 7 }), state.holds);
});

test('the three acts go as measures of the protocol', () => {
  const hold = apply(inRoom(), frame('hold')).holds[0];
  assert.deepEqual(frameOf(hold, 'look', 'm1'), { type: 'measure', room, key: 'm1', kind: 'look', target: 'o_1' });
  assert.deepEqual(frameOf(hold, 'reject', 'm2', 'contact').reason, 'contact');
});

test('a mark is kept for its line, whenever the line comes', () => {
  const marked = frame('marked');
  const state = apply(apply(inRoom(), marked), { ...frame('said, a person'), seq: marked.seq });
  assert.equal(state.marks[marked.seq], marked.category);
  assert.equal(state.known[marked.seq].line.body, frame('said, a person').body);
});

test('every reason and every category has words, and since when is said without counting down', () => {
  for (const reason of ['newcomer', 'guard', 'contact', 'risk', 'threat', 'abuse', 'sexual', 'solicitation']) assert.ok(texts[`why.${reason}`], reason);
  for (const reason of REASONS) assert.ok(texts[`reject.${reason}`] && texts[`rejected.${reason}`], reason);
  for (const category of ['contact', 'risk_watch', 'risk_urgent', 'threat', 'abuse', 'sexual', 'solicitation', 'spam']) assert.ok(texts[`mark.${category}`], category);
  assert.deepEqual(since(0, 59000), { key: 'desk.since_now', n: 0 });
  assert.deepEqual(since(0, 180000), { key: 'desk.since', n: 3 });
  assert.equal(since(0, 3600000).key, 'desk.since_long');
  assert.equal(since(5000, 0).key, 'desk.since_now', 'a clock behind is no fault');
});
