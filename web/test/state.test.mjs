// What the browser makes of frames, from the golden ones that the server's tests read too.
import test from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync, existsSync } from 'node:fs';
import { start, apply, add, change, drop, frameOf, resume, seat, unanswered, unsent, unsay } from '../js/state.js';
import { wait } from '../js/net.js';
import { pack, unpack } from '../js/drafts.js';

const GOLDEN = new URL('../../tests/golden/frames.json', import.meta.url);

const said = (seq, body, more) => ({ type: 'said', room: 'r', seq, from: { id: 'p2', name: '三毛' }, body, at: '2026-11-20T11:00:00.000Z', ...more });
const entered = (messages, more) => ({
  type: 'entered', room: 'r', epoch: 'e1', you: { id: 'p1', name: 'こもれび' }, readers: [], forgets_at: '2026-11-21T12:30:00.000Z',
  title: '金曜の回', kind: 'ibasho', audience: 'tojisha', state: 'open', guard: 0, slow_ms: 0, about: 'few', on_duty: [], ready: [],
  lamp: false, messages, last_seq: messages.length ? messages[messages.length - 1].seq : 0, waiting_lines: [], ...more,
});
const all = (state, frames) => frames.reduce(apply, state);
const own = (key, body) => ({ key, body, at: 1, status: 'sending' });

test('every golden frame can be read', () => {
  assert.ok(existsSync(GOLDEN), 'tests/golden/frames.json is missing: the golden frames are made with the protocol');
  const golden = JSON.parse(readFileSync(GOLDEN, 'utf8'));
  assert.ok(golden.server.length > 10, 'there are server frames');
  for (const { name, frame } of golden.server) {
    assert.equal(typeof frame.type, 'string', name);
    const state = apply(all(start(), [entered([said(1, 'a')])]), frame);
    assert.ok(Array.isArray(state.order), name);
    if (frame.type === 'entered') {
      const seqs = frame.messages.map((message) => message.seq);
      const fresh = apply(start(), frame);
      assert.deepEqual([...fresh.order], seqs, name);
      assert.equal(fresh.epoch, frame.epoch, name);
    }
    if (frame.type === 'said') assert.equal(state.known[frame.seq].line.body, frame.body, name);
  }
  const types = new Set(golden.client.map(({ frame }) => frame.type));
  for (const type of ['enter', 'say', 'unsay', 'stamp', 'lamp', 'leave', 'ping', 'measure']) assert.ok(types.has(type), type);
});

test('p4 a resend makes no second line', () => {
  let state = all(start(), [entered([])]);
  state = add(state, own('k1', '雨'));
  state = all(state, [
    { type: 'acked', key: 'k1', room: 'r', seq: 1, at: 'x' },
    said(1, '雨', { from: { id: 'p1', name: 'こもれび' } }),
    { type: 'acked', key: 'k1', room: 'r', seq: 1, at: 'x' },
    said(1, '雨', { from: { id: 'p1', name: 'こもれび' } }),
  ]);
  assert.deepEqual([...state.order], [1]);
  assert.equal(state.pending.length, 0);
});

test('p4 a line whose ack was cut off is said again with its key, and is settled by the ack alone', () => {
  let state = add(all(start(), [entered([said(1, 'a')])]), own('k1', '雨'));
  // The line came in on another node; the socket was cut before the ack.
  state = apply(state, entered([said(1, 'a'), said(2, '雨', { from: { id: 'p1', name: 'こもれび' } })]));
  assert.deepEqual(unanswered(state).map((line) => line.key), ['k1']);
  assert.deepEqual(frameOf('r', unanswered(state)[0]), { type: 'say', room: 'r', key: 'k1', body: '雨' });
  state = apply(state, { type: 'acked', key: 'k1', room: 'r', seq: 2, at: 'x' });
  assert.equal(state.pending.length, 0);
  assert.deepEqual([...state.order], [1, 2]);
});

test('p4 entered and then frames equals entered later', () => {
  const frames = [said(3, 'c'), { type: 'hidden', room: 'r', seq: 2 }, said(4, 'd'), { type: 'stamped', room: 'r', seq: 1, stamps: ['nod'] }];
  const lived = all(start(), [entered([said(1, 'a'), said(2, 'b')]), ...frames]);
  const later = apply(start(), entered([said(1, 'a', { stamps: ['nod'] }), { type: 'hidden', room: 'r', seq: 2 }, said(3, 'c'), said(4, 'd')]));
  assert.deepEqual(lived.known, later.known);
  assert.deepEqual(lived.order, later.order);
  assert.equal(lived.last_seq, later.last_seq);
});

test('p4 resuming reaches back sixty lines and brings what was hidden meanwhile up to date', () => {
  const lines = Array.from({ length: 100 }, (_, i) => said(i + 1, 'x'));
  let state = apply(start(), entered(lines));
  assert.deepEqual(resume(state), { epoch: 'e1', after: 40 });
  state = apply(state, entered([...lines.slice(40, 89), { type: 'hidden', room: 'r', seq: 90 }, ...lines.slice(90), said(101, 'y')]));
  assert.equal(state.order.length, 101);
  assert.equal(state.known[90].line, null);
  assert.equal(state.last_seq, 101);
});

