// How fast the page is: `node measure.mjs PROGRAM [URL of TensorFlow Playground]`, with
// playwright-core, and Chromium at $CHROMIUM. PROGRAM is the playground's, or the address of a page
// that carries its engine.
//
// Prints pictures and steps a second at the fastest speed, what a picture costs in milliseconds of
// processor time (of Chromium's processes, and of the program), and how long the first picture
// takes; beside them, the same of TensorFlow Playground's own page, if it is served somewhere.

import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { chromium } from 'playwright-core';

const SECONDS = Number(process.env.SECONDS ?? 5);
const [, , program, other] = process.argv;

let url = program;
let server;
if (!/^(https?|file):/.test(program)) {
  server = spawn(program, ['--port', '0'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const line = await new Promise((resolve) => server.stdout.once('data', (data) => resolve(String(data))));
  url = /http\S+/.exec(line)[0];
}
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ['--no-sandbox'] });
const system = await browser.newBrowserCDPSession();

/** The processor time in seconds that each of Chromium's processes has taken, and the program. */
async function times() {
  const { processInfo } = await system.send('SystemInfo.getProcessInfo');
  const found = {};
  for (const { type, cpuTime } of processInfo) found[type] = (found[type] ?? 0) + cpuTime;
  if (server && process.platform === 'linux') {
    const fields = readFileSync(`/proc/${server.pid}/stat`, 'utf8').split(') ')[1].split(' ');
    found.engine = (Number(fields[11]) + Number(fields[12])) / 100;
  }
  return found;
}

async function open(address, isReady) {
  const page = await (await browser.newContext({ viewport: { width: 1400, height: 900 } })).newPage();
  const start = performance.now();
  await page.goto(address);
  await page.waitForFunction(isReady, undefined, { polling: 5 });
  return [page, Math.round(performance.now() - start)];
}

/** Runs a page, of which `look` tells pictures and steps so far, and says how fast it is. */
async function report(name, page, first, look) {
  await page.waitForTimeout(1000);
  const before = await times();
  const [t0, pictures0, steps0] = await page.evaluate(look);
  await page.waitForTimeout(SECONDS * 1000);
  const [t1, pictures1, steps1] = await page.evaluate(look);
  const after = await times();
  const [pictures, seconds] = [pictures1 - pictures0, (t1 - t0) / 1000];
  const costs = Object.keys(after)
    .map((type) => [type, (1000 * (after[type] - (before[type] ?? 0))) / pictures])
    .filter(([, cost]) => cost > 0.05)
    .map(([type, cost]) => `${type} ${cost.toFixed(1)}`);
  console.log(`${name}: ${(pictures / seconds).toFixed(1)} pictures and ${Math.round((steps1 - steps0) / seconds).toLocaleString('en')} steps a second; a picture takes ms of ${costs.join(', ')}; the first came after ${first} ms`);
  await page.context().close();
}

const OURS = {
  '2-8-8-3, 500 points, batches of 32': '#data.count=500',
  "2-4-2-1, 500 points, batches of 10 (TensorFlow Playground's defaults)": '#data.source=circles&data.count=500&data.test=0.5&data.noise=0&model.hidden=4,2&loss.kind=binary&optimizer.kind=sgd&optimizer.learning_rate=0.03&optimizer.batch=10',
  '2-(8 × 32)-3, 2,000 points, batches of 32': '#data.count=2000&model.hidden=32,32,32,32,32,32,32,32&optimizer.learning_rate=0.001',
};

for (const [speed, name] of [['Infinity', 'as fast as it goes'], ['250', '250 steps a second']]) {
  for (const [setting, hash] of Object.entries(OURS)) {
    const [page, first] = await open(url + hash, () => globalThis.playgroundPictures?.count > 0);
    await page.selectOption('#speed', speed);
    await page.click('#run');
    await report(`${setting}, ${name}`, page, first, () => [performance.now(), playgroundPictures.count, Number(document.querySelector('#steps b').textContent.replace(/\D/g, ''))]);
  }
}

// It draws a picture after every epoch of its 250 points to train on.
const THEIRS = { 'its defaults: 2-4-2-1, 500 points, batches of 10': ['', 25], '2-8-8-1, 500 points, batches of 30': ['#networkShape=8,8&batchSize=30', 8] };
for (const [setting, [hash, steps]] of Object.entries(other ? THEIRS : {})) {
  const [page, first] = await open(other + hash, () => document.querySelector('#iter-number')?.textContent.includes('0'));
  await page.locator('#play-pause-button').click();
  const look = `[performance.now(), ...[1, ${steps}].map((n) => n * Number(document.querySelector('#iter-number').textContent.replace(/\\D/g, '')))]`;
  await report(`TensorFlow Playground, ${setting}`, page, first, look);
}
await browser.close();
server?.kill();
