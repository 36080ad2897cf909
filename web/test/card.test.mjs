// The card: how it is laid before one person, from the golden frame that the server's tests read too.
import test from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { start, apply, leaveCard } from '../js/state.js';
import { fine, laid } from '../js/card.js';

const golden = JSON.parse(readFileSync(new URL('../../tests/golden/frames.json', import.meta.url), 'utf8'));
const frame = golden.server.find((example) => example.frame.type === 'card').frame;

test('a card stands until it is put away, and no second one takes its place', () => {
  const care = { ...frame, kind: 'care' };
  let state = apply(start(), care);
  assert.equal(state.card.kind, 'care');
  assert.deepEqual(state.card.links, frame.links);
  const same = state;
  state = apply(state, { ...frame, kind: 'money' });
  assert.equal(state, same, 'while one stands there is no second');
  state = leaveCard(state);
  assert.equal(state.card, null);
  assert.equal(apply(state, { ...frame, kind: 'money' }).card.kind, 'money');
});

test('a card about a life goes before every other, and stays', () => {
  const state = apply(apply(start(), { ...frame, kind: 'care' }), frame);
  assert.equal(state.card.kind, 'life');
  assert.equal(apply(state, { ...frame, kind: 'child' }), state);
  assert.equal(apply(state, frame), state, 'the same card is not laid twice');
});

test('a fresh card of the same kind takes the old one’s place: other lines may be open by now', () => {
  const state = apply(apply(start(), frame), { ...frame, links: frame.links.slice(1) });
  assert.deepEqual(state.card.links, frame.links.slice(1));
});

test('a card is laid as words, ways and the numbers of an emergency, nothing of its text lost', () => {
  const all = laid({ kind: frame.kind, text: frame.text, links: frame.links });
  assert.deepEqual(all.words, frame.text.split('\n').slice(0, -1));
  assert.equal(all.urgent.map((piece) => piece.text).join(''), frame.text.split('\n').pop());
  assert.deepEqual(all.urgent.filter((piece) => piece.href), [{ text: '119', href: 'tel:119' }]);
  assert.deepEqual(all.ways.map((link) => link.mode), ['here', 'chat', 'phone', 'here']);
});

test('two numbers in one sentence are both links, in the order of the words', () => {
  const links = ['119', '110'].map((label) => ({ label, href: `tel:${label}`, mode: 'emergency' }));
  const { urgent } = laid({ kind: 'child', text: 'あぶないときは110へ。けがは119へ。', links });
  assert.deepEqual(urgent.map((piece) => piece.text), ['あぶないときは', '110', 'へ。けがは', '119', 'へ。']);
});

test('a card without links, of one line, or of none is no fault', () => {
  assert.deepEqual(laid({ kind: 'care', text: '', links: [] }), { words: [], urgent: [{ text: '' }], ways: [] });
  assert.deepEqual(laid({ kind: 'care', text: 'ひとこと', links: [{ label: '', href: 'tel:119', mode: 'emergency' }] }).urgent, [{ text: 'ひとこと' }]);
  assert.deepEqual(apply(start(), { type: 'card', kind: 'care', text: 'x' }).card.links, []);
});

test('only telephones, pages elsewhere over https and this place are followed', () => {
  for (const href of ['tel:119', 'tel:%239110', 'https://talkme.jp/', '/now#staff']) assert.ok(fine(href), href);
  for (const href of ['javascript:alert(1)', 'http://a.example/', '//a.example/', 'data:text/html,x', '', 'tel:1;x', ' https://a.example/']) {
    assert.ok(!fine(href), href);
  }
});
