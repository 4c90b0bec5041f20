// What the session last said, in its places.

import { classColor, fit, mark, signColor } from './colors.js';
import { $, percent, say } from './dom.js';
import { showJudgement } from './judgement.js';
import { difference } from './map.js';
import { showMission } from './mission.js';
import { short } from './numbers.js';
import { TABLES, showTools } from './points.js';
import { lookAgain, seek, seeking } from './session.js';
import { toHash } from './share.js';
import { isFlat, isOfValues, page, parts } from './state.js';
import { t } from './texts.js';

export function choose(sample) {
  page.sample = sample;
  page.trace = null;
  lookAgain();
}

export function chooseUnit(layer, index, weight = 0) {
  if (layer === 0) return;
  if (!page.sample) {
    // A unit's numbers are those of some sample.
    page.sample = { part: 'train', index: 0 };
    lookAgain();
  }
  page.unit = { layer, index };
  page.weight = weight;
  if (page.trace) draw();
}

export function showSetting(setting) {
  const { description } = page;
  parts.controls.update(setting, description);
  for (const button of document.querySelectorAll('.sources button')) {
    button.setAttribute('aria-checked', button.value === setting.data.source);
    button.tabIndex = button.value === setting.data.source ? 0 : -1;
  }
  const hidden = setting.model.hidden;
  $('#layers').textContent = t('hidden_layers', hidden.length);
  $('#fewer').disabled = hidden.length < 1;
  $('#more').disabled = hidden.length >= 8;
  if (!isFlat()) parts.map.update(null);
  $('#parameters').textContent = t('parameters', description.parameters.toLocaleString());
  $('#accuracy-name').textContent = t(isOfValues() ? 'fit_curve' : 'accuracy_curve');
  showTable(setting, description);
  showLegend();
  $('#save-picture').hidden = !isFlat();
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

/** Writes what is not written already. */
function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function score(at, name, first, second) {
  const row = $('#scores').children[at];
  put(row.querySelector('dt'), name);
  put(row.querySelector('b'), first);
  put(row.querySelector('small'), second);
}

/** The words and numbers of a picture. */
function write() {
  const { frame, description } = page;
  const { step, end } = frame;
  const time = $('#time');
  time.max = end;
  if (document.activeElement !== time || seeking === null) time.value = step;
  const [before, after] = t('step_count', '\u0000').split('\u0000');
  time.setAttribute('aria-valuetext', `${before}${step}${after}`);
  const [first, bold, last] = $('#steps').children;
  put(first, before);
  put(bold, step.toLocaleString());
  put(last, `${after} · ${t('epoch_count', frame.epochs.toFixed(frame.epochs < 100 ? 1 : 0))}`);
  $('#back').disabled = $('#rewind').disabled = step === 0;

  const hasTest = description.arrays['test.answers'].length > 0;
  const rate = isOfValues() ? short : percent;
  const two = (text) => (hasTest ? `${t('tested')} ${text}` : '');
  score(0, t('loss'), short(frame.train_loss, 4), two(short(frame.test_loss, 4)));
  score(1, t(isOfValues() ? 'fit_curve' : 'accuracy_curve'), rate(frame.train_accuracy), two(rate(frame.test_accuracy)));
  $('.under .check').hidden = !hasTest || !isFlat();
  $('.legend').hidden = description.inputs !== 2;
}

const view = (part) => {
  const { arrays } = page.description;
  return { points: arrays[`${part}.points`], answers: arrays[`${part}.answers`] };
};

let drawnRecord = null;

/** The pictures, before the words: what is written makes the browser lay the page out anew. */
export function draw() {
  const { frame, description } = page;
  if (!description || frame.step === undefined) return;
  const { setting } = description;
  const { arrays, step, end } = frame;
  const hasTest = description.arrays['test.answers'].length > 0;
  const outputs = description.classes?.length ?? 1;
  const sizes = [description.inputs, ...setting.model.hidden, description.outputs];
  parts.network.update({
    sizes,
    inputs: description.inputs,
    hidden: setting.model.hidden,
    labels: labels(sizes),
    outputColors: description.classes && description.outputs > 1 ? description.classes.map((_, index) => classColor(index)) : null,
    weights: arrays,
    units: arrays.units,
    unitCells: Math.sqrt((arrays.units?.length ?? 0) / sizes.slice(1).reduce((sum, count) => sum + count, 0)),
    running: page.running,
    sample: page.sample ? page.trace?.units : null,
    chosen: page.sample ? page.unit : null,
  });
  if (isFlat()) {
    parts.map.update({
      map: arrays.map,
      line: arrays['map.line'],
      outputs,
      values: isOfValues(),
      extent: description.extent,
      train: view('train'),
      test: view('test'),
      showTest: page.showTest && hasTest,
      sample: page.sample,
      running: page.running,
      cover: cover(sizes),
    });
  }
  // While it runs the record comes less often than pictures do.
  if (page.record && (page.record !== drawnRecord || !page.running)) {
    drawnRecord = page.record;
    const { arrays, changes } = page.record;
    const kept = arrays['kept.curve.step'] ? arrays : null;
    const record = { step, end, changes, steps: arrays['curve.step'], arrays, layers: sizes.length - 1, kept };
    for (const curve of parts.curves) curve.update(record);
    showJudgement();
  }
  showTrace(sizes);
  showKept();
  showDigits();
  showMission();
  write();
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
  const before = t('kept', short(kept.train_loss, 4), (isOfValues() ? short : percent)(kept.train_accuracy));
  const apart = difference(arrays.map, arrays['kept.map'], kept.outputs);
  figure.querySelector('figcaption').textContent = before + (apart === null ? '' : ` · ${t('maps_differ', percent(apart))}`);
  const { description } = page;
  parts.keptMap.update({ map: arrays['kept.map'], line: arrays['kept.map.line'], outputs: kept.outputs, values: isOfValues(), extent: description.extent, train: view('train'), test: view('test'), showTest: false, sample: page.sample, cover: null });
}

function showDigits() {
  const root = $('#digits');
  const { description, frame } = page;
  root.hidden = description.setting.data.source !== 'digits';
  if (root.hidden) return;
  if (frame.arrays.worst) parts.digits.update({ worst: frame.arrays.worst, images: description.arrays['test.images'], answers: description.arrays['test.answers'] });
  if (parts.digits.step !== frame.step) parts.digits.read();
  parts.digits.step = frame.step;
}

function showTrace(sizes) {
  const { sample, trace, next, description, frame } = page;
  if (!sample || !trace) {
    parts.traceView.root.hidden = true;
    return;
  }
  const fits = page.unit && page.unit.layer < sizes.length && page.unit.index < sizes[page.unit.layer];
  if (!fits) page.unit = { layer: sizes.length - 1, index: description.outputs > 1 ? trace.answer : 0 };
  const { setting } = description;
  // Between a change of the network and its first numbers.
  if (trace.layers.length !== setting.model.hidden.length || trace.logits.length !== description.outputs) return;
  const count = description.arrays[`${sample.part}.answers`].length;
  parts.traceView.update({ sample, count, trace, next, graph: page.graph, weights: frame.arrays, sizes, setting, classes: description.classes, unit: page.unit, weight: page.weight });
}

/** The map of the unit that is pointed at, in place of the decision map. */
function cover(sizes) {
  const { hoveredUnit, frame } = page;
  const units = frame.arrays.units;
  if (!hoveredUnit || !units || hoveredUnit.layer === 0) return null;
  const before = sizes.slice(1, hoveredUnit.layer).reduce((sum, count) => sum + count, 0);
  return (context, width, height) => parts.network.drawUnit(context, before + hoveredUnit.index, 0, 0, width, height);
}

function labels(sizes) {
  const { setting, classes, outputs, inputs } = page.description;
  const x = ['x₁', 'x₂'];
  if (setting.data.source === 'table') {
    const { columns } = setting.data;
    if (columns.length) x.splice(0, 2, '', '');
  }
  const first = inputs <= 2 ? x.slice(0, inputs) : [t('pixels')];
  const last = !classes || outputs === 1 ? [''] : classes;
  return [first, ...sizes.slice(1, -1).map(() => []), last];
}
