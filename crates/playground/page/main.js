// The page: what is asked of the session, and where its answers go.

import { openCarrier, NoAnswer, SessionLost } from './carrier.js';
import { classColor, fit, isDark, mark, signColor, variable } from './colors.js';
import { Controls, LOSSES } from './controls.js';
import { Curves } from './curves.js';
import { Digits } from './digits.js';
import { DecisionMap } from './map.js';
import { MISSIONS, missionOf, missionStart } from './missions.js';
import { NetworkView } from './network.js';
import { short, six } from './numbers.js';
import { fromHash, toHash } from './share.js';
import { setLanguage, t, translate } from './texts.js';
import { TraceView } from './trace.js';

const $ = (selector) => document.querySelector(selector);
const SPEEDS = [1, 10, 60, 250, 1000, 5000, Infinity];
/** The cells along a side of the decision map: while it runs, and at rest. */
const MAP_CELLS = [100, 200];
const UNIT_CELLS = 32;
/** How long the engine may train for one picture, in milliseconds. */
const SHARE_OF_A_PICTURE = 12;

const remembered = {
  get: (name) => {
    try {
      return localStorage.getItem(name);
    } catch {
      return null;
    }
  },
  set: (name, value) => {
    try {
      localStorage.setItem(name, value);
    } catch {
      // A page that may not remember forgets.
    }
  },
};

const page = {
  running: false,
  speed: 250,
  /** What the session last said. */
  frame: {},
  description: null,
  start: null,
  /** What "every number" looks at: a sample, a unit, and a weight into it. */
  sample: null,
  unit: null,
  weight: 0,
  showTest: false,
  /** The class that is drawn, or `erase`. */
  tool: null,
  mission: null,
  /** Whether another run is kept beside this one. */
  comparing: false,
};

let carrier;
let controls;
let map;
let network;
let curves;
let traceView;
let keptMap;
let digits;

// ---- Asking the session ----

