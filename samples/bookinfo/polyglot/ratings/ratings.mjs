// The stars that readers gave, in memory; some versions misbehave on purpose.
//
//     node ratings.mjs [PORT [ADDRESS]]
//
// Paths, answers and environment variables are those of `bookinfo ratings`.

import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

const [port = '9080', address = '127.0.0.1'] = process.argv.slice(2);
const version = process.env.SERVICE_VERSION ?? 'v1';

const MAX_BODY = 64 * 1024;
// Books whose ratings can be replaced; beyond it the store refuses.
const MAX_BOOKS = 10_000;
// Milliseconds of which versions are well and ill in turns.
const PERIODS = { 'v-unavailable': 60_000, 'v-unhealthy': 15 * 60_000 };

if (version === 'v2') {
  console.error('SERVICE_VERSION=v2 keeps ratings in a database, which this program does not know; use v1');
  process.exit(1);
}

const started = Date.now();
const replaced = new Map();

const isWell = () => Math.floor((Date.now() - started) / (PERIODS[version] ?? Infinity)) % 2 === 0;

function text(response, status, words) {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' });
  response.end(words);
}

// Without a content-length, so Node sends it in chunks.
function json(response, status, value) {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(value));
}

function health(response) {
  if (version === 'v-unhealthy' && !isWell()) {
    return json(response, 500, { status: 'Ratings is not healthy' });
  }
  json(response, 200, { status: 'Ratings is healthy' });
}

async function read(response, id) {
  const unlucky = Math.random() < 0.5;
  if (!isWell() || (version === 'v-faulty' && unlucky)) {
    return json(response, 503, { error: 'Service unavailable' });
  }
  if (version === 'v-delayed' && unlucky) await sleep(7000);
  const ratings = replaced.get(id) ?? { Reviewer1: 5, Reviewer2: 4 };
  json(response, 200, { id, ratings });
}

async function body(request) {
  const pieces = [];
  let length = 0;
  for await (const piece of request) {
    length += piece.length;
    if (length > MAX_BODY) return undefined;
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString();
}

function parsed(words) {
  try {
    const value = JSON.parse(words);
    return typeof value === 'object' && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}

async function replace(request, response, id) {
  const words = await body(request);
  if (words === undefined) return text(response, 413, 'body too long or cut off\n');
  const ratings = parsed(words);
  if (ratings === null) {
    return json(response, 400, { error: 'please provide valid ratings JSON' });
  }
  if (replaced.size >= MAX_BOOKS && !replaced.has(id)) {
    return json(response, 507, { error: 'too many books have ratings of their own' });
  }
  replaced.set(id, ratings);
  json(response, 200, { id, ratings });
}

async function answer(request, response) {
  const [path] = request.url.split('?');
  const reads = request.method === 'GET' || request.method === 'HEAD';
  if (path === '/health' && reads) return health(response);
  if (!path.startsWith('/ratings/')) return text(response, 404, 'no such page\n');
  const digits = path.slice('/ratings/'.length);
  const id = Number(digits);
  if (!/^\d+$/.test(digits) || !Number.isSafeInteger(id)) {
    return json(response, 400, { error: 'please provide numeric product ID' });
  }
  if (request.method === 'POST') return replace(request, response, id);
  if (reads) return read(response, id);
  text(response, 405, 'method not allowed\n');
}

const server = http.createServer((request, response) => {
  answer(request, response).catch((error) => {
    console.error(error);
    response.destroy();
  });
});
server.listen(Number(port), address, () => console.log(`serving on ${address}:${port}`));

// As the first process of a container it would not end otherwise.
process.on('SIGTERM', () => {
  server.close(() => process.exit(0));
  server.closeIdleConnections();
});
