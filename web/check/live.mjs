// The room's page with its scripts, in a real browser against an invented server: lines arrive, are sent, are cut off
// and sent again, drafts are kept, nothing moves while somebody reads above, かくす hides at once.
// Usage: node check/live.mjs DIR [SHOTS]
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { AxeBuilder } from '@axe-core/playwright';
import { serve, browser } from './serve.mjs';

const dir = process.argv[2];
const texts = JSON.parse(readFileSync(new URL('../texts/ja.json', import.meta.url), 'utf8'));
const at = (minute) => new Date(Date.UTC(2026, 10, 20, 11, minute)).toISOString();
const line = (seq, id, name, body, minute, more) => ({ type: 'said', room: 'r1', seq, from: { id, name }, body, at: at(minute), ...more });
let draft = '';
const calls = [];
const server = await serve(dir, (request, body) => {
  const path = request.url;
  if (path.startsWith('/api/v1/drafts/room/r1')) {
    calls.push(`${request.method} ${body}`);
    if (request.method === 'PUT') draft = JSON.parse(body).body;
    if (request.method === 'DELETE') draft = '';
    return request.method === 'GET' ? { status: draft ? 200 : 204, body: draft ? JSON.stringify({ body: draft }) : '' } : { status: 204 };
  }
  if (path.startsWith('/api/')) return { status: 200, body: '{}' };
  if (path === '/m') return request.method === 'POST' ? { status: 303, headers: { location: '/hidden' } } : { status: 200, type: 'text/html; charset=utf-8', body: '<title>メモ</title>' };
  if (path.startsWith('/r/')) request.url = '/room';
  return null;
});
const chromium = await browser();
const context = await chromium.newContext({ viewport: { width: 360, height: 740 } });

const lines = [
  { type: 'said', room: 'r1', seq: 1, body: '部屋が開きました。', at: at(0) },
  ...Array.from({ length: 12 }, (_, i) => line(i + 2, 'p3', '三毛', `雨の音 ${i}`, 2 + i * 4)),
];
const stored = {};
let answers = true;
let socket = null;
const heard = [];
async function open(page) {
  page.on('pageerror', (error) => { throw error; });
  await page.routeWebSocket(/\/ws$/, (ws) => {
    socket = ws;
    const send = (frame) => ws.send(JSON.stringify(frame));
    send({ type: 'welcome', you: { id: 'h', name: 'こもれび', roles: [] }, now: at(40), limits: { body_chars_max: 500 } });
    ws.onMessage((text) => {
      const frame = JSON.parse(text);
      heard.push(frame);
      if (frame.type === 'ping') send({ type: 'pong', n: frame.n });
      if (frame.type === 'enter') {
        send({
          type: 'entered', room: 'r1', epoch: 'e1', you: { id: 'p1', name: 'こもれび' }, readers: [], forgets_at: at(0), title: '金曜の回',
          kind: 'ibasho', audience: 'tojisha', state: 'open', guard: 0, slow_ms: 0, about: 'some', on_duty: [{ name: 'みなと', duty: 'host' }],
          ready: [{ id: 'l1', text: 'こんばんは' }], lamp: true, messages: lines.filter((l) => l.seq > (frame.after || 0)), last_seq: lines.length, waiting_lines: [],
        });
      }
      if (frame.type === 'unsay') send({ type: 'hidden', room: 'r1', seq: frame.seq });
      if (frame.type !== 'say') return;
      const known = stored[frame.key];
      if (!known) {
        stored[frame.key] = line(lines.length + 1, 'p1', 'こもれび', frame.body || 'こんばんは', 50, frame.ready ? { form: 'ready' } : {});
        lines.push(stored[frame.key]);
      }
      if (!answers) return;
      send({ type: 'acked', key: frame.key, room: 'r1', seq: stored[frame.key].seq, at: at(50) });
      if (!known) send(stored[frame.key]);
    });
  });
  await page.goto(`${server.url}/r/r1`);
  await page.waitForSelector('#now', { state: 'hidden' });
}
const seqs = (page) => page.$$eval('#log li[data-seq]', (rows) => rows.map((row) => Number(row.dataset.seq)));
const range = (n) => Array.from({ length: n }, (_, i) => i + 1);

let page = await context.newPage();
await open(page);
assert.deepEqual(await seqs(page), range(13), 'the log stands in order, each line once');
assert.ok(await page.evaluate(() => document.getElementById('s13').getBoundingClientRect().bottom < window.innerHeight), 'a room opens at its newest line');

// p4: a line whose answer is cut off is said again with its key, and stands once.
answers = false;
await page.fill('#say', '届くかな');
await page.keyboard.press('Enter');
assert.equal(await page.inputValue('#say'), '届くかな\n', 'Enter makes a new line');
await page.click('#send');
await page.waitForSelector('#own .state');
answers = true;
await socket.close({ code: 4003 });
await page.waitForSelector('#own .state', { state: 'detached' });
await page.waitForSelector('#s14.own, #s14 .own');
assert.deepEqual(await seqs(page), range(14));
assert.equal(new Set(heard.filter((f) => f.type === 'say').map((f) => f.key)).size, 1);

