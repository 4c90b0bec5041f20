// Asking the session, and living with its answers.

import { NoAnswer, SessionLost } from './carrier.js';
import { $, say, toast } from './dom.js';
import { page, parts } from './state.js';
import { t } from './texts.js';

/** Who is told what has come. */
export const hooks = {};

/** The cells along a side of the decision map: fewer while it runs, and of a large network. */
function mapCells() {
  const size = page.description?.parameters ?? 100;
  const [work, most] = page.running ? [2e7, 100] : [3e8, 200];
  return Math.round(Math.max(40, Math.min(most, Math.sqrt(work / size))));
}

/** The cells along a side of a unit's map: fewer of many units while it runs. */
function unitCells() {
  const { hidden } = page.description?.setting.model ?? { hidden: [] };
  const units = hidden.reduce((sum, count) => sum + count, 0);
  return page.running && units > 64 ? 16 : 32;
}

/** How long the engine may train for one picture, in milliseconds. */
const SHARE_OF_A_PICTURE = 12;

export async function ask(message, training) {
  try {
    const reply = await parts.carrier.send(message, training);
    // What is wrong with a setting stays until something else is done.
    if (reply.error) say(t(reply.error));
    else if (page.unanswered || !['frame', 'describe'].includes(message.do)) say(null);
    page.unanswered = false;
    return reply;
  } catch (error) {
    if (error instanceof SessionLost) {
      await parts.carrier.send({ do: 'describe' }, { begin: true });
      const setting = page.wanted ?? page.description?.setting;
      if (setting) await parts.carrier.send({ do: 'set', setting });
      toast(t('lost'));
      return parts.carrier.send(message, training);
    }
    if (error instanceof NoAnswer) {
      say(t('no_answer'));
      page.unanswered = true;
      await new Promise((resolve) => setTimeout(resolve, 1000));
      return null;
    }
    throw error;
  }
}

/** Asks what the page can do without: there is no answer while nobody answers. */
export async function inquire(message) {
  try {
    return await parts.carrier.send(message);
  } catch {
    return null;
  }
}

/** How often the curves and what is below them follow while it runs, in milliseconds. */
const FOLLOW_EVERY = 100;

let curved = 0;

function wanted() {
  const now = performance.now();
  const curves = !page.running || now - curved > FOLLOW_EVERY;
  if (curves) curved = now;
  const judged = $('#curves details').open || page.mission === 'imbalance';
  const worst = page.description?.setting.data.source === 'digits' && !page.running ? 24 : 0;
  return { do: 'frame', map: mapCells(), units: unitCells(), weights: true, curves, judged, worst };
}

let stale = true;

let wake = () => {};

/** Something has changed that the pictures do not show yet. */
export function refresh() {
  stale = true;
  wake();
}

let owed = 0;

let last = 0;

/** How many steps are due since the last picture. */
function due(now) {
  const passed = Math.min(now - last, 200) / 1000;
  last = now;
  if (!page.running) return 0;
  if (page.speed === Infinity) return 1e6;
  owed += passed * page.speed;
  const steps = Math.floor(owed);
  owed -= steps;
  return steps;
}

const nextPicture = () => new Promise((resolve) => requestAnimationFrame(resolve));

/** Asks for a picture, and for the next one while the last is drawn. */
export async function live() {
  let asked = null;
  for (;;) {
    if (!asked && !stale && !page.running) {
      await new Promise((resolve) => (wake = resolve));
      last = performance.now();
    }
    if (!asked) {
      stale = false;
      asked = ask(wanted(), { steps: due(performance.now()), milliseconds: SHARE_OF_A_PICTURE });
    }
    const reply = await asked;
    asked = null;
    if (!reply || reply.error) {
      if (!reply) stale = true;
      else page.running = false;
      showRunning();
      continue;
    }
    if (reply.revision !== page.frame.revision || !page.description) {
      await describe();
      // What is asked for depends on what has just been described.
      stale = true;
    }
    page.frame = reply;
    if (reply.arrays['curve.step']) page.record = reply;
    if (reply.halted) {
      page.running = false;
      showRunning();
    }
    if (page.running) {
      stale = false;
      asked = ask(wanted(), { steps: due(performance.now()), milliseconds: SHARE_OF_A_PICTURE });
    }
    await follow();
    await nextPicture();
    hooks.draw();
    pictures.count++;
    hooks.lookAround();
  }
}

let followed = 0;

/** The numbers are no longer those of what has been chosen. */
export function lookAgain() {
  followed = 0;
  refresh();
}

/** Fetches the numbers of the chosen sample. */
async function follow() {
  if (!page.sample) return;
  const now = performance.now();
  if (page.running && now - followed < FOLLOW_EVERY) return;
  followed = now;
  const trace = await inquire({ do: 'trace', ...page.sample });
  page.next = await inquire({ do: 'next' });
  page.graph = parts.traceView.unfolded ? (await inquire({ do: 'graph', ...page.sample }))?.nodes : null;
  if (!trace) return;
  if (trace.error) {
    page.sample = null;
    return;
  }
  trace.units = [trace.inputs, ...trace.layers.map((layer) => layer.output), trace.logits];
  page.trace = trace;
}

/** How many pictures there have been, for whoever measures. */
const pictures = (globalThis.playgroundPictures = { count: 0 });

export async function describe() {
  const reply = await ask({ do: 'describe' });
  if (!reply) return;
  page.description = reply;
  page.frame.revision = reply.revision;
  const kept = page.sample;
  if (kept && kept.index >= (reply.arrays[`${kept.part}.answers`]?.length ?? 0)) (page.sample = null);
  hooks.showSetting(reply.setting);
}

/** Another setting, of which only the last matters while one is on its way. */
export async function change(setting) {
  page.wanted = setting;
  hooks.showSetting(setting);
  if (page.changing) return;
  page.changing = true;
  while (page.wanted) {
    const next = page.wanted;
    const reply = await ask({ do: 'set', setting: next });
    if (page.wanted === next) page.wanted = null;
    if (!reply || reply.error) {
      hooks.showSetting(page.description.setting);
      break;
    }
  }
  page.wanted = null;
  page.changing = false;
  refresh();
}

export async function command(message) {
  await ask(message);
  refresh();
}

export function run(running) {
  page.running = running;
  last = performance.now();
  owed = 0;
  showRunning();
  // At rest the pictures are finer than while it runs.
  refresh();
}

export let seeking = null;

/** Goes to a step, of which only the last matters while one is on its way. */
export async function seek(step) {
  run(false);
  const first = seeking === null;
  seeking = step;
  if (!first) return;
  while (seeking !== null) {
    const next = seeking;
    await ask({ do: 'seek', step: next });
    if (seeking === next) seeking = null;
    refresh();
    await nextPicture();
  }
}

export function showRunning() {
  document.body.classList.toggle('running', page.running);
  const button = $('#run');
  button.setAttribute('aria-label', t(page.running ? 'pause' : 'run'));
  button.title = t(page.running ? 'pause' : 'run');
}

export async function advance(steps) {
  run(false);
  await ask({ do: 'advance', steps });
  refresh();
}
