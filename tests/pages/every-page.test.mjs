// What holds for every page: axe finds nothing, nothing is fetched from elsewhere, the policy is never broken, one
// neutral title; and the room weighs little on its first visit.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { DESK, House, PHONE, comeIn, device, findings, launch, line, live, say, shot, takeDuty } from './house.mjs';

const ROOM_BYTES_MAX = 100 * 1024;

let house;
let browser;

before(async () => {
  house = await new House('', []).start();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await house?.close();
});

const OPEN = ['/', '/sample', '/in', '/back', '/about', '/rules', '/kept', '/now', '/look', '/x', '/s', '/demo', '/styleguide', '/m', '/nothing-here', '/days', '/days?for=family'];
const MINE = () => ['/', '/me', '/me/remove', `/r/${house.room}`, `/r/${house.room}?mode=listen`, `/r/${house.room}/words`];

async function look(page, path, width, titles) {
  const answer = await page.goto(house.url + path);
  assert.ok(answer.status() < 500, `${path} answered ${answer.status()}`);
  await page.waitForLoadState('load');
  assert.deepEqual(await findings(page), [], `axe on ${path} at ${width}`);
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.equal(overflow, 0, `${path} at ${width} scrolls sideways`);
  if (path !== '/m') titles.add(await page.title());
  const name = path.replace(house.room, 'room').replace(/[^a-z]+/g, '-').replace(/^-|-$/g, '') || 'foyer';
  await shot(page, `page-${name}-${width}`);
}

for (const viewport of [PHONE, DESK]) {
  test(`axe finds nothing on any page at ${viewport.width}`, async () => {
    const titles = new Set();
    const stranger = await device(browser, house, { viewport });
    const page = await stranger.newPage();
    for (const path of OPEN) await look(page, path, viewport.width, titles);
    const visitor = await device(browser, house, { viewport });
    const room = await comeIn(visitor, house, { name: 'みてまわる' });
    const words = `ひとことだけ、書いてみました。${viewport.width}`;
    await say(room, words);
    await line(room, words).waitFor();
    for (const path of MINE()) await look(room, path, viewport.width, titles);
    const duty = await device(browser, house, { viewport });
    const supporter = await takeDuty(duty, house, house.login(viewport === PHONE ? 'peer_supporter' : 'moderator', 'tojisha'));
    assert.deepEqual(await findings(supporter), []);
    for (const path of ['/s/today', '/s/lines']) await look(supporter, path, viewport.width, titles);
    const staff = await device(browser, house, { viewport });
    const coordinator = await takeDuty(staff, house, house.login('coordinator'));
    const keep = `/r/${house.room}/keep`;
    for (const path of ['/s/today', '/s/slips', keep]) await look(coordinator, path, viewport.width, titles);
    assert.equal(titles.size, 1, `one neutral title: ${[...titles]}`);
    for (const context of [stranger, visitor, duty, staff]) {
      assert.deepEqual(context.elsewhere, [], 'no request to another origin');
      assert.deepEqual(context.breaches, [], 'no breach of the policy');
      await context.close();
    }
  });
}

test('the room can be read in 昼, 夕 and 夜', async () => {
  const context = await device(browser, house);
  const page = await comeIn(context, house, { name: 'あかるさ' });
  await say(page, '明るさを変えてみます。');
  await line(page, '明るさを変えてみます。').waitFor();
  await page.goto(house.url + '/look');
  const themes = await page.locator('input[name="theme"]').evaluateAll((inputs) => inputs.map((input) => input.value));
  assert.ok(themes.length >= 3, `three themes to choose from: ${themes}`);
  for (const theme of themes) {
    await page.goto(house.url + '/look');
    await page.locator(`input[name="theme"][value="${theme}"]`).check();
    await page.locator('main form button').first().click();
    await page.goto(`${house.url}/r/${house.room}`);
    await live(page);
    assert.deepEqual(await findings(page), [], `axe in ${theme}`);
    await shot(page, `room-theme-${theme || 'own'}-360`);
  }
  await context.close();
});

test('the room’s page weighs at most 100 KB over the wire on the first visit', async () => {
  const visitor = await device(browser, house);
  const page = await comeIn(visitor, house, { name: 'かるい' });
  for (let n = 0; n < 20; n += 1) await say(page, `${n}つめの行です。雨の日は、窓のそばで本を読みます。`);
  await line(page, '19つめの行です。').waitFor();
  const cookies = await visitor.cookies();
  // A fresh browser with nothing cached, only the session.
  const fresh = await device(browser, house);
  await fresh.addCookies(cookies);
  const first = await fresh.newPage();
  const session = await fresh.newCDPSession(first);
  await session.send('Network.enable');
  let bytes = 0;
  let requests = 0;
  session.on('Network.loadingFinished', (event) => {
    bytes += event.encodedDataLength;
    requests += 1;
  });
  await first.goto(`${house.url}/r/${house.room}`);
  await live(first);
  await first.waitForLoadState('networkidle');
  console.log(`weight: the room's page takes ${bytes} bytes over the wire in ${requests} requests on the first visit (at most ${ROOM_BYTES_MAX})`);
  assert.ok(bytes > 5000 && bytes <= ROOM_BYTES_MAX, `${bytes} bytes`);
  await visitor.close();
  await fresh.close();
});
