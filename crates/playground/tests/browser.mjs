// The page in a real browser: `node browser.mjs URL CARRIER`. Prints a line for each check, and
// ends with 1 at the first that fails. Needs playwright-core, and Chromium at $CHROMIUM.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { chromium } from 'playwright-core';

const [, , url, carrier, folder] = process.argv;
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ['--no-sandbox'] });

const complaints = [];
async function open(hash = '', options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  page.on('pageerror', (error) => complaints.push(error.stack));
  page.on('console', (message) => {
    // A refused message is answered with a status that the browser notes.
    if (message.type() === 'error' && !message.text().includes('status of 4')) complaints.push(message.text());
  });
  await page.goto(url + hash);
  await page.waitForFunction(() => globalThis.playgroundPictures?.count > 0);
  return page;
}

const stepOf = async (page) => Number((await page.locator('#steps b').textContent()).replace(/\D/g, ''));
const reaches = (page, f, argument) => page.waitForFunction(f, argument, { timeout: 20000 });
const atStep = (page, step) => reaches(page, (step) => document.querySelector('#steps b')?.textContent.replace(/\D/g, '') === String(step), step);
const lossOf = (page) => page.locator('#scores dd').first().textContent();

let checks = 0;
async function check(name, work) {
  await work();
  assert.deepEqual(complaints, [], name);
  checks++;
  console.log(`ok ${name}`);
}

const page = await open();

await check('the page shows itself', async () => {
  assert.equal(await stepOf(page), 0);
  assert.equal(await page.locator('.unit').count(), 2 + 8 + 8 + 3);
  const colors = await page.evaluate(() => {
    const canvas = document.querySelector('#map');
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    return new Set(Array.from({ length: 400 }, (_, i) => data.slice(997 * 4 * i, 997 * 4 * i + 3).join())).size;
  });
  assert.ok(colors > 20, `the map has ${colors} colours`);
});

await check('it runs, pauses, steps and goes back', async () => {
  const before = await lossOf(page);
  await page.click('#run');
  await reaches(page, () => Number(document.querySelector('#steps b').textContent.replace(/\D/g, '')) > 60);
  await page.click('#run');
  await page.waitForTimeout(300);
  const step = await stepOf(page);
  const loss = await lossOf(page);
  assert.notEqual(loss, before);
  await page.waitForTimeout(300);
  assert.equal(await stepOf(page), step, 'a paused page trains');
  await page.click('#step');
  await atStep(page, step + 1);
  await page.click('#back');
  await atStep(page, step);
  assert.equal(await lossOf(page), loss);
  await page.click('#rewind');
  await atStep(page, 0);
  assert.equal(await lossOf(page), before);
  await page.locator('#time').fill(String(step));
  await atStep(page, step);
  assert.equal(await lossOf(page), loss);
  await page.keyboard.press('Escape');
});

await check('keys do what buttons do', async () => {
  const step = await stepOf(page);
  await page.locator('body').click({ position: { x: 3, y: 300 } });
  await page.keyboard.press('ArrowLeft');
  await atStep(page, step - 1);
  await page.keyboard.press('ArrowRight');
  await atStep(page, step);
  await page.keyboard.press('Home');
  await atStep(page, 0);
});

await check('the optimizer is changed while it runs', async () => {
  await page.click('#run');
  await reaches(page, () => Number(document.querySelector('#steps b').textContent.replace(/\D/g, '')) > 20);
  await page.selectOption('#optimizer-kind', 'sgd');
  await reaches(page, () => location.hash.includes('optimizer.kind=sgd'));
  const step = await stepOf(page);
  assert.ok(step > 20, 'it began anew');
  await reaches(page, (step) => Number(document.querySelector('#steps b').textContent.replace(/\D/g, '')) > step + 10, step);
  await page.click('#run');
});

await check('every number is shown of the sample that is clicked', async () => {
  await page.selectOption('#optimizer-kind', 'adam');
  await reaches(page, () => !location.hash.includes('optimizer.kind'));
  await page.click('#step');
  await page.locator('#map').focus();
  await page.keyboard.press('ArrowRight');
  await page.locator('#numbers h3').first().waitFor();
  const text = await page.locator('#numbers').textContent();
  for (const part of ['log Σ exp', '∂L/∂z = p − y', 'optimizer.step(&mut model, &gradients)?;', 'let gradients = loss.backward();']) assert.ok(text.includes(part), part);
  // Adam has made one step, and this is the second.
  assert.ok(text.includes('t = 2'), 'the count of steps');
  // The step that is announced is the one that comes.
  const announced = await page.locator('#numbers .formula b').last().textContent();
  await page.click('#step');
  await page.waitForTimeout(1000);
  const now = await page.locator('#numbers tbody tr.chosen td').first().textContent();
  assert.equal(now, announced);
  await page.click('#numbers .close');
});

