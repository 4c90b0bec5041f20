// What a weight is, beside the pointer.

import { classColor, fit, variable } from './colors.js';
import { $ } from './dom.js';
import { six } from './numbers.js';
import { page, parts } from './state.js';
import { t } from './texts.js';

/** What a weight is and how it has gone, beside the pointer. */
export async function showWeight(weight) {
  const tip = $('.tip');
  page.hoveredWeight = weight;
  if (!weight) {
    tip.hidden = true;
    return;
  }
  const { layer, from, to, x, y, value } = weight;
  const name = `layers.${layer}.weight`;
  const width = parts.network.view.sizes[layer + 1];
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
  const history = await parts.carrier.send({ do: 'history', name, index });
  const next = await parts.carrier.send({ do: 'next' });
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
