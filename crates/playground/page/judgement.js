// Which classes are taken for which, and whether the network is as sure as it should be.

import { classColor, fit, variable } from './colors.js';
import { $, percent } from './dom.js';
import { page } from './state.js';
import { t } from './texts.js';

export function showJudgement() {
  const { arrays } = page.frame;
  const { classes } = page.description;
  $('#calibration').hidden = $('#confusion').hidden = !classes;
  // Points that were kept for testing tell more than those that were learned.
  const part = arrays['test.confusion'] ? 'test' : 'train';
  const counts = arrays[`${part}.confusion`];
  if (!classes || counts?.length !== classes.length ** 2) return;
  const name = t(part === 'test' ? 'tested' : 'train');
  $('#confusion .soft').textContent = name;
  showConfusion(counts, classes);
  const gap = showCalibration(arrays[`${part}.calibration`]);
  $('#calibration .soft').textContent = `${name} · ${t('gap', percent(gap))}`;
}

function cell(tag, text) {
  const made = document.createElement(tag);
  made.textContent = text;
  return made;
}

/** A row for each class, a column for each that it is taken for. */
function showConfusion(counts, classes) {
  const head = document.createElement('tr');
  head.append(cell('td', ''), ...classes.map((name) => cell('th', name)));
  const rows = classes.map((name, truth) => {
    const row = document.createElement('tr');
    row.append(cell('th', name));
    const own = [...counts.subarray(truth * classes.length, (truth + 1) * classes.length)];
    const all = own.reduce((sum, count) => sum + count, 0);
    own.forEach((count, named) => {
      const made = cell('td', String(count));
      const color = classColor(named === truth ? 0 : 1);
      made.style.background = `color-mix(in srgb, ${color} ${Math.round((55 * count) / (all || 1))}%, transparent)`;
      made.title = t('confused', name, classes[named], count, percent(count / all));
      row.append(made);
    });
    return row;
  });
  $('#confusion table').replaceChildren(head, ...rows);
}

/**
 * Of bins by confidence, how often they are right: a calibrated network is on the diagonal.
 * Returns how far from it the points are in the mean.
 */
function showCalibration(bins) {
  let points = 0;
  for (let at = 2; at < bins.length; at += 3) points += bins[at];
  let gap = 0;
  const canvas = $('#calibration canvas');
  const { context, width, height } = fit(canvas);
  const box = { left: 40, right: width - 8, top: 8, bottom: height - 22 };
  const x = (value) => box.left + (box.right - box.left) * value;
  const y = (value) => box.bottom - (box.bottom - box.top) * value;
  context.font = `11px ${variable('--sans')}`;
  context.fillStyle = variable('--soft');
  context.strokeStyle = variable('--rule');
  context.textBaseline = 'middle';
  for (const value of [0, 0.5, 1]) {
    context.strokeRect(box.left, y(value), box.right - box.left, 0);
    context.textAlign = 'right';
    context.fillText(`${100 * value} %`, box.left - 4, y(value));
  }
  context.textAlign = 'left';
  context.fillText(t('how_sure'), box.left, height - 8);
  context.textAlign = 'right';
  context.fillText('100 %', box.right, height - 8);
  context.strokeStyle = variable('--line');
  context.setLineDash([4, 3]);
  context.beginPath();
  context.moveTo(x(0), y(0));
  context.lineTo(x(1), y(1));
  context.stroke();
  context.setLineDash([]);
  for (let at = 0; at < bins.length; at += 3) {
    const [confidence, right, count] = bins.subarray(at, at + 3);
    if (!count) continue;
    gap += (count * Math.abs(confidence - right)) / points;
    const [u, v] = [x(confidence), y(right)];
    // From where it should be to where it is.
    context.strokeStyle = classColor(1);
    context.lineWidth = 3;
    context.beginPath();
    context.moveTo(u, y(confidence));
    context.lineTo(u, v);
    context.stroke();
    context.lineWidth = 1;
    context.fillStyle = classColor(0);
    context.beginPath();
    context.arc(u, v, 2.5 + 7 * Math.sqrt(count / points), 0, 2 * Math.PI);
    context.fill();
  }
  return gap;
}
