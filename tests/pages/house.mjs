// The ground of the page tests: a node of the release binary on throwaway data, a real Chromium, people in it.
//
// Nothing here waits for a span of time: a test waits for what a person would see, with Playwright's deadline.

import { spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));
const require = createRequire(path.join(root, 'web/package.json'));
const { chromium } = require('playwright-core');
const { AxeBuilder } = require('@axe-core/playwright');

const DEADLINE_MS = 10_000;
/** A phone of the first person in design.md, and a desk. */
export const PHONE = { width: 360, height: 740 };
export const DESK = { width: 1280, height: 800 };

/** The interface's words, so that a test finds things as a person does. */
export const texts = JSON.parse(readFileSync(path.join(root, 'web/texts/ja.json'), 'utf8'));

/** Where pictures go: `ENGAWA_SHOTS`, else a temporary folder. */
export const shots = process.env.ENGAWA_SHOTS || mkdtempSync(path.join(tmpdir(), 'engawa-shots-'));
mkdirSync(shots, { recursive: true });

function binary() {
  const target = process.env.CARGO_TARGET_DIR || path.join(root, 'target');
  const file = process.env.ENGAWA_BIN || path.join(target, 'release/engawa');
  if (!existsSync(file)) throw new Error(`${file} is not there: cargo build --release (or set ENGAWA_BIN)`);
  return file;
}

