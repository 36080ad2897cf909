// What waits for a human, in a real browser against an invented server that speaks the golden frames: a line asked back,
// a line held and how that ends, what those on duty see and do in the room and on the day's page.
// Usage: node check/waits.mjs DIR [SHOTS]
import assert from 'node:assert/strict';
import { readFileSync, mkdirSync } from 'node:fs';
import { AxeBuilder } from '@axe-core/playwright';
import { serve, browser } from './serve.mjs';

const [dir, shots] = process.argv.slice(2);
const read = (path) => JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8'));
const texts = read('../texts/ja.json');
const golden = read('../../tests/golden/frames.json');
const frame = (name) => golden.server.find((example) => example.name === name).frame;
/** How soon a frame is to be seen by those on duty. */
const ALARM_MS = 1000;
const ago = (seconds) => new Date(Date.now() - seconds * 1000).toISOString();
if (shots) mkdirSync(shots, { recursive: true });

const drafts = {};
const server = await serve(dir, (request, body) => {
  const path = new URL(request.url, 'http://x').pathname;
  if (path.startsWith('/api/v1/drafts/room/')) {
    if (request.method === 'PUT') drafts[path] = JSON.parse(body).body;
    if (request.method === 'DELETE') delete drafts[path];
    return request.method === 'GET' ? { status: drafts[path] ? 200 : 204, body: drafts[path] ? JSON.stringify({ body: drafts[path] }) : '' } : { status: 204 };
  }
  if (path.startsWith('/api/')) return { status: 200, body: '{}' };
  if (path === '/r/r1') request.url = '/room';
  if (path === '/r/duty') request.url = '/room-duty';
  if (path === '/s/today') request.url = '/today';
  return null;
});
const chromium = await browser();

/** A page, and the hand of the server that it speaks with. */
async function open(path, { width = 360, height = 740, waiting = [], holds = [], context } = {}) {
  const home = context || await chromium.newContext({ viewport: { width, height } });
  const page = await home.newPage();
  page.on('pageerror', (error) => { throw error; });
  page.on('console', (message) => { assert.ok(!/Content Security Policy|TrustedHTML/.test(message.text()), message.text()); });
  const hand = { heard: [], waiting, holds, lines: [{ ...frame('said, a person'), room: 'r1', seq: 1, from: { id: 'p3', name: '三毛' }, body: '雨の音' }] };
  await page.routeWebSocket(/\/ws$/, (ws) => {
    hand.socket = ws;
    hand.send = (one) => ws.send(JSON.stringify({ room: 'r1', ...one }));
    hand.send({ ...frame('welcome, a handle'), now: ago(0) });
    ws.onMessage((text) => {
      const one = JSON.parse(text);
      hand.heard.push(one);
      if (one.type === 'ping') hand.send({ type: 'pong', n: one.n });
      if (one.type === 'enter') {
        hand.send({ ...frame('entered, an empty room'), room: 'r1', you: { id: 'p1', name: 'こもれび' }, messages: hand.lines.filter((line) => line.seq > (one.after || 0)), last_seq: hand.lines.length, waiting_lines: hand.waiting });
        if (one.mode === 'duty') hand.holds.forEach(hand.send);
      }
      if (hand.answer) hand.answer(one);
    });
  });
  await page.goto(server.url + path);
  return { page, hand, home };
}
const shot = async (page, name) => { if (shots) await page.screenshot({ path: `${shots}/waits-${name}.png` }); };
const axe = async (page, within) => assert.deepEqual((await new AxeBuilder({ page }).include(within).analyze()).violations.map((found) => found.id), [], within);
const still = async (page) => assert.equal(await page.$$eval('[role=alert], [aria-live=assertive]', (found) => found.length), 0, 'nothing cries out');
const until = async (what, test) => {
  for (let tries = 0; tries < 100; tries += 1) {
    const found = test();
    if (found) return found;
    await new Promise((done) => { setTimeout(done, 20); });
  }
  throw new Error(`waited in vain for ${what}`);
};
const heard = (hand, kind) => until(kind, () => hand.heard.filter((one) => one.type === kind || one.kind === kind).pop());
const settled = (page) => page.waitForSelector('#now', { state: 'hidden' });
/** The three themes, looked at. */
async function themes(page, name, within) {
  for (const theme of ['light', 'dim', 'dark']) {
    await page.evaluate((value) => { document.documentElement.dataset.theme = value; }, theme);
    await axe(page, within);
    await shot(page, `${name}-${theme}`);
  }
}

