// Every sample page in a real browser: axe, markup, no sideways scrolling, no word of the policy broken.
// Usage: node check/pages.mjs DIR [SHOTS]
import { AxeBuilder } from '@axe-core/playwright';
import { HtmlValidate, FileSystemConfigLoader } from 'html-validate';
import { readdirSync, readFileSync, mkdirSync } from 'node:fs';
import { serve, browser } from './serve.mjs';

const [dir, shots] = process.argv.slice(2);
const pages = readdirSync(dir).filter((file) => file.endsWith('.html')).map((file) => file.slice(0, -5)).sort();
const wrong = [];
const validate = new HtmlValidate(new FileSystemConfigLoader());
for (const name of pages) {
  const report = await validate.validateString(readFileSync(`${dir}/${name}.html`, 'utf8'), 'web/check/page.html');
  for (const result of report.results) for (const m of result.messages) wrong.push(`${name}: ${m.ruleId}: ${m.message} (${m.line}:${m.column})`);
}
const server = await serve(dir);
const chromium = await browser();
if (shots) mkdirSync(shots, { recursive: true });
for (const theme of ['light', 'dim', 'dark']) {
  for (const [width, height] of [[360, 740], [1280, 800]]) {
    const context = await chromium.newContext({ viewport: { width, height } });
    const page = await context.newPage();
    page.on('console', (message) => { if (/Content Security Policy|TrustedHTML/.test(message.text())) wrong.push(`policy: ${message.text()}`); });
    page.on('pageerror', (error) => wrong.push(`script: ${error.message}`));
    for (const name of pages) {
      await page.goto(`${server.url}/${name}`);
      await page.evaluate((value) => { document.documentElement.dataset.theme = value; }, theme);
      const at = `${name} ${theme} ${width}`;
      const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      if (over > 0) wrong.push(`${at}: ${over} px too wide`);
      const found = await new AxeBuilder({ page }).analyze();
      for (const rule of found.violations) wrong.push(`${at}: ${rule.id}: ${rule.nodes.map((node) => node.html.slice(0, 120)).join(' | ')}`);
      if (shots) await page.screenshot({ path: `${shots}/${name}-${width}-${theme}.png` });
    }
    await context.close();
  }
}
// Twice as large text on a small phone reflows without loss.
const large = await (await chromium.newContext({ viewport: { width: 360, height: 740 } })).newPage();
for (const name of pages) {
  await large.goto(`${server.url}/${name}`);
  await large.evaluate(() => { document.documentElement.style.fontSize = '200%'; });
  const over = await large.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  if (over > 0) wrong.push(`${name}: ${over} px too wide at 200 %`);
}
await chromium.close();
server.close();
for (const line of new Set(wrong)) console.log(line);
console.log(`${pages.length} pages, ${new Set(wrong).size} findings`);
process.exit(wrong.length ? 1 : 0);