/** Within ten seconds, or an error that says what was awaited. */
async function within(what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${DEADLINE_MS} ms in vain for ${what}`)), DEADLINE_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** A sample centre that can be killed and started again on the same data and port. */
export class House {
  constructor(settings = '', flags = ['--quiet-samples']) {
    this.folder = mkdtempSync(path.join(tmpdir(), 'engawa-pages-'));
    this.flags = flags;
    this.port = 0;
    const lifted = `[limits]
say_burst = 1000
say_interval_ms = 1
frames_per_10s = 10000
sockets_max = 100
handles_burst = 1000
handles_interval_ms = 1
logins_burst = 1000
logins_interval_ms = 1
recover_burst = 1000
recover_interval_ms = 1
upgrades_burst = 1000
upgrades_interval_ms = 1
`;
    writeFileSync(path.join(this.folder, 'settings.toml'), lifted + settings);
  }

  async start() {
    const log = openSync(path.join(this.folder, 'stderr.log'), 'a');
    const args = ['demo', '--json', '--data', path.join(this.folder, 'data'), '--config', path.join(this.folder, 'settings.toml')];
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('ENGAWA_')));
    this.child = spawn(binary(), [...args, ...this.flags], {
      env: { ...env, ENGAWA_LISTEN: `127.0.0.1:${this.port}` },
      stdio: ['ignore', 'pipe', log],
    });
    this.ended = new Promise((resolve) => this.child.once('exit', resolve));
    const lines = createInterface({ input: this.child.stdout });
    const first = new Promise((resolve, reject) => {
      lines.once('line', resolve);
      this.child.once('exit', (code) => reject(new Error(`the node ended (${code}): ${this.log().slice(-2000)}`)));
    });
    const line = JSON.parse(await within('the first line of the node', first));
    this.url = line.url;
    this.rooms = line.rooms;
    this.logins = line.logins;
    this.port = Number(new URL(line.url).port);
    return this;
  }

  log() {
    return readFileSync(path.join(this.folder, 'stderr.log'), 'utf8');
  }

  /** The first room for 当事者. */
  get room() {
    return this.rooms[0].id;
  }

  login(role, audience) {
    return this.logins.find((login) => login.role === role && (!audience || login.audience === audience));
  }

  async kill() {
    this.child.kill('SIGKILL');
    await within('the end of a killed node', this.ended);
  }

  async close() {
    if (this.child.exitCode === null && this.child.signalCode === null) await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** The code of this half minute (RFC 6238, SHA-1, 6 digits). */
export function totp(secret) {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
  const bits = [...secret.replace(/=+$/, '')].map((letter) => letters.indexOf(letter).toString(2).padStart(5, '0')).join('');
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => Number.parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000)));
  const mac = createHmac('sha1', key).update(counter).digest();
  const at = mac[19] & 15;
  return String((mac.readUInt32BE(at) & 0x7fffffff) % 1_000_000).padStart(6, '0');
}

export function launch() {
  const args = ['--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
  if (process.getuid && process.getuid() === 0) args.push('--no-sandbox');
  return chromium.launch({ executablePath: process.env.ENGAWA_CHROMIUM || '/usr/bin/chromium', headless: true, args });
}

/**
 * A device: a browser of its own, which notes every request that leaves the house and every breach of its policy.
 */
export async function device(browser, house, options = {}) {
  const context = await browser.newContext({ viewport: PHONE, locale: 'ja-JP', timezoneId: 'Asia/Tokyo', ...options });
  context.setDefaultTimeout(DEADLINE_MS);
  context.elsewhere = [];
  context.breaches = [];
  context.on('request', (request) => {
    const url = new URL(request.url());
    if (url.protocol !== 'data:' && url.origin !== house.url) context.elsewhere.push(request.url());
  });
  const note = (text) => {
    if (/Content.Security.Policy|Trusted ?Type|Refused to/i.test(text)) context.breaches.push(text);
  };
  context.on('console', (message) => note(message.text()));
  context.on('page', noteSockets);
  context.on('weberror', (error) => context.breaches.push(`an error nobody caught: ${error.error()}`));
  return context;
}

/** Comes in as a person does: the foyer, its nearest door, the one form. */
export async function comeIn(context, house, { name, standing = 'tojisha', device: whose = 'mine', room = house.room } = {}) {
  const page = await context.newPage();
  await page.goto(house.url + '/');
  await page.locator(`a.board-link[href*="${room}"]`).first().click();
  await page.locator(`input[name="standing"][value="${standing}"]`).check();
  if (name) await page.locator('input[name="name"]').fill(name);
  await page.locator(`input[name="device"][value="${whose}"]`).check();
  await page.locator('button[name="go"]').click();
  await page.waitForURL(`**/r/${room}*`);
  await live(page);
  return page;
}

/** The step of each second factor that was used last: a code is good once. @type {Map<string, number>} */
const used = new Map();
const STEP_MS = 30_000;

/** A code that was not used before, waited for if need be. */
async function freshCode(secret) {
  const step = () => Math.floor(Date.now() / STEP_MS);
  while (step() <= (used.get(secret) ?? -1)) {
    await new Promise((resolve) => setTimeout(resolve, STEP_MS - (Date.now() % STEP_MS) + 20));
  }
  used.set(secret, step());
  return totp(secret);
}

/** Somebody with powers logs in and takes duty in a room. */
export async function takeDuty(context, house, login, room = house.room) {
  const page = await context.newPage();
  await page.goto(house.url + '/s');
  await page.locator('#id').fill(login.id);
  await page.locator('#password').fill(login.password);
  await page.locator('#totp').fill(await freshCode(login.totp_secret));
  await page.locator('main button.btn-main').click();
  await page.waitForURL('**/s/today');
  await page.locator(`a[href="/r/${room}?mode=duty"]`).click();
  await page.waitForURL(`**/r/${room}*`);
  await live(page);
  return page;
}

/** The page's newest socket is open and was answered `entered`. */
export async function live(page) {
  await within('a page that has entered its room', new Promise((resolve) => {
    if (page.hasEntered) resolve();
    else page.onEntered = resolve;
  }));
}

/** Notes on a page whether it is in its room just now. */
function noteSockets(page) {
  page.on('websocket', (socket) => {
    page.hasEntered = false;
    socket.on('framereceived', ({ payload }) => {
      if (!String(payload).includes('"type":"entered"')) return;
      page.hasEntered = true;
      page.onEntered?.();
    });
    socket.on('close', () => { page.hasEntered = false; });
  });
}

/** Writes a line and sends it. */
export async function say(page, text) {
  await page.locator('#say').fill(text);
  await page.locator('#send').click();
}

/** The row of a line that came into the room. */
export function line(page, text) {
  return page.locator('#log li[data-seq]').filter({ has: page.locator('.said', { hasText: text }) });
}

/** The row of an own line that has not come into the room. */
export function pending(page, text) {
  return page.locator('#own li').filter({ hasText: text });
}

/** A picture for people to look at. */
export async function shot(page, name) {
  await page.screenshot({ path: path.join(shots, `${name}.png`) });
}

/** What axe finds on a page, in words. */
export async function findings(page) {
  const { violations } = await new AxeBuilder({ page }).analyze();
  return violations.map((found) => `${found.id}: ${found.help} (${found.nodes.map((node) => node.target.join(' ')).join(', ')})`);
}