// ---- a line that is asked back -------------------------------------------------------------------------------------
const BODY = '猫の話、聞きたいです。060-0000-0000に写真を';
const ask = (key) => ({
  ...frame('ask, with a masked form'), key, room: 'r1', text: texts['sample.asked'], spans: [{ from: 11, to: 24 }], masked: '猫の話、聞きたいです。〇〇〇に写真を',
});
{
  const { page, hand, home } = await open('/r/r1');
  await settled(page);
  await page.fill('#say', BODY);
  await page.click('#send');
  const said = await heard(hand, 'say');
  await page.fill('#say', 'あとの話');
  hand.send(ask(said.key));
  await page.waitForSelector('.asked');
  assert.equal(await page.inputValue('#say'), `${BODY}\nあとの話`, 'it comes back untouched, and what is being written stays');
  assert.equal(await page.textContent('.asked .mark'), '060-0000-0000');
  assert.equal(await page.$$eval('#own li', (rows) => rows.length), 0);
  assert.equal(await page.textContent('#own-says'), texts['sample.asked'] + texts['live.ask_kept']);
  assert.ok(await page.evaluate(() => document.querySelector('.asked h2').getBoundingClientRect().top < window.innerHeight / 2), 'its first words are in sight');
  await still(page);
  await themes(page, 'asked-360', '#main');
  await page.click('.asked-go');
  const masked = await until('the masked form', () => hand.heard.filter((one) => one.type === 'say')[1]);
  assert.equal(masked.body, '猫の話、聞きたいです。〇〇〇に写真を');
  assert.notEqual(masked.key, said.key, 'under a new key');
  assert.equal(await page.inputValue('#say'), 'あとの話');
  await page.waitForSelector('.asked', { state: 'detached' });
  hand.lines.push({ ...hand.lines[0], seq: 2, from: { id: 'p1', name: 'こもれび' }, body: masked.body });
  hand.send({ ...frame('acked'), key: masked.key, room: 'r1', seq: 2 });
  hand.send(hand.lines[1]);
  await page.waitForSelector('#s2 .own');

  // やめる: not sent, and still at hand; 自分で直す: the field, nothing else.
  await page.fill('#say', BODY);
  await page.click('#send');
  const third = await until('a third', () => hand.heard.filter((one) => one.type === 'say')[2]);
  hand.send(ask(third.key));
  await page.click(`.asked button:text-is("${texts['live.stop']}")`);
  assert.equal(await page.inputValue('#say'), '');
  await page.click(`#link button:text-is("${texts['live.put_back']}")`);
  assert.equal(await page.inputValue('#say'), BODY);
  await page.click('#send');
  const fourth = await until('a fourth', () => hand.heard.filter((one) => one.type === 'say')[3]);
  hand.send(ask(fourth.key));
  await page.click(`.asked button:text-is("${texts['live.ask_self']}")`);
  assert.equal(await page.evaluate(() => document.activeElement.id), 'say');
  assert.equal(await page.inputValue('#say'), BODY);
  await page.waitForSelector('.asked', { state: 'detached' });

  // p11: asked back, and the page is left: both come back.
  await page.click('#send');
  const fifth = await until('a fifth', () => hand.heard.filter((one) => one.type === 'say')[4]);
  hand.send(ask(fifth.key));
  await page.waitForSelector('.asked');
  await until('the draft', () => Object.values(drafts).some((kept) => kept.includes('"asked"')));
  await page.close();
  const again = await open('/r/r1', { context: home });
  await again.page.waitForSelector('.asked .mark');
  assert.equal(await again.page.inputValue('#say'), BODY);
  await again.page.click('.asked-go');
  await heard(again.hand, 'say');
  assert.equal(await again.page.inputValue('#say'), '');
  await home.close();
  for (const key of Object.keys(drafts)) delete drafts[key];
}

