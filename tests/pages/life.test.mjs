// The life of a message between two visitors and a supporter, on a phone and at a desk.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { DESK, House, PHONE, comeIn, device, findings, launch, line, pending, say, shot, takeDuty, texts } from './house.mjs';

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

test('a line is said, heard, stamped, closed, opened and taken back, each on everybody’s screen', async () => {
  const phone = await device(browser, house, { viewport: PHONE });
  const desk = await device(browser, house, { viewport: DESK });
  const duty = await device(browser, house, { viewport: DESK });
  const foyer = await phone.newPage();
  await foyer.goto(house.url + '/');
  await shot(foyer, 'foyer-360');
  await foyer.close();

  const minato = await comeIn(phone, house, { name: 'みなと' });
  const shizuku = await comeIn(desk, house, { name: 'しずく' });
  const supporter = await takeDuty(duty, house, house.login('peer_supporter', 'tojisha'));
  await shot(minato, 'room-empty-360');

  await say(minato, 'こんばんは。はじめて来ました。');
  for (const page of [minato, shizuku, supporter]) await line(page, 'こんばんは。はじめて来ました。').waitFor();
  await line(minato, 'こんばんは。').locator('.me').waitFor();
  assert.equal(await line(shizuku, 'こんばんは。').locator('.me').count(), 0);
  assert.equal(await pending(minato, 'こんばんは。').count(), 0, 'nothing is left in waiting');
  assert.equal(await minato.locator('#say').inputValue(), '');

  await say(shizuku, 'こんばんは。雨の音を聞いていました。\nここは、しずかですね。');
  await line(minato, 'ここは、しずかですね。').waitFor();
  await say(supporter, 'おふたりとも、こんばんは。今日はここにいます。');
  await line(minato, '今日はここにいます。').locator('.role').waitFor();

  await line(shizuku, 'はじめて来ました。').locator('.knot').click();
  await line(shizuku, 'はじめて来ました。').locator('[data-stamp="nod"]').click();
  await line(minato, 'はじめて来ました。').locator('.stamps', { hasText: texts['stamp.nod'] }).waitFor();
  await shot(shizuku, 'room-strip-1280');
  await shot(minato, 'room-360');

  const shown = line(supporter, '雨の音を聞いていました。');
  const seq = await shown.getAttribute('data-seq');
  await shown.locator('.knot').click();
  await shown.getByRole('button', { name: texts['live.hide'], exact: true }).click();
  for (const page of [minato, shizuku]) {
    const gone = page.locator(`#log li[data-seq="${seq}"]`);
    await gone.filter({ hasText: texts['live.hidden'] }).waitFor();
    assert.ok(!(await gone.textContent()).includes('しずく'), 'never the author’s name on a hidden line');
  }
  await shot(minato, 'room-hidden-360');
  await supporter.locator(`#log li[data-seq="${seq}"]`).getByRole('button', { name: texts['live.unhide'] }).click();
  for (const page of [minato, shizuku]) await line(page, '雨の音を聞いていました。').waitFor();

  await line(minato, 'はじめて来ました。').locator('.knot').click();
  await line(minato, 'はじめて来ました。').getByRole('button', { name: texts['live.unsay'], exact: true }).click();
  await minato.locator('#log').getByText(texts['live.gone']).waitFor();
  await line(shizuku, 'はじめて来ました。').waitFor({ state: 'detached' });

  // ことばを選ぶ: a ready line and the lamp.
  await minato.locator('#choose').click();
  const ready = minato.locator('#words-list button').first();
  const words = await ready.textContent();
  await shot(minato, 'room-words-360');
  await ready.click();
  await line(shizuku, words.trim()).locator('.chosen').waitFor();
  await minato.locator('#words-lamp').click();
  await shizuku.locator('#lamp:not(.seat-lamp-off)').waitFor();

  await shot(shizuku, 'room-1280');
  await shot(supporter, 'room-duty-1280');
  for (const page of [minato, shizuku, supporter]) assert.deepEqual(await findings(page), []);
  for (const context of [phone, desk, duty]) {
    assert.deepEqual(context.elsewhere, [], 'no request to another origin');
    assert.deepEqual(context.breaches, [], 'no breach of the policy');
    await context.close();
  }
});

test('a person without script reads, says and takes back by forms', async () => {
  const context = await device(browser, house, { javaScriptEnabled: false });
  const other = await device(browser, house);
  const reader = await comeIn(other, house, { name: 'よむひと' });
  const page = await context.newPage();
  await page.goto(house.url + '/');
  await page.locator(`a.board-link[href*="${house.room}"]`).first().click();
  await page.locator('input[name="standing"][value="tojisha"]').check();
  await page.locator('input[name="device"][value="shared"]').check();
  await page.locator('button[name="go"]').click();
  await page.waitForURL(`**/r/${house.room}*`);
  await page.locator('#say').fill('スクリプトなしで書いています。');
  await page.locator('#send').click();
  await line(page, 'スクリプトなしで書いています。').waitFor();
  await line(reader, 'スクリプトなしで書いています。').waitFor();
  await say(reader, '読めていますよ。');
  await line(reader, '読めていますよ。').waitFor();
  await page.locator('a.reload').click();
  await line(page, '読めていますよ。').waitFor();
  await shot(page, 'room-noscript-360');
  await context.close();
  await other.close();
});