async function ask(message, training) {
  try {
    const reply = await carrier.send(message, training);
    // What is wrong with a setting stays until something else is done.
    if (reply.error) say(t(reply.error));
    else if (page.unanswered || !['frame', 'describe'].includes(message.do)) say(null);
    page.unanswered = false;
    return reply;
  } catch (error) {
    if (error instanceof SessionLost) {
      await carrier.send({ do: 'describe' }, { begin: true });
      const setting = page.wanted ?? page.description?.setting;
      if (setting) await carrier.send({ do: 'set', setting });
      toast(t('lost'));
      return carrier.send(message, training);
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

const wanted = () => ({ do: 'frame', map: MAP_CELLS[page.running ? 0 : 1], units: UNIT_CELLS, weights: true, curves: true, worst: page.description?.setting.data.source === 'digits' && !page.running ? 24 : 0 });

let stale = true;
let wake = () => {};
/** Something has changed that the pictures do not show yet. */
function refresh() {
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
async function live() {
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
    draw();
    pictures.count++;
  }
}

/** How often the numbers follow while it runs, in milliseconds. */
const FOLLOW_EVERY = 100;
let followed = 0;

/** Fetches the numbers of the chosen sample. */
async function follow() {
  if (!page.sample) return;
  const now = performance.now();
  if (page.running && now - followed < FOLLOW_EVERY) return;
  followed = now;
  const trace = await carrier.send({ do: 'trace', ...page.sample });
  page.next = await carrier.send({ do: 'next' });
  page.graph = traceView.unfolded ? (await carrier.send({ do: 'graph', ...page.sample })).nodes : null;
  if (trace.error) {
    page.sample = null;
    return;
  }
  trace.units = [trace.inputs, ...trace.layers.map((layer) => layer.output), trace.logits];
  page.trace = trace;
}

/** How many pictures there have been, for whoever measures. */
const pictures = (globalThis.playgroundPictures = { count: 0 });

async function describe() {
  const reply = await ask({ do: 'describe' });
  if (!reply) return;
  page.description = reply;
  page.frame.revision = reply.revision;
  const kept = page.sample;
  if (kept && kept.index >= (reply.arrays[`${kept.part}.answers`]?.length ?? 0)) choose(null);
  showSetting(reply.setting);
}

/** Another setting, of which only the last matters while one is on its way. */
async function change(setting) {
  page.wanted = setting;
  showSetting(setting);
  if (page.changing) return;
  page.changing = true;
  while (page.wanted) {
    const next = page.wanted;
    const reply = await ask({ do: 'set', setting: next });
    if (page.wanted === next) page.wanted = null;
    if (!reply || reply.error) {
      showSetting(page.description.setting);
      break;
    }
  }
  page.wanted = null;
  page.changing = false;
  refresh();
}

async function command(message) {
  await ask(message);
  refresh();
}

function run(running) {
  page.running = running;
  last = performance.now();
  owed = 0;
  showRunning();
  // At rest the pictures are finer than while it runs.
  refresh();
}

let seeking = null;
/** Goes to a step, of which only the last matters while one is on its way. */
async function seek(step) {
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

// ---- Showing what it says ----

function say(text, action) {
  const banner = $('#banner');
  banner.hidden = !text;
  banner.querySelector('span').textContent = text ?? '';
  const button = banner.querySelector('button');
  button.hidden = !action;
  if (action) {
    button.textContent = action.text;
    button.onclick = action.work;
  }
}

let toastEnds;
function toast(text) {
  const element = $('#toast');
  element.textContent = text;
  element.classList.add('shown');
  clearTimeout(toastEnds);
  toastEnds = setTimeout(() => element.classList.remove('shown'), 2500);
}

function showRunning() {
  document.body.classList.toggle('running', page.running);
  const button = $('#run');
  button.setAttribute('aria-label', t(page.running ? 'pause' : 'run'));
  button.title = t(page.running ? 'pause' : 'run');
}

const isFlat = () => page.description?.inputs === 2;
const isOfValues = () => !page.description?.classes;

function showSetting(setting) {
  const { description } = page;
  controls.update(setting, description);
  for (const button of document.querySelectorAll('.sources button')) {
    button.setAttribute('aria-checked', button.value === setting.data.source);
    button.tabIndex = button.value === setting.data.source ? 0 : -1;
  }
  const hidden = setting.model.hidden;
  $('#layers').textContent = t('hidden_layers', hidden.length);
  $('#fewer').disabled = hidden.length < 1;
  $('#more').disabled = hidden.length >= 8;
  if (!isFlat()) map.update(null);
  $('#parameters').textContent = t('parameters', description.parameters.toLocaleString());
  $('#accuracy-name').textContent = t(isOfValues() ? 'fit_curve' : 'accuracy_curve');
  showTable(setting, description);
  showLegend();
  showTools(setting);
  const hash = toHash(setting, page.start, page.mission);
  history.replaceState(null, '', hash ? `#${hash}` : location.pathname + location.search);
}

function showTable(setting, { header, numeric, target, dropped }) {
  const shown = setting.data.source === 'table';
  $('.table').hidden = !shown;
  if (!shown || !header) return;
  const names = Object.keys(TABLES);
  const own = setting.data.table.includes('\n');
  $('#table').replaceChildren(...names.map((name) => new Option(name, name)));
  if (own) $('#table').append(new Option(page.file ?? 'CSV', ''));
  $('#table').value = own ? '' : setting.data.table;
  $('#target').replaceChildren(...header.map((name) => new Option(name)));
  $('#target').value = target;
  const [x, y] = setting.data.columns;
  const columns = () => numeric.map((name) => new Option(name));
  $('#column-x').replaceChildren(new Option(t('components'), ''), ...columns());
  $('#column-x').value = x ?? '';
  $('#column-y').replaceChildren(...columns());
  $('#column-y').hidden = x === undefined;
  $('#column-y').value = y ?? numeric[1] ?? '';
  $('#dropped').textContent = dropped ? t('dropped', dropped) : '';
}

function showLegend() {
  const { classes, setting } = page.description;
  const { source, columns } = setting.data;
  $('#axes').textContent = source === 'table' && columns.length ? `→ ${columns[0]}  ↑ ${columns[1]}` : '';
  const legend = $('.legend');
  legend.replaceChildren();
  (classes ?? ['0', '1']).forEach((name, index) => {
    const item = document.createElement('span');
    const canvas = document.createElement('canvas');
    item.append(canvas, name);
    legend.append(item);
    const { context } = fit(canvas);
    mark(context, classes ? index : 0, 7, 7, 4.5);
    context.fillStyle = classes ? classColor(index) : signColor(index * 2 - 1);
    context.fill();
  });
}

const percent = (value) => (typeof value === 'number' ? `${(value * 100).toFixed(1)} %` : '–');

function score(name, first, second) {
  const row = document.createElement('div');
  const term = document.createElement('dt');
  term.textContent = name;
  const value = document.createElement('dd');
  value.textContent = first;
  if (second !== null) {
    const small = document.createElement('small');
    small.textContent = `  ${second}`;
    value.append(small);
  }
  row.append(term, value);
  return row;
}

function draw() {
  const { frame, description } = page;
  if (!description || frame.step === undefined) return;
  const { setting } = description;
  const arrays = frame.arrays;
  const { step, end } = frame;
  const time = $('#time');
  time.max = end;
  if (document.activeElement !== time || seeking === null) time.value = step;
  time.setAttribute('aria-valuetext', t('step_count', step));
  const bold = document.createElement('b');
  bold.textContent = step.toLocaleString();
  const [before, after] = t('step_count', '\u0000').split('\u0000');
  $('#steps').replaceChildren(before, bold, `${after} · ${t('epoch_count', frame.epochs.toFixed(frame.epochs < 100 ? 1 : 0))}`);
  $('#back').disabled = $('#rewind').disabled = step === 0;

  const hasTest = description.arrays['test.answers'].length > 0;
  const rate = isOfValues() ? short : percent;
  const two = (text) => (hasTest ? `${t('tested')} ${text}` : null);
  $('#scores').replaceChildren(
    score(t('loss'), short(frame.train_loss, 4), two(short(frame.test_loss, 4))),
    score(t(isOfValues() ? 'fit_curve' : 'accuracy_curve'), rate(frame.train_accuracy), two(rate(frame.test_accuracy))),
  );
  $('.check').hidden = !hasTest || !isFlat();
  $('.legend').hidden = !isFlat();

  const outputs = description.classes?.length ?? 1;
  const view = (part) => ({ points: description.arrays[`${part}.points`], answers: description.arrays[`${part}.answers`] });
  const sizes = [description.inputs, ...setting.model.hidden, description.outputs];
  network.update({
    sizes,
    inputs: description.inputs,
    hidden: setting.model.hidden,
    labels: labels(sizes),
    outputColors: description.classes && description.outputs > 1 ? description.classes.map((_, index) => classColor(index)) : null,
    weights: arrays,
    units: arrays.units,
    unitCells: UNIT_CELLS,
    sample: page.sample ? page.trace?.units : null,
    chosen: page.sample ? page.unit : null,
  });
  if (isFlat()) {
    map.update({
      map: arrays.map,
      outputs,
      values: isOfValues(),
      extent: description.extent,
      train: view('train'),
      test: view('test'),
      showTest: page.showTest && hasTest,
      sample: page.sample,
      cover: cover(sizes),
    });
  }
  const record = {
    step,
    end,
    changes: frame.changes,
    steps: arrays['curve.step'],
    arrays,
    layers: sizes.length - 1,
  };
  record.kept = arrays['kept.curve.step'] ? arrays : null;
  for (const curve of curves) curve.update(record);
  showTrace(sizes);
  showKept();
  showDigits();
  showMission();
  if (frame.halted) {
    say(t('halted', step, frame.halted), { text: t('back_ten'), work: () => seek(Math.max(0, step - 10)) });
  }
}

function showKept() {
  const { kept, arrays } = page.frame;
  page.comparing = Boolean(kept);
  $('#compare').setAttribute('aria-pressed', page.comparing);
  const figure = $('#kept');
  figure.hidden = !kept || !isFlat();
  $('.maps').classList.toggle('two', !figure.hidden);
  if (figure.hidden) return;
  figure.querySelector('figcaption').textContent = t('kept', short(kept.train_loss, 4), (isOfValues() ? short : percent)(kept.train_accuracy));
  const { description } = page;
  const view = (part) => ({ points: description.arrays[`${part}.points`], answers: description.arrays[`${part}.answers`] });
  keptMap.update({ map: arrays['kept.map'], outputs: kept.outputs, values: isOfValues(), extent: description.extent, train: view('train'), test: view('test'), showTest: false, sample: page.sample, cover: null });
}

function showDigits() {
  const root = $('#digits');
  const { description, frame } = page;
  root.hidden = description.setting.data.source !== 'digits';
  if (root.hidden) return;
  if (frame.arrays.worst) digits.update({ worst: frame.arrays.worst, images: description.arrays['test.images'], answers: description.arrays['test.answers'] });
  if (digits.step !== frame.step) digits.read();
  digits.step = frame.step;
}

function showMission() {
  const root = $('#mission');
  root.hidden = !page.mission;
  if (!page.mission) return;
  const language = document.documentElement.lang === 'zh' ? 1 : 0;
  const { title, question, change: what, reached } = MISSIONS[page.mission];
  root.querySelector('b').textContent = title[language];
  root.querySelector('.question').textContent = question[language];
  root.querySelector('.change').textContent = what[language];
  page.reached ||= reached({ frame: page.frame, setting: page.description.setting });
  root.classList.toggle('reached', page.reached);
  const text = page.reached ? `✓ ${t('reached')}` : '';
  // A screen reader says what changes, so it changes once.
  const output = root.querySelector('output');
  if (output.textContent !== text) output.textContent = text;
}

function startMission(name) {
  page.mission = name;
  page.reached = false;
  run(false);
  if (name) change(missionStart(name, page.start));
  else refresh();
}

function listMissions() {
  const language = document.documentElement.lang === 'zh' ? 1 : 0;
  const list = $('#mission-list ol');
  list.replaceChildren(
    ...Object.entries(MISSIONS).map(([name, { title, question }]) => {
      const item = document.createElement('li');
      const link = document.createElement('a');
      link.href = `#mission=${name}`;
      link.textContent = title[language];
      link.addEventListener('click', (event) => {
        event.preventDefault();
        $('#mission-list').close();
        startMission(name);
      });
      const text = document.createElement('div');
      text.className = 'soft';
      text.textContent = question[language];
      item.append(link, text);
      return item;
    }),
  );
  $('#mission-list').showModal();
}

// ---- What can be taken away ----

function save(name, parts, type) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob(parts, { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

/** All parameters, as PyTorch, JAX and others read them. */
function saveWeights() {
  const header = {};
  const parts = [];
  let at = 0;
  for (const [name, shape] of page.description.names) {
    const values = page.frame.arrays[name];
    header[name] = { dtype: 'F32', shape, data_offsets: [at, at + values.byteLength] };
    parts.push(values);
    at += values.byteLength;
  }
  let text = JSON.stringify(header);
  text = text.padEnd(Math.ceil(text.length / 8) * 8, ' ');
  const length = new DataView(new ArrayBuffer(8));
  length.setBigUint64(0, BigInt(text.length), true);
  save(`step-${page.frame.step}.safetensors`, [length.buffer, text, ...parts], 'application/octet-stream');
}

function saveRecord() {
  const names = Object.keys(page.frame.arrays).filter((name) => name.startsWith('curve.'));
  names.sort((a, b) => (b === 'curve.step') - (a === 'curve.step'));
  const columns = names.map((name) => page.frame.arrays[name]);
  const rows = [...columns[0]].map((_, at) => columns.map((column) => (Number.isFinite(column[at]) ? Number(column[at].toPrecision(9)) : '')).join(','));
  save('record.csv', [[names.map((name) => name.slice(6)).join(','), ...rows, ''].join('\n')], 'text/csv');
}

function showTrace(sizes) {
  const { sample, trace, next, description, frame } = page;
  if (!sample || !trace) {
    traceView.root.hidden = true;
    return;
  }
  const fits = page.unit && page.unit.layer < sizes.length && page.unit.index < sizes[page.unit.layer];
  if (!fits) page.unit = { layer: sizes.length - 1, index: description.outputs > 1 ? trace.answer : 0 };
  const { setting } = description;
  // Between a change of the network and its first numbers.
  if (trace.layers.length !== setting.model.hidden.length || trace.logits.length !== description.outputs) return;
  const count = description.arrays[`${sample.part}.answers`].length;
  traceView.update({ sample, count, trace, next, graph: page.graph, weights: frame.arrays, sizes, setting, classes: description.classes, unit: page.unit, weight: page.weight });
}

/** The map of the unit that is pointed at, in place of the decision map. */
function cover(sizes) {
  const { hoveredUnit, frame } = page;
  const units = frame.arrays.units;
  if (!hoveredUnit || !units || hoveredUnit.layer === 0) return null;
  const before = sizes.slice(1, hoveredUnit.layer).reduce((sum, count) => sum + count, 0);
  return network.sheet(before + hoveredUnit.index, units, UNIT_CELLS);
}

function labels(sizes) {
  const { setting, classes, outputs, inputs } = page.description;
  const x = ['x₁', 'x₂'];
  if (setting.data.source === 'table') {
    const { columns } = setting.data;
    if (columns.length) x.splice(0, 2, '', '');
  }
  const first = inputs === 2 ? x : [t('pixels')];
  const last = !classes || outputs === 1 ? [''] : classes;
  return [first, ...sizes.slice(1, -1).map(() => []), last];
}

// ---- The page's own things ----

function choose(sample) {
  page.sample = sample;
  page.trace = null;
  followed = 0;
  refresh();
}

function chooseUnit(layer, index, weight = 0) {
  if (layer === 0) return;
  if (!page.sample) {
    // A unit's numbers are those of some sample.
    page.sample = { part: 'train', index: 0 };
    followed = 0;
    refresh();
  }
  page.unit = { layer, index };
  page.weight = weight;
  if (page.trace) draw();
}

/** Points placed by hand: one is added, moved or removed. */
function edit({ add, move, remove, x, y }) {
  const setting = structuredClone(page.wanted ?? page.description.setting);
  const { points } = setting.data;
  if (add) points.push([round(add[0]), round(add[1]), add[2]]);
  if (move !== undefined && points[move]) points[move].splice(0, 2, round(x), round(y));
  if (remove !== undefined) points.splice(remove, 1);
  change(setting);
}

function showTools(setting) {
  const root = $('.tools');
  const drawn = setting.data.source === 'points';
  if (!drawn) page.tool = null;
  else page.tool ??= 0;
  map.tool = page.tool;
  $('.map').classList.toggle('drawing', page.tool !== null);
  const key = JSON.stringify([drawn, page.tool, page.description.classes, document.documentElement.lang, isDark()]);
  if (root.dataset.key === key) return;
  root.dataset.key = key;
  root.replaceChildren();
  const button = (text, pressed, work, label) => {
    const made = document.createElement('button');
    made.type = 'button';
    made.textContent = text;
    if (pressed !== null) made.setAttribute('aria-pressed', pressed);
    if (label) made.setAttribute('aria-label', label);
    made.addEventListener('click', work);
    root.append(made);
    return made;
  };
  if (!drawn) {
    if (isFlat() && !isOfValues() && setting.data.source !== 'table') button(t('edit'), null, () => chooseSource('points'));
    return;
  }
  const tool = (next) => () => {
    page.tool = next;
    showTools(page.description.setting);
  };
  const classes = Math.min(10, Math.max(2, page.description.classes.length) + 1);
  for (let index = 0; index < classes; index++) {
    const made = button('', page.tool === index, tool(index), t('draw_class', index));
    const canvas = document.createElement('canvas');
    made.append(canvas);
    const { context } = fit(canvas);
    mark(context, index, 8, 8, 5);
    context.fillStyle = classColor(index);
    context.fill();
  }
  button(t('erase'), page.tool === 'erase', tool('erase'));
  button(t('clear'), null, () => {
    const next = structuredClone(page.wanted ?? page.description.setting);
    next.data.points = [];
    change(next);
  });
  button(t('look'), page.tool === null, () => {
    page.tool = null;
    map.tool = null;
    $('.map').classList.remove('drawing');
    root.dataset.key = '';
    for (const other of root.children) other.setAttribute('aria-pressed', other.textContent === t('look'));
  });
}

async function openTable(file) {
  const text = await file.text();
  if (text.length > 2 << 20) {
    say(t('too_long'));
    return;
  }
  page.file = file.name;
  const next = structuredClone(page.wanted ?? page.description.setting);
  Object.assign(next.data, { source: 'table', table: text.trimEnd() + '\n', target: '', columns: [] });
  suit(next);
  change(next);
}

function wireTable() {
  const alter = (changes) => {
    const next = structuredClone(page.wanted ?? page.description.setting);
    Object.assign(next.data, changes);
    change(next);
  };
  $('#table').addEventListener('change', ({ target }) => alter({ table: target.value, target: TABLES[target.value], columns: [] }));
  $('#target').addEventListener('change', ({ target }) => alter({ target: target.value, columns: [] }));
  const columns = () => {
    const [x, y] = [$('#column-x').value, $('#column-y').value];
    if (!x) return alter({ columns: [] });
    const other = y && y !== x ? y : page.description.numeric.find((name) => name !== x);
    return other ? alter({ columns: [x, other] }) : undefined;
  };
  $('#column-x').addEventListener('change', columns);
  $('#column-y').addEventListener('change', columns);
  $('#load').addEventListener('click', () => $('#file').click());
  $('#file').addEventListener('change', ({ target }) => {
    if (target.files[0]) openTable(target.files[0]);
    target.value = '';
  });
  const isFile = (event) => event.dataTransfer?.types.includes('Files');
  addEventListener('dragover', (event) => {
    if (!isFile(event)) return;
    event.preventDefault();
    document.body.classList.add('dropping');
  });
  addEventListener('dragleave', (event) => {
    if (!event.relatedTarget) document.body.classList.remove('dropping');
  });
  addEventListener('drop', (event) => {
    document.body.classList.remove('dropping');
    if (!isFile(event)) return;
    event.preventDefault();
    openTable(event.dataTransfer.files[0]);
  });
}

async function showProgram() {
  const reply = await ask({ do: 'rust' });
  if (!reply?.program) return;
  $('#program pre').textContent = reply.program;
  $('#program').showModal();
}

/** What a weight is and how it has gone, beside the pointer. */
async function showWeight(weight) {
  const tip = $('.tip');
  page.hoveredWeight = weight;
  if (!weight) {
    tip.hidden = true;
    return;
  }
  const { layer, from, to, x, y, value } = weight;
  const name = `layers.${layer}.weight`;
  const width = network.view.sizes[layer + 1];
  const index = from * width + to;
  const list = document.createElement('dl');
  const row = (term, number) => {
    const [dt, dd] = [document.createElement('dt'), document.createElement('dd')];
    dt.textContent = term;
    dd.textContent = six(number);
    list.append(dt, dd);
  };
  row(t('weight'), value);
  const canvas = document.createElement('canvas');
  tip.replaceChildren(list, canvas);
  tip.hidden = false;
  const box = $('.stage');
  tip.style.left = `${Math.max(0, Math.min(x + 16, box.clientWidth - 220))}px`;
  tip.style.top = `${Math.max(0, Math.min(y + 44, box.clientHeight - 130))}px`;
  const history = await carrier.send({ do: 'history', name, index });
  const next = await carrier.send({ do: 'next' });
  if (page.hoveredWeight !== weight || history.error) return;
  if (!next.error) {
    row(t('gradient'), next.arrays[`batch.${name}`]?.[index]);
    for (const what of next.remembered) {
      const kept = next.arrays[`before.${name}.${what}`];
      if (what !== 'step' && kept) row(what, kept[index]);
    }
  }
  sparkline(canvas, [history.arrays['history.values'], history.arrays['history.gradients']]);
}

/** How some numbers have gone, each on its own scale. */
function sparkline(canvas, series) {
  const { context, width, height } = fit(canvas);
  series.forEach((values, which) => {
    const known = [...values].filter(Number.isFinite);
    const [low, high] = [Math.min(...known), Math.max(...known)];
    context.strokeStyle = which === 0 ? variable('--ink') : classColor(1);
    context.globalAlpha = which === 0 ? 1 : 0.7;
    context.lineWidth = 1.3;
    context.beginPath();
    let pen = false;
    values.forEach((value, at) => {
      if (!Number.isFinite(value)) return;
      const u = 2 + ((width - 4) * at) / Math.max(1, values.length - 1);
      const v = height - 3 - ((height - 6) * (value - low)) / (high - low || 1);
      if (pen) context.lineTo(u, v);
      else context.moveTo(u, v);
      pen = true;
    });
    context.stroke();
  });
}

/** The tables that are always there, and what they are about. */
const TABLES = { penguins: 'species', iris: 'species', wine: 'cultivar' };
const SOURCES = ['moons', 'circles', 'spirals', 'xor', 'blobs', 'plane', 'hills', 'points', 'table', 'digits'];

function buildSources() {
  const root = $('.sources');
  for (const name of SOURCES) {
    const button = document.createElement('button');
    button.type = 'button';
    button.value = name;
    button.setAttribute('role', 'radio');
    button.dataset.label = name;
    button.append(document.createElement('canvas'));
    button.addEventListener('click', () => chooseSource(name));
    root.append(button);
  }
  root.addEventListener('keydown', (event) => {
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    const buttons = [...root.children];
    const next = buttons[(buttons.indexOf(document.activeElement) + by + buttons.length) % buttons.length];
    next.focus();
    next.click();
  });
}

/** A sketch of what a source looks like. */
function sketch(name, canvas) {
  const { context, width, height } = fit(canvas);
  const dot = (x, y, c, r = 1.5) => {
    context.fillStyle = typeof c === 'string' ? c : classColor(c);
    context.beginPath();
    context.arc(width / 2 + x * width * 0.4, height / 2 - y * height * 0.4, r, 0, 7);
    context.fill();
  };
  const each = (n, f) => Array.from({ length: n }, (_, i) => f(i / n, i));
  const { PI, sin, cos, sqrt } = Math;
  if (name === 'moons') each(12, (u) => [dot(cos(u * PI) * 0.66 - 0.3, sin(u * PI) * 0.8 - 0.2, 0), dot(0.3 - cos(u * PI) * 0.66, 0.2 - sin(u * PI) * 0.8, 1)]);
  if (name === 'circles') each(14, (u) => [dot(cos(u * 2 * PI), sin(u * 2 * PI), 0), dot(0.45 * cos(u * 2 * PI), 0.45 * sin(u * 2 * PI), 1)]);
  if (name === 'spirals') each(12, (u) => [0, 1, 2].map((c) => dot(sqrt(u) * cos(6 * sqrt(u) + c * 2.094), sqrt(u) * sin(6 * sqrt(u) + c * 2.094), c)));
  if (name === 'xor') each(16, (_, i) => dot(((i % 4) - 1.5) / 1.6, (Math.floor(i / 4) - 1.5) / 1.6, (i % 4 < 2) === i < 8 ? 0 : 1));
  if (name === 'blobs') each(3, (u, c) => each(6, (v) => dot(0.6 * cos(u * 2 * PI) + 0.25 * cos(v * 6.3), 0.6 * sin(u * 2 * PI) + 0.25 * sin(v * 6.3), c)));
  if (name === 'plane' || name === 'hills') {
    each(49, (_, i) => {
      const [x, y] = [((i % 7) - 3) / 3.2, (Math.floor(i / 7) - 3) / 3.2];
      const bump = (a, b) => Math.exp(-(a * a + b * b) / 0.2);
      const v = name === 'plane' ? (x + y) / 2 : bump(x + 0.45, y + 0.45) - bump(x - 0.45, y - 0.45);
      context.globalAlpha = Math.min(1, 0.12 + Math.abs(v));
      dot(x, y, signColor(v), 2);
    });
    context.globalAlpha = 1;
  }
  if (name === 'points') {
    context.strokeStyle = variable('--soft');
    context.lineWidth = 1.5;
    context.beginPath();
    context.moveTo(width * 0.28, height * 0.74);
    context.lineTo(width * 0.66, height * 0.3);
    context.stroke();
    dot(-0.6, -0.7, 0, 2);
    dot(0.5, -0.5, 1, 2);
  }
  if (name === 'table') {
    context.strokeStyle = variable('--soft');
    context.strokeRect(width * 0.2, height * 0.25, width * 0.6, height * 0.5);
    for (const y of [0.42, 0.58]) context.strokeRect(width * 0.2, height * y, width * 0.6, 0);
    context.strokeRect(width * 0.4, height * 0.25, 0, height * 0.5);
  }
  if (name === 'digits') {
    context.fillStyle = variable('--soft');
    context.font = `600 ${height * 0.6}px ${variable('--sans')}`;
    context.textAlign = 'center';
    context.textBaseline = 'middle';
    context.fillText('5', width / 2, height / 2 + 1);
  }
}

function chooseSource(source) {
  const next = structuredClone(page.wanted ?? page.description.setting);
  next.data.source = source;
  if (source === 'points' && next.data.points.length === 0) {
    // What there is, to go on from.
    const points = page.description.arrays['train.points'];
    const answers = page.description.arrays['train.answers'];
    if (page.description.classes && points && page.description.setting.data.source !== 'table') {
      next.data.points = [...answers].map((answer, index) => [round(points[2 * index]), round(points[2 * index + 1]), answer]);
    }
  }
  if (source === 'table' && !next.data.table) Object.assign(next.data, { table: 'penguins', target: TABLES.penguins });
  suit(next);
  change(next);
}

const round = (x) => Number(x.toFixed(3));

/** A loss that suits the data. */
function suit(setting) {
  const values = ['plane', 'hills'].includes(setting.data.source);
  const kinds = values ? LOSSES.values : LOSSES.classes.slice(0, 1).concat(LOSSES.classes.slice(2));
  const two = ['moons', 'circles', 'xor'].includes(setting.data.source);
  if (!kinds.includes(setting.loss.kind) && !(two && setting.loss.kind === 'binary')) setting.loss.kind = kinds[0];
}

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  redraw();
}

function redraw() {
  for (const button of document.querySelectorAll('.sources button')) sketch(button.value, button.firstChild);
  if (!page.description) return;
  showSetting(page.description.setting);
  draw();
}

function wire() {
  $('#run').addEventListener('click', () => run(!page.running));
  $('#step').addEventListener('click', () => advance(1));
  $('#epoch').addEventListener('click', () => {
    run(false);
    command({ do: 'epoch' });
  });
  $('#back').addEventListener('click', () => seek((seeking ?? page.frame.step) - 1));
  $('#rewind').addEventListener('click', () => seek(0));
  $('#time').addEventListener('input', (event) => seek(Number(event.target.value)));
  $('#speed').replaceChildren(...SPEEDS.map((speed) => new Option('', speed)));
  $('#speed').value = page.speed;
  $('#speed').addEventListener('change', (event) => (page.speed = Number(event.target.value)));
  const layers = (next) => {
    const setting = structuredClone(page.wanted ?? page.description.setting);
    setting.model.hidden = next(setting.model.hidden);
    change(setting);
  };
  $('#fewer').addEventListener('click', () => layers((hidden) => hidden.slice(0, -1)));
  $('#more').addEventListener('click', () => layers((hidden) => [...hidden, hidden.at(-1) ?? 4]));
  $('#again').addEventListener('click', () => {
    const setting = structuredClone(page.wanted ?? page.description.setting);
    setting.model.seed += 1;
    change(setting);
  });
  $('#show-test').addEventListener('change', (event) => {
    page.showTest = event.target.checked;
    draw();
  });
  $('#theme').addEventListener('click', () => {
    const theme = isDark() ? 'light' : 'dark';
    remembered.set('theme', theme);
    setTheme(theme);
  });
  $('#language').addEventListener('click', () => {
    const code = document.documentElement.lang === 'zh' ? 'en' : 'zh';
    remembered.set('language', code);
    speak(code);
  });
  $('#share').addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(location.href);
      toast(t('copied'));
    } catch {
      prompt(t('share'), location.href);
    }
  });
  $('#rust').addEventListener('click', showProgram);
  $('#missions').addEventListener('click', listMissions);
  $('#mission button').addEventListener('click', () => {
    startMission(null);
    showSetting(page.description.setting);
  });
  $('#compare').addEventListener('click', async () => {
    run(false);
    await ask({ do: page.comparing ? 'part' : 'keep' });
    if (!page.comparing) {
      await ask({ do: 'seek', step: 0 });
      toast(t('compare_hint'));
    }
    refresh();
  });
  $('#save-weights').addEventListener('click', saveWeights);
  $('#save-record').addEventListener('click', saveRecord);
  $('#save-picture').addEventListener('click', () => $('#map').toBlob((blob) => save(`step-${page.frame.step}.png`, [blob], 'image/png')));
  $('#copy').addEventListener('click', async () => {
    await navigator.clipboard.writeText($('#program pre').textContent);
    toast(t('program_copied'));
  });
  wireTable();
  addEventListener('hashchange', () => {
    page.mission = missionOf(location.hash);
    page.reached = false;
    change(fromHash(location.hash, page.start));
  });
  document.addEventListener('keydown', (event) => {
    if (event.target.closest('input, select, textarea, button, summary, dialog, canvas[tabindex]') || event.ctrlKey || event.metaKey || event.altKey) return;
    const work = {
      ' ': () => run(!page.running),
      ArrowRight: () => advance(1),
      ArrowLeft: () => seek((seeking ?? page.frame.step) - 1),
      Home: () => seek(0),
      End: () => seek(page.frame.end),
    }[event.key];
    if (!work) return;
    event.preventDefault();
    work();
  });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', ({ matches }) => {
    if (!remembered.get('theme')) setTheme(matches ? 'dark' : 'light');
  });
}