// ---- a line that is held, the card beside it, and its ends --------------------------------------------------------------
const RISK = { first: '受け取りました。まず、今日の担当が先に読みます。ほかの人には、まだ見えていません。', later: 'まだ、だれも読めていません。今すぐ話せるところがあります。' };
{
  const { page, hand, home } = await open('/r/r1');
  await settled(page);
  await page.fill('#say', 'もう、ここまでにします');
  await page.click('#send');
  const said = await heard(hand, 'say');
  // The server lays the card first.
  hand.send(frame('card'));
  hand.send({ ...frame('held'), key: said.key, room: 'r1', reason: 'risk', text: RISK.first });
  await page.waitForSelector('#own .state strong');
  assert.equal(await page.textContent('#own .state p'), RISK.first);
  assert.equal(await page.textContent('#own .said'), 'もう、ここまでにします');
  assert.equal(await page.textContent('#own-says'), RISK.first);
  await page.waitForSelector('#card .card');
  assert.equal(await page.$$eval('#own .mark', (found) => found.length), 0, 'a line that reached somebody has no mark');
  await still(page);
  await themes(page, 'held-360', '#main');
  // Nobody has read it: the same line, other words, the card stands.
  hand.send({ ...frame('held'), key: said.key, room: 'r1', reason: 'risk', text: RISK.later });
  const links = frame('card').links.slice(1);
  hand.send({ ...frame('card'), links });
  await page.waitForFunction((words) => document.querySelector('#own .state p').textContent === words, RISK.later);
  const seen = () => page.evaluate((words) => {
    const within = (node) => node.textContent.includes(words) && node.getBoundingClientRect().top > 60 && node.getBoundingClientRect().bottom < window.innerHeight;
    return [...document.querySelectorAll('#own .state p, #link')].some(within);
  }, RISK.later);
  assert.ok(await seen(), 'the words are in sight, though a card stands');
  assert.equal(await page.$$eval('#own li', (rows) => rows.length), 1);
  assert.equal(await page.$$eval('#card .card', (rows) => rows.length), 1);
  assert.equal(await page.$$eval('#card .way[href], #card .emergency a', (found) => found.length), links.length, 'with the lines that are open now');
  await shot(page, 'held-later-360');
  // Loaded anew, it is still there, told by the room; then it passes and is a line.
  hand.waiting = [{ key: said.key, body: 'もう、ここまでにします', reason: 'risk' }];
  await page.waitForTimeout(1200);
  await page.reload();
  await page.waitForSelector('#own .state strong');
  assert.equal(await page.$$eval('#own li', (rows) => rows.length), 1);
  assert.ok(!(await page.textContent('#own')).includes(texts['desk.look']), 'it does not look as if somebody read it');
  const asked = await until('the key again', () => hand.heard.filter((one) => one.type === 'say' && one.key === said.key).pop());
  assert.equal(asked.body, 'もう、ここまでにします');
  hand.send({ ...frame('held'), key: said.key, room: 'r1', reason: 'risk', text: RISK.later });
  await page.waitForFunction((words) => document.querySelector('#own .state p').textContent === words, RISK.later);
  hand.waiting = [];
  hand.lines.push({ ...hand.lines[0], seq: 2, from: { id: 'p1', name: 'こもれび' }, body: 'もう、ここまでにします' });
  hand.send({ ...frame('acked'), key: said.key, room: 'r1', seq: 2 });
  hand.send(hand.lines[1]);
  await page.waitForSelector('#s2 .own');
  assert.equal(await page.$$eval('#own li', (rows) => rows.length), 0);
  assert.equal(await page.textContent('#own-says'), texts['live.passed']);

  // One that is taken back, while the line is cut, too.
  await page.fill('#say', 'やっぱり');
  await page.click('#send');
  const taken = await until('another', () => hand.heard.filter((one) => one.type === 'say').pop().body === 'やっぱり' && hand.heard.filter((one) => one.type === 'say').pop());
  hand.send({ ...frame('held'), key: taken.key, room: 'r1', reason: 'guard', text: texts['live.held.guard'] });
  await page.click(`#own button:text-is("${texts['live.take_back']}")`);
  assert.equal((await heard(hand, 'unsay')).key, taken.key);
  assert.equal(await page.$$eval('#own li', (rows) => rows.length), 0);
  hand.heard.length = 0;
  hand.waiting = [{ key: taken.key, body: 'やっぱり', reason: 'guard' }];
  await hand.socket.close({ code: 4003 });
  assert.equal((await heard(hand, 'unsay')).key, taken.key, 'said again, as it may have been lost');
  assert.equal(await page.$$eval('#own li', (rows) => rows.length), 0);

  // One that those on duty did not let in: why, and the text at hand.
  hand.waiting = [];
  await page.fill('#say', 'あした会いませんか');
  await page.click('#send');
  const meet = await until('a meeting', () => hand.heard.filter((one) => one.body === 'あした会いませんか').pop());
  hand.send({ ...frame('held'), key: meet.key, room: 'r1', reason: 'contact', text: texts['live.held.other'] });
  hand.send({ type: 'refused', key: meet.key, room: 'r1', code: 'rejected', text: texts['rejected.contact'] });
  await page.waitForFunction((words) => document.querySelector('#own .state p')?.textContent === words, texts['rejected.contact']);
  await axe(page, '#own');
  await shot(page, 'rejected-360');
  await page.click(`#own button:text-is("${texts['live.reword']}")`);
  assert.equal(await page.inputValue('#say'), 'あした会いませんか');
  await home.close();
  for (const key of Object.keys(drafts)) delete drafts[key];
}

