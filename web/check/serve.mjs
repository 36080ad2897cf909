// Serves the sample pages that `ENGAWA_PAGES_OUT=DIR cargo test -p engawa --lib samples_can_be_written_out` wrote,
// under the policy of the real server, and opens a browser on them. For the checks beside it.
import { chromium } from 'playwright-core';
import { createServer } from 'node:http';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { extname, join } from 'node:path';

export const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";
const TYPES = { '.html': 'text/html; charset=utf-8', '.css': 'text/css', '.js': 'text/javascript', '.svg': 'image/svg+xml', '.json': 'application/json' };

/** A server on a free port; `answer(request, body)` may give `{status, type?, body?}` before the files are looked at. */
export function serve(dir, answer) {
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (part) => { body += part; }).on('end', () => {
      const given = answer ? answer(request, body) : null;
      if (given) {
        response.writeHead(given.status, { 'content-type': given.type || 'application/json', ...given.headers });
        response.end(given.body || '');
        return;
      }
      let path = join(dir, new URL(request.url, 'http://x').pathname);
      if (!existsSync(path)) path += '.html';
      if (!existsSync(path) || statSync(path).isDirectory()) { response.writeHead(404); response.end(); return; }
      response.writeHead(200, { 'content-type': TYPES[extname(path)] || 'text/plain', 'content-security-policy': POLICY });
      response.end(readFileSync(path));
    });
  });
  return new Promise((done) => server.listen(0, '127.0.0.1', () => done({
    url: `http://127.0.0.1:${server.address().port}`, close: () => server.close(),
  })));
}

export function browser() {
  return chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: ['--no-sandbox'] });
}