await check('layers and units are added and taken away', async () => {
  await page.click('#more');
  await reaches(page, () => document.querySelectorAll('.head').length === 3);
  await page.locator('.head button').nth(1).click();
  await reaches(page, () => location.hash.includes('model.hidden=9,8,8'));
  await atStep(page, 0);
});

await check('points are drawn, moved and deleted', async () => {
  await page.click('.sources button[value="moons"]');
  await page.click('.sources button[value="points"]');
  await page.locator('.tools button').first().waitFor();
  const count = () => page.evaluate(() => location.hash.match(/data.points=([^&]*)/)?.[1].split(',').length ?? 0);
  const counts = (expected) => reaches(page, (expected) => location.hash.match(/data.points=([^&]*)/)?.[1].split(',').length === expected, expected);
  /** Waits until a point is under the pointer. */
  const grabs = async (x, y) => {
    for (let tries = 0; tries < 400; tries++) {
      await page.mouse.move(x + (tries % 2), y);
      if ((await page.locator('#map').evaluate((canvas) => canvas.style.cursor)) === 'grab') return;
      await page.waitForTimeout(50);
    }
    assert.fail('there is no point to grab');
  };
  await reaches(page, () => location.hash.includes('data.points='));
  const before = await count();
  const box = await page.locator('#map').boundingBox();
  await page.mouse.click(box.x + 4, box.y + 4);
  await counts(before + 1);
  await grabs(box.x + 4, box.y + 4);
  await page.mouse.down();
  await page.mouse.move(box.x + 40, box.y + 12, { steps: 4 });
  await page.mouse.up();
  await grabs(box.x + 40, box.y + 12);
  assert.equal(await count(), before + 1);
  await page.mouse.click(box.x + 40, box.y + 12, { button: 'right' });
  await counts(before);
});

await check('a table is dropped on the page', async () => {
  await page.evaluate(() => {
    const rows = Array.from({ length: 40 }, (_, i) => `${i % 7},${(i * i) % 11},${i % 2 ? 'left' : 'right'}`);
    const transfer = new DataTransfer();
    transfer.items.add(new File([['a,b,side', ...rows].join('\n')], 'own.csv'));
    dispatchEvent(new DragEvent('drop', { dataTransfer: transfer, bubbles: true, cancelable: true }));
  });
  await reaches(page, () => document.querySelector('.legend')?.textContent.includes('left'));
  assert.equal(await page.locator('#target').inputValue(), 'side');
  await page.evaluate(() => {
    const transfer = new DataTransfer();
    transfer.items.add(new File(['a,b\n1'], 'bad.csv'));
    dispatchEvent(new DragEvent('drop', { dataTransfer: transfer, bubbles: true, cancelable: true }));
  });
  await reaches(page, () => !document.querySelector('#banner').hidden);
  assert.match(await page.locator('#banner').textContent(), /the table/);
});

await check('a table of one\'s own goes into the link', async () => {
  await page.evaluate(() => {
    const rows = Array.from({ length: 40 }, (_, i) => `${i % 7},${(i * i) % 11},${i % 2 ? 'left' : 'right'}`);
    const transfer = new DataTransfer();
    transfer.items.add(new File([['a,b,side', ...rows].join('\n')], 'own.csv'));
    navigator.clipboard.writeText = async (text) => (globalThis.copied = text);
    dispatchEvent(new DragEvent('drop', { dataTransfer: transfer, bubbles: true, cancelable: true }));
  });
  await reaches(page, () => document.querySelector('#banner').hidden && document.querySelector('.legend').textContent.includes('left'));
  await page.click('#share');
  await reaches(page, () => globalThis.copied);
  const other = await open(new URL(await page.evaluate(() => globalThis.copied)).hash);
  await reaches(other, () => document.querySelector('.legend')?.textContent.includes('left'));
  assert.equal(await lossOf(other), await lossOf(page));
  await other.context().close();
});