test('p4 a gap is named, and another epoch starts afresh', () => {
  const gap = apply(start(), entered([said(5, 'e')], { gap: { from: 1, to: 4 } }));
  assert.deepEqual([...gap.gaps], [1]);
  const state = apply(apply(start(), entered([said(9, 'old')])), entered([said(1, 'new')], { epoch: 'e2' }));
  assert.deepEqual([...state.order], [1]);
  assert.ok(state.afresh);
  assert.equal(state.last_seq, 1);
});

test('a hold waits, is told again on coming back, and ends', () => {
  let state = add(all(start(), [entered([])]), own('k1', 'はじめまして'));
  state = apply(state, { type: 'held', key: 'k1', room: 'r', reason: 'newcomer', text: '読んでいます' });
  assert.equal(state.pending[0].status, 'held');
  assert.equal(unsent(state).length, 0);
  const still = apply(state, entered([], { waiting_lines: [{ key: 'k1', body: 'はじめまして', reason: 'newcomer' }] }));
  assert.equal(still.pending[0].status, 'held');
  const over = apply(state, entered([]));
  assert.deepEqual(unanswered(over).map((line) => line.key), ['k1']);
  const elsewhere = apply(start(), entered([], { waiting_lines: [{ key: 'k9', body: 'あ', reason: 'guard' }] }));
  assert.equal(elsewhere.pending.length, 1);
});

test('a refusal keeps the line; busy and too fast try again by themselves', () => {
  const with1 = add(all(start(), [entered([])]), own('k1', '雨'));
  const busy = apply(with1, { type: 'refused', key: 'k1', room: 'r', code: 'busy', text: 'x', retry_after_ms: 50 });
  assert.equal(busy.pending[0].status, 'wait');
  assert.equal(unanswered(busy).length, 1);
  const paused = apply(with1, { type: 'refused', key: 'k1', room: 'r', code: 'room_paused', text: 'x' });
  assert.equal(paused.pending[0].status, 'unsent');
  assert.equal(unsent(paused).length, 1);
  assert.equal(drop(change(paused, 'k1', { status: 'sending' }), 'k1').pending.length, 0);
});

test('what the composer lets one do follows the room and the mode', () => {
  const at = (more, from) => seat(apply(start(from), entered([], more)));
  assert.equal(at({}), 'write');
  assert.equal(at({ state: 'last_call' }), 'write');
  assert.equal(at({ state: 'paused' }), 'paused');
  assert.equal(at({ state: 'afterglow' }), 'afterglow');
  assert.equal(at({ state: 'closed' }), 'closed');
  assert.equal(at({ guard: 3 }), 'reading');
  assert.equal(at({ guard: 4 }), 'rest');
  assert.equal(at({ guard: 4 }, { mode: 'duty' }), 'write');
  assert.equal(at({}, { mode: 'listen' }), 'listen');
});

test('without a free seat one reads, and is told so', () => {
  let state = apply(start(), { type: 'refused', room: 'r', code: 'room_full', text: 'いっぱいです' });
  assert.equal(state.mode, 'listen');
  state = apply(state, entered([said(1, 'a')]));
  assert.equal(seat(state), 'full');
  assert.equal(seat(apply(start(), { type: 'refused', room: 'r', code: 'not_allowed', text: 'x' })), 'closed');
});

test('hidden, shown and folded speak of a line in its place', () => {
  let state = all(start(), [entered([said(1, 'a'), said(2, 'b')])]);
  state = apply(unsay(state, 1), { type: 'hidden', room: 'r', seq: 1 });
  assert.equal(state.known[1].line, null);
  state = apply(state, { type: 'shown', room: 'r', seq: 1, line: said(1, 'a') });
  state = apply(state, { type: 'folded', room: 'r', seq: 2, note: '体' });
  assert.deepEqual([state.known[1].line.body, state.known[2].note, state.last_seq], ['a', '体', 2]);
});

test('unknown frames and unknown fields change nothing', () => {
  const state = apply(start(), entered([said(1, 'a')], { later: 1 }));
  assert.equal(apply(state, { type: 'from_next_year', room: 'r' }), state);
});

test('p11 a draft with unsent lines comes back as it was', () => {
  const draft = { text: 'つづき', unsent: [{ key: 'k1', body: '雨', at: 5, status: 'unsent' }] };
  const back = unpack(pack(draft));
  assert.equal(back.text, 'つづき');
  assert.deepEqual([back.unsent[0].key, back.unsent[0].body, back.unsent[0].at], ['k1', '雨', 5]);
  assert.deepEqual(unpack('ただの文'), { text: 'ただの文', unsent: [] });
  assert.equal(pack({ text: 'あ', unsent: [] }), 'あ');
});

test('waiting between tries doubles, is spread, and has a top', () => {
  assert.equal(wait(0, 0), 250);
  assert.equal(wait(0, 1), 500);
  assert.ok(wait(3, 0.5) > wait(2, 0.5));
  for (const tries of [5, 6, 50, 5000]) assert.ok(wait(tries, 1) <= 20000);
});