// ---- on duty in a room ------------------------------------------------------------------------------------------------
const hold = (id, reason, seconds, body, spans = []) => ({ ...frame('hold'), room: 'r1', hold: id, reason, at: ago(seconds), body, spans });
const CONTACT = () => hold('o1', 'contact', 190, BODY, [{ from: 11, to: 24 }]);
const URGENT = () => hold('o2', 'risk', 3, 'もう、ここまでにします', [{ from: 3, to: 11 }]);
{
  const { page, hand, home } = await open('/r/duty', { holds: [CONTACT()] });
  await settled(page);
  await page.waitForSelector('#holds-list li');
  await page.waitForFunction(() => document.querySelectorAll('#holds-list li').length === 1);
  assert.equal(await page.textContent('#holds-list .mark'), '060-0000-0000');
  const began = Date.now();
  hand.send(URGENT());
  await page.waitForSelector('#holds-list li.task-now');
  const took = Date.now() - began;
  assert.ok(took < ALARM_MS, `${took} ms`);
  console.log(`waits: an urgent line is on the screen of those on duty after ${took} ms (at most ${ALARM_MS})`);
  assert.deepEqual(await page.$$eval('#holds-list li', (rows) => rows.map((row) => row.dataset.hold)), ['o2', 'o1'], 'lives first');
  assert.ok(await page.isVisible('#waits'));
  assert.equal(await page.title(), texts['page.title'], 'the title stays neutral');
  assert.equal(await page.textContent('#waits-say'), `${texts['desk.now']}、${texts['desk.told'].replace('{why}', texts['why.risk'])}`);
  await still(page);
  await page.click('#waits a');
  await page.waitForFunction(() => document.getElementById('holds').getBoundingClientRect().top < window.innerHeight / 2);
  await themes(page, 'duty-360', '#main');

  // It is being read; the answer is shown, and a refusal is told where it was asked.
  const press = (id, act) => page.click(`[data-hold="${id}"] [data-act="${act}"]`);
  hand.answer = (one) => { if (one.kind === 'look') hand.send({ type: 'done', key: one.key }); };
  await press('o2', 'look');
  assert.deepEqual({ ...(await heard(hand, 'look')), key: '' }, { type: 'measure', room: 'r1', key: '', kind: 'look', target: 'o2' });
  await page.waitForFunction((words) => document.querySelector('[data-hold="o2"]').textContent.includes(words), texts['desk.looked']);
  hand.answer = (one) => { if (one.kind === 'approve') hand.send({ type: 'refused', key: one.key, code: 'busy', text: texts['refused.busy'] }); };
  await press('o2', 'approve');
  await page.waitForFunction((words) => document.querySelector('[data-hold="o2"]').textContent.includes(words), texts['refused.busy']);
  hand.answer = (one) => {
    if (one.kind !== 'approve') return;
    hand.send({ type: 'done', key: one.key });
    hand.send({ ...frame('hold_done'), room: 'r1', hold: one.target, how: 'approved' });
  };
  await press('o2', 'approve');
  await page.waitForSelector('[data-hold="o2"]', { state: 'detached' });

  // Not let in, with a reason; not sent for some seconds, so that it can be undone.
  await press('o1', 'reject');
  assert.equal(await page.evaluate(() => document.activeElement.dataset.act), 'reason-contact');
  await axe(page, '#holds');
  await shot(page, 'reject-360');
  await press('o1', 'reason-hurt');
  await page.waitForSelector('[data-act="undo"]');
  await press('o1', 'undo');
  await page.waitForTimeout(6500);
  assert.ok(!hand.heard.some((one) => one.kind === 'reject'), 'undone');
  await press('o1', 'reject');
  await press('o1', 'reason-contact');
  await shot(page, 'rejecting-360');
  assert.ok(!hand.heard.some((one) => one.kind === 'reject'));
  hand.answer = (one) => {
    if (one.kind === 'reject') hand.send({ ...frame('hold_done'), room: 'r1', hold: one.target, how: 'rejected' });
  };
  const rejected = await page.waitForSelector('[data-hold="o1"]', { state: 'detached', timeout: 9000 }).then(() => heard(hand, 'reject'));
  assert.deepEqual([rejected.target, rejected.reason], ['o1', 'contact']);
  await page.waitForSelector('#holds', { state: 'hidden' });
  await page.waitForSelector('#waits', { state: 'hidden' });
  assert.equal(await page.evaluate(() => document.activeElement.id), 'say', 'the focus is not lost with the row');

  // A quiet sign at a line that passed.
  hand.send({ ...frame('marked'), room: 'r1', seq: 1 });
  await page.waitForSelector('#s1 .marked');
  assert.equal(await page.textContent('#s1 .marked'), texts['mark.only'] + texts['mark.risk_watch']);
  await themes(page, 'marked-360', '#main');
  await home.close();
}
{
  // A visitor sees nothing of it, whatever comes.
  const { page, hand, home } = await open('/r/r1');
  await settled(page);
  hand.send({ ...frame('marked'), room: 'r1', seq: 1 });
  hand.send({ ...hand.lines[0], seq: 2 });
  await page.waitForSelector('#s2');
  assert.equal(await page.$$eval('.marked', (found) => found.length), 0);
  await home.close();
}

