// The computation behind a number, as a drawing.

import { short } from './numbers.js';
import { t } from './texts.js';

const SVG = 'http://www.w3.org/2000/svg';
const WIDTH = 184;
const HEIGHT = 62;
const MOST_LETTERS = 20;
const GAP_X = 34;
const GAP_Y = 12;

function make(name, attributes, text) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

/** All numbers if there is room for them, or the least and the greatest. */
function few(values) {
  if (!Array.isArray(values)) return `${short(values.least)} … ${short(values.greatest)}`;
  const text = values.map((v) => short(v)).join(', ');
  const numbers = values.filter((v) => typeof v === 'number');
  return text.length <= MOST_LETTERS || numbers.length < values.length ? text : few({ least: Math.min(...numbers), greatest: Math.max(...numbers) });
}

/** An SVG of the nodes of a graph: the loss at the right, what it is made of to its left. */
export function drawGraph(nodes) {
  // As far from the loss as the longest way to it.
  const depth = nodes.map(() => 0);
  for (let changed = true, rounds = 0; changed && rounds <= nodes.length; rounds++) {
    changed = false;
    nodes.forEach(({ from }, to) => {
      for (const source of from) {
        if (depth[source] < depth[to] + 1) {
          depth[source] = depth[to] + 1;
          changed = true;
        }
      }
    });
  }
  const columns = Array.from({ length: Math.max(...depth) + 1 }, () => []);
  nodes.forEach((_, index) => columns[depth[index]].push(index));
  const tallest = Math.max(...columns.map((column) => column.length));
  const width = columns.length * (WIDTH + GAP_X) - GAP_X + 4;
  const height = tallest * (HEIGHT + GAP_Y) - GAP_Y + 4;
  const place = new Map();
  columns.forEach((column, at) => {
    const top = (height - (column.length * (HEIGHT + GAP_Y) - GAP_Y)) / 2;
    column.forEach((index, row) => place.set(index, [width - 2 - WIDTH - at * (WIDTH + GAP_X), top + row * (HEIGHT + GAP_Y)]));
  });
  const svg = make('svg', { viewBox: `0 0 ${width} ${height}`, width, height, class: 'graph', role: 'img', 'aria-label': t('graph') });
  nodes.forEach(({ from }, to) => {
    const [x1, y1] = place.get(to);
    for (const source of from) {
      const [x0, y0] = place.get(source);
      const middle = (x0 + WIDTH + x1) / 2;
      svg.append(make('path', { class: 'edge', d: `M${x0 + WIDTH} ${y0 + HEIGHT / 2}C${middle} ${y0 + HEIGHT / 2} ${middle} ${y1 + HEIGHT / 2} ${x1} ${y1 + HEIGHT / 2}` }));
    }
  });
  nodes.forEach(({ kind, name, shape, values, gradient }, index) => {
    const [x, y] = place.get(index);
    const group = make('g', { class: kind, transform: `translate(${x} ${y})` });
    group.append(make('rect', { width: WIDTH, height: HEIGHT, rx: 6 }));
    group.append(make('text', { x: 9, y: 17, class: 'name' }, `${name}${shape.length ? ` [${shape.join(', ')}]` : ''}`));
    group.append(make('text', { x: 9, y: 35 }, few(values)));
    if (gradient) group.append(make('text', { x: 9, y: 52, class: 'gradient' }, `∂L ${few(gradient)}`));
    svg.append(group);
  });
  return svg;
}