await check('a link brings back what it was made of', async () => {
  const hash = '#data.noise=0.1&data.source=circles&model.activation=relu&model.hidden=3&loss.kind=binary&optimizer.kind=lion&optimizer.learning_rate=0.001';
  const other = await open(hash);
  await reaches(other, () => document.querySelectorAll('.unit').length === 2 + 3 + 1);
  assert.equal(await other.locator('#loss-kind').inputValue(), 'binary');
  assert.equal(await other.locator('#optimizer-kind').inputValue(), 'lion');
  assert.equal(new URL(other.url()).hash, hash);
  await other.click('#rust');
  await other.locator('#program[open]').waitFor();
  const program = await other.locator('#program pre').textContent();
  assert.match(program, /Lion::new\(0.001\)/);
  assert.match(program, /synthetic::circles\(300, 0.1, &mut rng\)/);
  await other.context().close();
});

if (carrier === 'http') {
  await check('a page that is loaded anew finds its session', async () => {
    const other = await open();
    await other.click('#epoch');
    await atStep(other, 8);
    const loss = await lossOf(other);
    await other.reload();
    await other.waitForFunction(() => globalThis.playgroundPictures?.count > 0);
    await atStep(other, 8);
    assert.equal(await lossOf(other), loss);
    await other.context().close();
  });
}

await check('missions are reached by what they teach, and not without', async () => {
  for (const [mission, work] of [
    ['logit', (other) => other.locator('#optimizer-learning_rate').fill('15')],
    ['xor', (other) => other.click('#more')],
    ['rate', (other) => other.locator('#optimizer-learning_rate').fill('13')],
    ['saturated', (other) => other.selectOption('#loss-kind', 'cross_entropy')],
    ['imbalance', async (other) => {
      await other.locator('#loss details summary').click();
      await other.locator('#loss-balanced').check();
    }],
    ['valley', (other) => other.locator('#optimizer-momentum').fill('0.95')],
  ]) {
    const other = await open(`#mission=${mission}`);
    await other.locator('#mission').waitFor();
    await other.selectOption('#speed', '1000');
    await other.click('#run');
    await reaches(other, () => Number(document.querySelector('#steps b').textContent.replace(/\D/g, '')) > 1000);
    await other.click('#run');
    assert.equal(await other.locator('#mission.reached').count(), 0, mission);
    await other.click('#rewind');
    await atStep(other, 0);
    await work(other);
    await other.selectOption('#speed', '250');
    await other.click('#run');
    await other.locator('#mission.reached').waitFor({ timeout: 20000 }).catch(() => assert.fail(`${mission} is not reached`));
    await other.context().close();
  }
});

await check('two runs are compared, and digits are read', async () => {
  const other = await open();
  await other.click('#epoch');
  await atStep(other, 8);
  await other.click('#compare');
  await atStep(other, 0);
  await other.locator('#kept canvas').waitFor();
  await other.selectOption('#optimizer-kind', 'lion');
  await other.click('#epoch');
  await atStep(other, 8);
  assert.match(await other.locator('#kept figcaption').textContent(), /before: loss/);
  await other.click('#compare');
  await other.click('.sources button[value="digits"]');
  await other.locator('.pad canvas').waitFor();
  const box = await other.locator('.pad canvas').boundingBox();
  await other.mouse.move(box.x + 88, box.y + 20);
  await other.mouse.down();
  await other.mouse.move(box.x + 88, box.y + 150, { steps: 12 });
  await other.mouse.up();
  await reaches(other, () => document.querySelectorAll('.bars i').length === 10);
  await other.locator('.gallery button').first().click();
  await other.locator('#numbers h3').first().waitFor();
  await other.context().close();
});

/** How many colours there are on a canvas. */
const colorsOf = (page, selector) => page.evaluate((selector) => {
  const canvas = document.querySelector(selector);
  const pixels = new Uint32Array(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.buffer);
  return new Set(pixels).size;
}, selector);

await check('the way, the last step, calibration and confusion are drawn, and follow', async () => {
  const other = await open();
  await other.click('#curves summary');
  await other.click('#epoch');
  await atStep(other, 8);
  for (const canvas of ['#way', '#last-step', '#calibration canvas']) {
    await other.locator(canvas).scrollIntoViewIfNeeded();
    for (let tries = 0; (await colorsOf(other, canvas)) < 10; tries++) {
      assert.ok(tries < 100, `${canvas} is empty`);
      await other.waitForTimeout(50);
    }
  }
  assert.equal(await other.locator('#confusion td').count(), 1 + 9);
  const before = await other.locator('#confusion').textContent();
  const wayBefore = await other.locator('#way').evaluate((canvas) => canvas.toDataURL());
  await other.selectOption('#speed', '1000');
  await other.click('#run');
  await reaches(other, (before) => document.querySelector('#confusion').textContent !== before, before);
  await other.click('#run');
  await reaches(other, (before) => document.querySelector('#way').toDataURL() !== before, wayBefore);
  await other.context().close();
});