// ---- the day's page -------------------------------------------------------------------------------------------------------
for (const [width, height] of [[360, 740], [1280, 800]]) {
  const { page, hand, home } = await open('/s/today', { width, height, holds: [CONTACT()] });
  // What the server drew gives way to what the room tells.
  await page.waitForFunction(() => document.querySelectorAll('#holds-list li').length === 1);
  assert.equal((await heard(hand, 'enter')).mode, 'duty');
  assert.equal(await page.getAttribute('#holds-list li', 'data-hold'), 'o1');
  const began = Date.now();
  hand.send(URGENT());
  await page.waitForSelector('#holds-list li.task-now:first-child');
  assert.ok(Date.now() - began < ALARM_MS);
  assert.ok(await page.isVisible('#waits-now'));
  assert.equal(await page.title(), texts['page.title']);
  await still(page);
  await themes(page, `today-${width}`, 'body');
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth), 0);
  hand.answer = (one) => {
    if (one.kind === 'approve') hand.send({ ...frame('hold_done'), room: 'r1', hold: one.target, how: 'approved' });
  };
  await page.click('[data-hold="o2"] [data-act="approve"]');
  await page.waitForSelector('[data-hold="o2"]', { state: 'detached' });
  await page.waitForSelector('#waits-now', { state: 'hidden' });
  hand.send({ ...frame('hold_done'), room: 'r1', hold: 'o1', how: 'passed' });
  await page.waitForSelector('#holds-none:not([hidden])');
  await page.waitForSelector('#waits', { state: 'hidden' });
  // A cut line is said; nothing looks as if all were heard.
  hand.holds = [];
  await home.setOffline(true);
  await hand.socket.close({ code: 1001 });
  await page.waitForSelector('#waits-link:not([hidden])');
  await home.close();
}
await chromium.close();
server.close();
console.log('waits: all held');
