(() => {
'use strict';
const all = (selector, root = document) => [...root.querySelectorAll(selector)];

// An axis as functions from a fraction of its length to a value, and back.
const axis = text => {
  const [start, end, kind] = text.split(' ');
  const [a, b] = kind === 'log' ? [Math.log(start), Math.log(end)] : [+start, +end];
  return {
    value: f => kind === 'log' ? Math.exp(a + f * (b - a)) : a + f * (b - a),
    fraction: v => ((kind === 'log' ? Math.log(v) : v) - a) / (b - a),
  };
};
const short = v => {
  const size = Math.abs(v);
  return v === 0 || (size >= 1e-3 && size < 1e5) ? String(+v.toPrecision(3)) : v.toExponential(2);
};

const charts = all('g[data-frame]').map(group => {
  const [left, top, width, height] = group.dataset.frame.split(' ').map(Number);
  const lines = all('[data-name]', group).map(line => ({
    line, name: line.dataset.name,
    points: line.getAttribute('points').split(' ').map(point => point.split(',').map(Number)),
  }));
  return { group, svg: group.ownerSVGElement, left, top, width, height, lines,
    x: axis(group.dataset.x), y: axis(group.dataset.y), label: group.dataset.label };
});

// Hovering reads off what lies nearest, and fades the other runs in every chart.
const tip = document.createElement('div');
tip.className = 'tip';
tip.hidden = true;
document.body.append(tip);
const emphasise = name => charts.forEach(({ lines }) => {
  const known = lines.some(line => line.name === name);
  lines.forEach(({ line, name: other }) => line.classList.toggle('faded', known && other !== name));
});
const leave = () => { tip.hidden = true; emphasise(null); };
const hover = (chart, event) => {
  const { svg, left, top, width, height, lines, x, y, label } = chart;
  const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
  const inside = at.x >= left - 3 && at.x <= left + width + 3 && at.y >= top - 3 && at.y <= top + height + 3;
  if (!inside) return leave();
  const value = ([px, py]) => [x.value((px - left) / width), y.value(1 - (py - top) / height)];
  const found = new Map();
  for (const { name, points } of lines) for (const point of points) {
    const far = Math.abs(point[0] - at.x), known = found.get(name);
    if (far < 25 && !(known && known.far <= far)) found.set(name, { name, point, far });
  }
  let nearest = null;
  for (const entry of found.values()) {
    entry.high = Math.abs(entry.point[1] - at.y);
    if (!nearest || entry.high < nearest.high) nearest = entry;
  }
  const [px, py] = value([at.x, at.y]);
  const rows = [...found.values()].map(({ name, point }) =>
    `${nearest.name === name ? '▸ ' : ''}${name}: ${short(value(point)[1])}`);
  const head = nearest ? `${label} ${short(value(nearest.point)[0])}` : `${label} ${short(px)}, ${short(py)}`;
  tip.textContent = [head, ...rows.slice(0, 16)].join('\n');
  tip.hidden = false;
  tip.style.left = Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 4) + 'px';
  tip.style.top = Math.min(event.clientY + 14, innerHeight - tip.offsetHeight - 4) + 'px';
  emphasise(found.size > 1 && nearest.high < 15 ? nearest.name : null);
};
charts.forEach(chart => {
  chart.svg.addEventListener('pointermove', event => hover(chart, event));
  chart.svg.addEventListener('pointerleave', leave);
});

// One moment for all pictures that have several, and a line in the charts over steps and epochs.
// Some moments are marked: there the play stops.
const boxes = all('.frames').map(box => [...box.children].map(frame => ({ frame, step: +frame.dataset.step })));
const nav = document.querySelector('nav');
const said = new Map();
for (const mark of nav.dataset.marks.split('\n').filter(mark => mark)) {
  const step = parseInt(mark), what = mark.slice(mark.indexOf(' ') + 1);
  said.set(step, said.has(step) ? `${said.get(step)}; ${what}` : what);
}
const end = +nav.dataset.steps;
const steps = [...boxes.flat().map(({ step }) => step), ...said.keys(), ...(end ? [end] : [])];
const moments = [...new Set(steps)].sort((a, b) => a - b);
if (moments.length > 1) {
  const bar = document.createElement('div');
  bar.className = 'time';
  bar.innerHTML = '<button type="button" aria-label="play">▶</button>' +
    `<input type="range" min="0" max="${moments.length - 1}" list="marks" aria-label="moment of training"><output></output>` +
    `<datalist id="marks">${moments.map((step, i) => said.has(step) ? `<option value="${i}"></option>` : '').join('')}</datalist>`;
  nav.after(bar);
  const [button, slider, output] = bar.children;
  const units = { step: 1, epoch: +nav.dataset.epoch };
  const marks = charts.filter(({ label }) => units[label]).map(chart => {
    const mark = document.createElementNS(chart.svg.namespaceURI, 'line');
    mark.setAttribute('stroke', 'currentColor');
    mark.setAttribute('stroke-width', '0.8');
    chart.group.append(mark);
    return { chart, mark };
  });
  const show = () => {
    const now = moments[slider.value];
    output.textContent = (now === 0 ? 'before training' : `step ${now}`) + (said.has(now) ? `: ${said.get(now)}` : '');
    for (const frames of boxes) {
      const shown = frames.filter(({ step }) => step <= now).pop() ?? frames[0];
      frames.forEach(({ frame }) => { frame.hidden = frame !== shown.frame; });
    }
    for (const { chart: { left, top, width, height, x, label }, mark } of marks) {
      const f = x.fraction(Math.max(now / units[label], 1));
      mark.style.display = f >= 0 && f <= 1 ? '' : 'none';
      for (const [name, v] of [['x1', left + f * width], ['x2', left + f * width], ['y1', top], ['y2', top + height]])
        mark.setAttribute(name, v);
    }
  };
  let timer = 0;
  const stop = () => { clearInterval(timer); timer = 0; button.textContent = '▶'; };
  button.addEventListener('click', () => {
    if (timer) return stop();
    if (+slider.value === moments.length - 1) slider.value = 0;
    button.textContent = '❚❚';
    timer = setInterval(() => {
      slider.value = +slider.value + 1;
      show();
      if (+slider.value === moments.length - 1 || said.has(moments[slider.value])) stop();
    }, 700);
    show();
  });
  slider.addEventListener('input', () => { stop(); show(); });
  slider.value = moments.length - 1;
  show();
}
})();