await check('weights, record and map are saved', async () => {
  const other = await open();
  await other.click('#curves summary');
  const saved = async (button) => {
    const [download] = await Promise.all([other.waitForEvent('download'), other.click(button)]);
    return [download.suggestedFilename(), readFileSync(await download.path())];
  };
  const [map, svg] = await saved('#save-picture');
  assert.match(map, /\.svg$/);
  assert.match(String(svg), /^<svg [^]*<image [^]*(<path [^>]*>\s*){240}<\/svg>/);
  const [, weights] = await saved('#save-weights');
  const length = Number(weights.readBigUInt64LE());
  const header = JSON.parse(String(weights.subarray(8, 8 + length)));
  assert.deepEqual(header['layers.1.weight'].shape, [8, 8]);
  assert.equal(weights.length, 8 + length + 4 * 123);
  const [, record] = await saved('#save-record');
  assert.match(String(record), /^step,/);
  await other.context().close();
});

await check('each layer has its activation, and a value is drawn along its one feature', async () => {
  const other = await open('#data.source=wave&loss.kind=squared&model.hidden=6,5');
  await other.locator('#model details summary').click();
  await other.selectOption('#model-activation-1', 'relu');
  await reaches(other, () => location.hash.includes('model.activation=tanh,relu'));
  assert.equal(await other.locator('#model-activation').inputValue(), 'by_layer');
  await other.selectOption('#optimizer-kind', 'lbfgs');
  await reaches(other, () => location.hash.includes('optimizer.kind=lbfgs'));
  await other.click('#epoch');
  await atStep(other, 1);
  assert.ok((await colorsOf(other, '#map')) > 10);
  await other.locator('#map').focus();
  await other.keyboard.press('ArrowRight');
  await other.locator('#numbers h3').first().waitFor();
  await other.context().close();
});

await check('an explosion is reported and taken back', async () => {
  const other = await open('#data.source=plane&loss.kind=squared&model.activation=identity&optimizer.kind=sgd&optimizer.learning_rate=20');
  await other.click('#run');
  await reaches(other, () => !document.querySelector('#banner').hidden);
  assert.match(await other.locator('#banner').textContent(), /Stopped at step \d+: the gradient/);
  await other.click('#banner button');
  await reaches(other, () => document.querySelector('#banner').hidden);
  await other.context().close();
});

await check('it speaks Chinese', async () => {
  const other = await open('', { locale: 'zh-CN' });
  assert.equal(await other.locator('#share').textContent(), '分享');
  await other.click('#language');
  assert.equal(await other.locator('#share').textContent(), 'Share');
  await other.context().close();
});

await check('everything has a name, and nothing is wider than the window', async () => {
  for (const width of [400, 760, 1280, 2560]) {
    const other = await open('', { viewport: { width, height: 900 } });
    const found = await other.evaluate(() => {
      const unnamed = [...document.querySelectorAll('button, input:not([type=file]), select')]
        .filter((e) => e.offsetParent && !(e.textContent.trim() || e.getAttribute('aria-label') || e.labels?.length))
        .map((e) => e.outerHTML);
      return { unnamed, wide: Math.max(0, document.documentElement.scrollWidth - document.documentElement.clientWidth) };
    });
    assert.deepEqual(found, { unnamed: [], wide: 0 }, `${width}`);
    // As many layers as the page offers.
    const crowded = await open('#model.hidden=32,32,32,32,32,32,32,32&data.source=moons', { viewport: { width, height: 900 } });
    await reaches(crowded, () => document.querySelectorAll('.head').length === 8);
    const crossing = await crowded.evaluate(() => {
      const boxes = [...document.querySelectorAll('.head')].map((head) => head.getBoundingClientRect());
      return boxes.filter((box, at) => at > 0 && box.left < boxes[at - 1].right - 0.5).length;
    });
    assert.equal(crossing, 0, `${width}`);
    await crowded.context().close();
    if (folder) {
      for (const theme of ['light', 'dark']) {
        await other.evaluate((theme) => document.documentElement.dataset.theme !== theme && document.querySelector('#theme').click(), theme);
        await other.screenshot({ path: `${folder}/${carrier}-${width}-${theme}.png`, fullPage: true });
      }
    }
    await other.context().close();
  }
});

await browser.close();
console.log(`${checks} checks`);
