// What a weight is, beside the pointer.

import { classColor, fit } from './colors.js';
import { $ } from './dom.js';
import { six } from './numbers.js';
import { inquire } from './session.js';
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
  const row = (term, number, values) => {
    const [dt, dd, curve] = ['dt', 'dd', 'canvas'].map((tag) => document.createElement(tag));
    dt.textContent = t(term);
    dd.textContent = six(number);
    list.append(dt, dd, curve);
    if (values) sparkline(curve, values);
  };
  tip.replaceChildren(list);
  tip.hidden = false;
  row('weight', value);
  const place = () => {
    const box = $('.stage');
    tip.style.left = `${Math.max(0, Math.min(x + 16, box.clientWidth - tip.offsetWidth - 4))}px`;
    tip.style.top = `${Math.max(0, Math.min(y + 44, box.clientHeight - tip.offsetHeight - 4))}px`;
  };
  place();
  const history = await inquire({ do: 'history', name, index });
  const next = await inquire({ do: 'next' });
  if (page.hoveredWeight !== weight || !next || !history || history.error) return;
  const gone = history.arrays;
  list.replaceChildren();
  row('weight', value, gone['history.value']);
  if (!next.error) {
    row('gradient', next.arrays[`batch.${name}`]?.[index], gone['history.gradient']);
    for (const what of next.remembered) {
      const kept = next.arrays[`before.${name}.${what}`];
      if (what !== 'step' && what !== 'gradient' && kept?.length > index) row(what, kept[index], gone[`history.${what}`]);
    }
  }
  place();
}

/** How some numbers have gone. */
function sparkline(canvas, values) {
  const { context, width, height } = fit(canvas);
  const known = values.filter(Number.isFinite);
  const low = known.reduce((a, b) => Math.min(a, b), Infinity);
  const high = known.reduce((a, b) => Math.max(a, b), -Infinity);
  context.strokeStyle = classColor(0);
  context.lineWidth = 1.3;
  context.beginPath();
  let pen = false;
  values.forEach((value, at) => {
    if (!Number.isFinite(value)) {
      pen = false;
      return;
    }
    const u = 2 + ((width - 4) * at) / Math.max(1, values.length - 1);
    const v = height - 2 - ((height - 4) * (value - low)) / (high - low || 1);
    if (pen) context.lineTo(u, v);
    else context.moveTo(u, v);
    pen = true;
  });
  context.stroke();
}
