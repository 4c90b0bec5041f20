// How fast the page is: `node measure.mjs URL [URL of TensorFlow Playground]`, with playwright-core,
// and Chromium at $CHROMIUM. Prints pictures and steps a second at the fastest speed, and how long
// the first picture takes; beside them, what TensorFlow Playground's own page does with its
// defaults, if it is served somewhere.

import { chromium } from 'playwright-core';

const [, , url, other] = process.argv;
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ['--no-sandbox'] });
const SECONDS = 5;

const SETTINGS = {
  '2-8-8-3, 500 points, batches of 32': '#data.count=500',
  "TensorFlow Playground's defaults: 2-4-2-1, 500 points, batches of 10": '#data.source=circles&data.count=500&data.test=0.5&data.noise=0&model.hidden=4,2&loss.kind=binary&optimizer.kind=sgd&optimizer.learning_rate=0.03&optimizer.batch=10',
  '2-(8 × 32)-3, 2,000 points, batches of 32': '#data.count=2000&model.hidden=32,32,32,32,32,32,32,32&optimizer.learning_rate=0.001',
};

for (const [name, hash] of Object.entries(SETTINGS)) {
  const page = await (await browser.newContext({ viewport: { width: 1400, height: 900 } })).newPage();
  const start = performance.now();
  await page.goto(url + hash);
  await page.waitForFunction(() => globalThis.playgroundPictures?.count > 0, undefined, { polling: 5 });
  const first = performance.now() - start;
  await page.selectOption('#speed', 'Infinity');
  await page.click('#run');
  await page.waitForTimeout(1000);
  const look = () => page.evaluate(() => [performance.now(), playgroundPictures.count, Number(document.querySelector('#steps b').textContent.replace(/\D/g, ''))]);
  const [t0, pictures0, steps0] = await look();
  await page.waitForTimeout(SECONDS * 1000);
  const [t1, pictures1, steps1] = await look();
  const seconds = (t1 - t0) / 1000;
  console.log(`${name}: ${((pictures1 - pictures0) / seconds).toFixed(1)} pictures and ${Math.round((steps1 - steps0) / seconds).toLocaleString('en')} steps a second; first picture after ${Math.round(first)} ms`);
  await page.context().close();
}

if (other) {
  const page = await (await browser.newContext({ viewport: { width: 1400, height: 900 } })).newPage();
  await page.goto(other);
  await page.locator('#play-pause-button').click();
  await page.waitForTimeout(1000);
  const look = () => page.evaluate(() => [performance.now(), Number(document.querySelector('#iter-number').textContent.replace(/\D/g, ''))]);
  const [t0, epochs0] = await look();
  await page.waitForTimeout(SECONDS * 1000);
  const [t1, epochs1] = await look();
  const epochs = (epochs1 - epochs0) / ((t1 - t0) / 1000);
  console.log(`TensorFlow Playground, its defaults: ${epochs.toFixed(1)} pictures, each after an epoch of 25 steps: ${Math.round(epochs * 25)} steps a second`);
}
await browser.close();
