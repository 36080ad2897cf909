// A gathering kept by people: waiting and being let in, how the room goes on, and a slip from the sheet to the room.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { DESK, House, PHONE, comeIn, device, findings, launch, line, live, shot, takeDuty, texts } from './house.mjs';

let house;
let browser;
/** The host: one login for all tests, as a code is good once. */
let host;

before(async () => {
  house = await new House('[rooms]\nwatch_every_ms = 300\n').start();
  browser = await launch();
  host = await takeDuty(await device(browser, house, { viewport: PHONE }), house, house.login('moderator', 'tojisha'));
});
after(async () => {
  await browser?.close();
  await house?.close();
});

/** Opens 部屋の進め方 beside the room: the duty of the room's page goes on. */
async function panel() {
  const page = await host.context().newPage();
  await page.goto(`${house.url}/r/${house.room}/keep`);
  return page;
}

async function press(page, words) {
  await page.getByRole('button', { name: words, exact: true }).click();
  await page.getByText(texts['keep.done']).waitFor();
}

test('a host sets how the room goes on, and everybody sees it at once', async () => {
  const visitor = await device(browser, house, { viewport: PHONE });
  const room = await comeIn(visitor, house, { name: 'よむひと' });
  const page = await panel();
  assert.deepEqual(await findings(page), []);
  await shot(page, 'keep-360');
  await press(page, texts['keep.to'].replace('{what}', texts['keep.guard.reading']));
  // The place to write says that it is time to read; what can be chosen stays.
  await room.locator('#say').waitFor({ state: 'hidden' });
  await shot(room, 'room-reading-360');
  await press(page, texts['keep.to'].replace('{what}', texts['keep.guard.usual']));
  await room.locator('#say').waitFor({ state: 'visible' });

  await page.locator('#topic').fill('冬にほしいもの');
  await page.locator('#answers').fill('毛布\nあたたかいお茶\n静かな夜');
  await press(page, texts['keep.topic_set']);
  await page.locator('#notice').fill('十時に、お茶にします');
  await press(page, texts['keep.notice_say']);
  await line(room, '十時に、お茶にします').waitFor();
  await room.goto(`${house.url}/r/${house.room}/words`);
  await room.getByRole('button', { name: '毛布' }).waitFor();
  await shot(room, 'words-topic-360');
  await room.getByRole('button', { name: '毛布' }).click();
  await line(room, '毛布').waitFor();

  await press(page, texts['keep.pause_do']);
  await press(page, texts['keep.resume']);
  await page.setViewportSize(DESK);
  await shot(page, 'keep-1280');
  assert.deepEqual(await findings(page), []);
  await visitor.close();
  await page.close();
});

test('who comes to a shut door waits, is let in, and the page becomes the room', async () => {
  const page = await panel();
  await press(page, texts['keep.lock']);
  const visitor = await device(browser, house, { viewport: PHONE });
  const room = await visitor.newPage();
  await room.goto(`${house.url}/in?room=${house.room}`);
  await room.locator('input[name="standing"][value="tojisha"]').check();
  await room.locator('input[name="device"][value="mine"]').check();
  await room.locator('button[name="go"]').click();
  await room.getByText(texts['waiting.locked']).waitFor();
  assert.deepEqual(await findings(room), []);
  await shot(room, 'waiting-locked-360');
  await press(page, texts['keep.admit']);
  await room.locator('#say').waitFor();
  await live(room);
  await press(page, texts['keep.unlock']);
  await visitor.close();
  await page.close();
});

test('a slip goes from the sheet to its room, and nobody else gets in with it', async () => {
  const staff = await device(browser, house, { viewport: DESK });
  const coordinator = await takeDuty(staff, house, house.login('coordinator'));
  await coordinator.goto(`${house.url}/s/slips`);
  await coordinator.locator('#n').fill('2');
  await coordinator.getByRole('button', { name: texts['slips.make'] }).click();
  const number = coordinator.locator('.slip-number');
  await number.first().waitFor();
  assert.equal(await number.count(), 2);
  assert.deepEqual(await findings(coordinator), []);
  await shot(coordinator, 'slip-sheet-1280');
  await coordinator.emulateMedia({ media: 'print' });
  await coordinator.setViewportSize({ width: 794, height: 1123 });
  await shot(coordinator, 'slip-sheet-print');
  await coordinator.emulateMedia({ media: 'screen' });
  const digits = (await number.first().textContent()).replace(/\D/g, '');
  assert.equal(digits.length, 12);

  const family = await device(browser, house, { viewport: PHONE });
  const page = await family.newPage();
  const come = async (context, sheet) => {
    await sheet.goto(`${house.url}/in`);
    await sheet.locator('input[name="standing"][value="family"]').check();
    await sheet.locator('input[name="device"][value="mine"]').check();
    await sheet.getByText(texts['enter.slip']).click();
    await sheet.locator('#slip').fill(digits);
    await shot(sheet, 'enter-slip-360');
    await sheet.locator('button[name="go"]').click();
  };
  await come(family, page);
  await page.waitForURL(`${house.url}/`);
  const again = await device(browser, house, { viewport: PHONE });
  const second = await again.newPage();
  await come(again, second);
  await second.getByText(texts['enter.slip_doubt_what']).waitFor();
  assert.deepEqual(await findings(second), []);
  await shot(second, 'enter-slip-bad-360');
  await second.getByRole('button', { name: texts['enter.slip_doubt'] }).click();
  await second.getByText(texts['enter.slip_doubted']).waitFor();
  await coordinator.goto(`${house.url}/s/today`);
  await coordinator.getByText(texts['alert.slip_doubted']).waitFor();
  assert.deepEqual(await findings(coordinator), []);
  await shot(coordinator, 'today-alert-1280');
  await coordinator.goto(`${house.url}/s/slips`);
  await coordinator.getByText(texts['slips.doubted']).waitFor();
  await shot(coordinator, 'slips-1280');
  for (const context of [staff, family, again]) await context.close();
});

test('the schedule is read by somebody who has said nothing yet', async () => {
  const stranger = await device(browser, house, { viewport: PHONE });
  const page = await stranger.newPage();
  await page.goto(`${house.url}/days`);
  await page.getByText(texts['demo.room.evening']).waitFor();
  await shot(page, 'days-360');
  await page.getByRole('link', { name: texts['enter.family'] }).click();
  await page.getByText(texts['demo.room.saturday']).waitFor();
  assert.equal(await page.getByText(texts['demo.room.evening']).count(), 0);
  await page.setViewportSize(DESK);
  await shot(page, 'days-1280');
  await stranger.close();
});
