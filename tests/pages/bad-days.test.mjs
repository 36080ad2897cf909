// Promise 11: it works on a bad day. A lost line, a restart, a killed tab, somebody behind one's back.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { House, comeIn, device, launch, line, live, pending, say, shot, texts } from './house.mjs';

let house;
let browser;

before(async () => {
  house = await new House().start();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await house?.close();
});

test('p11 what is written while the server is gone is kept, said once, and nothing is missed', async () => {
  const one = await device(browser, house);
  const two = await device(browser, house);
  const writer = await comeIn(one, house, { name: 'とぎれる' });
  const reader = await comeIn(two, house, { name: 'つながる' });
  await say(writer, 'まえの行');
  await line(reader, 'まえの行').waitFor();

  await house.kill();
  await writer.locator('#link', { hasText: texts['live.cut'] }).waitFor();
  await say(writer, 'きれているあいだの行');
  await pending(writer, 'きれているあいだの行').waitFor();
  await shot(writer, 'room-cut-360');
  await house.start();

  await line(writer, 'きれているあいだの行').waitFor({ timeout: 45_000 });
  await line(reader, 'きれているあいだの行').waitFor({ timeout: 45_000 });
  await pending(writer, 'きれているあいだの行').waitFor({ state: 'detached' });
  assert.equal(await line(reader, 'きれているあいだの行').count(), 1);
  assert.equal(await line(writer, 'まえの行').count(), 1, 'what was read stays');
  await live(writer);
  await one.close();
  await two.close();
});

test('p11 a line cut by the network goes on when it is back', async () => {
  const one = await device(browser, house);
  const two = await device(browser, house);
  const writer = await comeIn(one, house, { name: 'よわい電波' });
  const reader = await comeIn(two, house, { name: 'まつ' });
  await one.setOffline(true);
  await writer.evaluate(() => window.dispatchEvent(new Event('offline')));
  await say(writer, 'トンネルの中です');
  await one.setOffline(false);
  await line(reader, 'トンネルの中です').waitFor({ timeout: 30_000 });
  await line(writer, 'トンネルの中です').waitFor({ timeout: 30_000 });
  assert.equal(await line(reader, 'トンネルの中です').count(), 1);
  await one.close();
  await two.close();
});

for (const whose of ['mine', 'shared']) {
  test(`p11 a killed tab has not lost what was being written (${whose})`, async () => {
    const context = await device(browser, house);
    const text = `まだ途中の、長い話です。（${whose}）`;
    const page = await comeIn(context, house, { name: 'かきかけ', device: whose });
    const kept = page.waitForResponse((answer) => answer.url().includes('/drafts/room/') && answer.request().method() === 'PUT' && answer.ok());
    await page.locator('#say').fill(text);
    await kept;
    await page.close({ runBeforeUnload: false });
    const again = await context.newPage();
    await again.goto(`${house.url}/r/${house.room}`);
    await live(again);
    await again.waitForFunction((kept) => document.getElementById('say').value === kept, text);
    await say(again, await again.locator('#say').inputValue());
    await line(again, text).waitFor();
    const here = await again.evaluate(() => [localStorage.length, document.cookie]);
    assert.deepEqual(here, [0, ''], 'nothing in local storage, no cookie a script can read');
    await context.close();
  });
}

test('p11 a draft is read by its writer alone', async () => {
  const one = await device(browser, house);
  const two = await device(browser, house);
  const writer = await comeIn(one, house, { name: 'ひみつ' });
  const kept = writer.waitForResponse((answer) => answer.url().includes('/drafts/room/') && answer.request().method() === 'PUT' && answer.ok());
  await writer.locator('#say').fill('まだだれにも見せない');
  await kept;
  const other = await comeIn(two, house, { name: 'ほかのひと' });
  assert.equal(await other.locator('#say').inputValue(), '');
  assert.ok(!(await other.content()).includes('まだだれにも見せない'));
  await one.close();
  await two.close();
});

test('p11 かくす shows a harmless page at once, by button and by key, and the way back is open for a while', async () => {
  const context = await device(browser, house);
  const page = await comeIn(context, house, { name: 'うしろに人' });
  await say(page, 'だれか来たかもしれない');
  await line(page, 'だれか来たかもしれない').waitFor();
  const harmless = async () => {
    await page.waitForURL('**/m');
    const html = await page.content();
    for (const word of ['縁側', '居場所', 'ひきこもり', '相談', 'かくす', 'だれか来た']) assert.ok(!html.includes(word), word);
  };
  await page.locator('button.hide').click();
  await harmless();
  await shot(page, 'hidden-360');
  await page.goto(`${house.url}/r/${house.room}`);
  await line(page, 'だれか来たかもしれない').waitFor();
  await live(page);
  for (let i = 0; i < 3; i += 1) await page.keyboard.press('Shift');
  await harmless();
  await page.goBack().catch(() => null);
  await context.close();
});

test('p11 この端末から消す ends the session and leaves nothing behind', async () => {
  const context = await device(browser, house);
  const page = await comeIn(context, house, { name: 'けします' });
  await page.goto(house.url + '/x');
  await page.locator('main form[action="/x"] button').first().click();
  await page.waitForLoadState();
  assert.deepEqual((await context.cookies()).filter((cookie) => cookie.name.includes('engawa')), []);
  const room = await page.goto(`${house.url}/r/${house.room}`);
  assert.equal(await page.locator('#log').count(), 0, `the room is not shown without a handle (${room.status()})`);
  await context.close();
});