// The strip, by keyboard; its own line can be taken back.
await page.focus('#s14 .knot');
await page.keyboard.press('Enter');
assert.equal(await page.getAttribute('#s14 .knot', 'aria-expanded'), 'true');
await page.click('#s14 .strip .tell');
await page.waitForSelector('#s14.gone');

// ことばを選ぶ: stays open after a word, Esc closes it and gives the focus back, and does not hide the page.
await page.click('#choose');
await page.click('#words-list button');
await page.waitForSelector('#s15');
await page.keyboard.press('Escape');
assert.equal(await page.evaluate(() => document.activeElement.id), 'choose');
assert.ok(page.url().endsWith('/r/r1'));

// While somebody reads above, a new line moves nothing.
await page.evaluate(() => window.scrollTo(0, 300));
await page.waitForTimeout(100);
lines.push(line(16, 'p3', '三毛', '新しい行', 55));
socket.send(JSON.stringify(lines[15]));
await page.waitForSelector('#newer:not([hidden])');
assert.equal(await page.evaluate(() => window.scrollY), 300);
assert.equal(await page.textContent('#announcer'), '三毛。新しい行');
await page.click('#newer');
assert.ok(await page.evaluate(() => document.getElementById('s16').getBoundingClientRect().bottom < window.innerHeight));

// A card is laid above the place to write, for this person alone: told once and politely, text before voice, 119 last.
const golden = JSON.parse(readFileSync(new URL('../../tests/golden/frames.json', import.meta.url), 'utf8'));
const lifeCard = golden.server.find(({ frame }) => frame.type === 'card').frame;
const card = (kind) => socket.send(JSON.stringify({ ...lifeCard, kind }));
card('care');
await page.waitForSelector('#card .card');
assert.equal(await page.textContent('#card-says'), texts['live.card']);
assert.equal(await page.getAttribute('#card-says', 'role'), 'status');
assert.equal(await page.$$eval('[role=alert], [aria-live=assertive]', (found) => found.length), 0);
const hrefs = await page.$$eval('#card a', (links) => links.map((link) => link.getAttribute('href')));
assert.deepEqual(hrefs, ['/now#staff', 'https://talkme.jp/', 'tel:0120279338', '/now', 'tel:119']);
assert.equal(await page.getAttribute('#card a[href^="https:"]', 'rel'), 'noreferrer noopener');
assert.ok(await page.evaluate(() => {
  const top = document.querySelector('#card .card').getBoundingClientRect().top;
  return top > 0 && top < window.innerHeight / 2;
}), 'its first words are in sight');
assert.deepEqual((await new AxeBuilder({ page }).include('#card').analyze()).violations.map((found) => found.id), []);
if (process.argv[3]) await page.screenshot({ path: `${process.argv[3]}/live-card-360.png` });
// While one stands there is no second, but one about a life goes before every other.
socket.send(JSON.stringify({ ...lifeCard, kind: 'money', text: 'お金の紙\n119へ' }));
socket.send(JSON.stringify({ ...lifeCard, text: '命の紙\n命があぶないときは119へ。' }));
await page.waitForFunction(() => document.querySelector('#card').textContent.includes('命の紙'));
assert.equal(await page.$$eval('#card .card', (cards) => cards.length), 1);
await page.focus('#card .way-none button');
await page.keyboard.press('Enter');
await page.waitForSelector('#card .card', { state: 'detached' });
assert.equal(await page.evaluate(() => document.activeElement.id), 'say');
assert.equal(await page.textContent('#card-says'), '');

// p11: a draft and a line without answer survive the page.
answers = false;
await page.fill('#say', '送れないうちに');
await page.click('#send');
await page.fill('#say', '書きかけ');
await page.waitForFunction(() => sessionStorage.length > 0);
await page.waitForTimeout(1300);
assert.ok(draft.includes('書きかけ') && draft.includes('送れないうちに'), 'the server keeps both');
await page.close();
answers = true;
page = await context.newPage();
await open(page);
await page.waitForSelector('#s17');
assert.equal(await page.inputValue('#say'), '書きかけ');
assert.equal(lines.filter((l) => l.body === '送れないうちに').length, 1, 'said again with the same key');
assert.equal(await page.$$eval('#own li', (rows) => rows.length), 0);

// The session's end is said kindly.
await socket.close({ code: 4001 });
await page.waitForSelector('#link a[href="/"]');
assert.equal(await page.inputValue('#say'), '書きかけ');

// p11: かくす, at once.
for (let i = 0; i < 3; i += 1) await page.keyboard.press('Shift');
await page.waitForURL('**/m');
await chromium.close();
server.close();
console.log('live: all held');