async function advance(steps) {
  run(false);
  await ask({ do: 'advance', steps });
  refresh();
}

function speak(code) {
  setLanguage(code);
  translate();
  $('#compare').title = t('compare_hint');
  for (const option of $('#speed').options) option.textContent = option.value === 'Infinity' ? t('fastest') : Number(option.value).toLocaleString();
  showRunning();
  redraw();
}

async function begin() {
  carrier = await openCarrier();
  buildSources();
  controls = new Controls({ data: $('#data'), model: $('#model'), loss: $('#loss'), optimizer: $('#optimizer') }, change);
  map = new DecisionMap($('#map'), { choose, edit });
  keptMap = new DecisionMap($('#kept canvas'), { choose, edit: () => {} });
  digits = new Digits($('#digits'), {
    choose,
    classify: async (pixels) => (page.description?.setting.data.source === 'digits' ? (await carrier.send({ do: 'classify', pixels })).said : null),
  });
  traceView = new TraceView($('#numbers'), {
    choose,
    chooseUnit,
    chooseWeight: (weight) => {
      page.weight = weight;
      draw();
    },
    close: () => choose(null),
    unfold: () => {
      followed = 0;
      refresh();
    },
  });
  network = new NetworkView($('.stage'), {
    change: (hidden) => {
      const setting = structuredClone(page.wanted ?? page.description.setting);
      setting.model.hidden = hidden;
      change(setting);
    },
    chooseUnit,
    hoverUnit: (layer, index) => {
      page.hoveredUnit = layer === null ? null : { layer, index };
      if (page.frame.step !== undefined) draw();
    },
    hoverWeight: showWeight,
  });
  const before = (name) => (data) => ({ values: data.kept?.[`kept.curve.${name}`], steps: data.kept?.['kept.curve.step'], label: t('before'), color: variable('--soft'), faint: true });
  const line = (name, label, dashed) => (data) => ({ values: data.arrays[`curve.${name}`], label: t(label), dashed, color: dashed ? classColor(1) : classColor(0) });
  const lines = (...given) => (data) => given.map((make) => make(data));
  const layers = (name) => (data) => Array.from({ length: data.layers }, (_, layer) => ({ values: data.arrays[`curve.${name}.${layer}`], label: t('layer', layer + 1), color: classColor(layer) }));
  curves = [
    new Curves($('#loss-curve'), { lines: lines(before('train_loss'), line('train_loss', 'train'), line('test_loss', 'tested', true)), logarithmic: true, seek }),
    new Curves($('#accuracy-curve'), { lines: lines(before('train_accuracy'), line('train_accuracy', 'train'), line('test_accuracy', 'tested', true)), range: [0, 1.02], seek }),
    new Curves($('#rate-curve'), { lines: lines(line('learning_rate', 'learning_rate')), seek }),
    new Curves($('#gradient-curve'), { lines: layers('gradients'), logarithmic: true, seek }),
    new Curves($('#update-curve'), { lines: layers('updates'), logarithmic: true, seek }),
  ];
  wire();
  setTheme(remembered.get('theme') ?? (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light'));

  // The session that this tab had, if it is still there.
  page.description = await carrier.send({ do: 'describe' }, { begin: true });
  page.frame.revision = page.description.revision;
  page.start = (await carrier.send({ do: 'defaults' })).setting;
  page.mission = missionOf(location.hash);
  const given = await carrier.start();
  const asked = location.hash.length > 1 ? fromHash(location.hash, page.start) : page.description.step > 0 ? null : given;
  speak(remembered.get('language') ?? navigator.language ?? 'en');
  if (asked && JSON.stringify(asked) !== JSON.stringify(page.description.setting)) {
    await ask({ do: 'set', setting: asked });
    await describe();
  }
  live();
}

begin();
