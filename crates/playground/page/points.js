// Choosing, drawing and opening points.

import { classColor, fit, isDark, mark, signColor, variable } from './colors.js';
import { LOSSES } from './controls.js';
import { $, say } from './dom.js';
import { change } from './session.js';
import { VALUES, isFlat, isOfValues, page, parts } from './state.js';
import { t } from './texts.js';

/** The tables that are always there, and what they are about. */
export const TABLES = { penguins: 'species', iris: 'species', wine: 'cultivar' };

const SOURCES = ['moons', 'circles', 'spirals', 'xor', 'blobs', 'wave', 'plane', 'hills', 'points', 'table', 'digits'];

const round = (x) => Number(x.toFixed(3));

/** A loss that suits the data. */
function suit(setting) {
  const kinds = VALUES.includes(setting.data.source) ? LOSSES.values : LOSSES.classes.slice(0, 1).concat(LOSSES.classes.slice(2));
  const two = ['moons', 'circles', 'xor'].includes(setting.data.source);
  if (!kinds.includes(setting.loss.kind) && !(two && setting.loss.kind === 'binary')) setting.loss.kind = kinds[0];
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

/** Points placed by hand: one is added, moved or removed. */
export function edit({ add, move, remove, x, y }) {
  const setting = structuredClone(page.wanted ?? page.description.setting);
  const { points } = setting.data;
  if (add) points.push([round(add[0]), round(add[1]), add[2]]);
  if (move !== undefined && points[move]) points[move].splice(0, 2, round(x), round(y));
  if (remove !== undefined) points.splice(remove, 1);
  change(setting);
}

export function showTools(setting) {
  const root = $('.tools');
  const drawn = setting.data.source === 'points';
  if (!drawn) page.tool = null;
  else page.tool ??= 0;
  parts.map.tool = page.tool;
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
    parts.map.tool = null;
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

export function wireTable() {
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

export function buildSources() {
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
export function sketch(name, canvas) {
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
  if (name === 'wave') each(22, (u) => dot(2 * u - 0.95, 0.75 * sin(2 * PI * (2 * u - 0.95)), 0, 1.3));
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
