// The loss as a landscape about the present weights, and the ways over it.

import { classColor, fit, isDark, ramp, variable } from './colors.js';
import { $, percent } from './dom.js';
import { inquire } from './session.js';
import { page } from './state.js';
import { t } from './texts.js';

/** How many lines of equal loss are drawn. */
const LEVELS = 14;

/** Each landscape, by what it shows. */
const shown = {};

/** How long the last landscape took, and at most may take while the run goes on, in milliseconds. */
let took = 0;
const MOST_TAKEN = 60;

/** The earliest time at which landscapes are asked for again while the run goes on. */
let due = 0;

/** The step and the description that the landscapes are of, or will be. */
let key = null;

/** Fetches both landscapes, if they can be seen. While it runs they take a tenth of the time. */
export async function lookAround() {
  const now = performance.now();
  const next = `${page.frame.revision} ${page.frame.step} ${page.frame.end}`;
  const isSeen = $('#curves details').open;
  if (!isSeen || next === key || (page.running && (now < due || took > MOST_TAKEN))) return;
  key = next;
  due = Infinity;
  for (const region of ['way', 'step']) {
    const start = performance.now();
    const reply = await inquire({ do: 'surface', region });
    took = performance.now() - start;
    shown[region] = reply && !reply.error ? reply : null;
    drawSurfaces();
  }
  due = performance.now() + Math.max(300, 20 * took);
}

export function drawSurfaces() {
  draw($('#way'), shown.way);
  draw($('#last-step'), shown.step);
  const share = shown.way?.share;
  $('#share-of-way').textContent = typeof share === 'number' ? t('share_of_way', percent(share)) : '';
}

function draw(canvas, reply) {
  if (!canvas.clientWidth) return;
  const { context, width, height } = fit(canvas);
  if (!reply) return;
  const { cells, extent, arrays } = reply;
  const heights = leveled(arrays.surface);
  paint(context, heights, cells, width, height);
  const x = (value) => ((value - extent[0]) / (extent[1] - extent[0])) * width;
  const y = (value) => ((extent[3] - value) / (extent[3] - extent[2])) * height;
  const line = (points, from, to) => {
    context.beginPath();
    for (let at = from; at < to; at++) context.lineTo(x(points[2 * at]), y(points[2 * at + 1]));
    context.stroke();
  };
  const { way, taken, flow } = arrays;
  context.lineJoin = 'round';
  context.strokeStyle = variable('--ink');
  if (canvas.id === 'way') {
    context.lineWidth = 1.8;
    line(way, 0, reply.passed + 1);
    context.globalAlpha = 0.35;
    line(way, reply.passed, way.length / 2);
    context.globalAlpha = 1;
    spot(context, x(way[0]), y(way[1]), 3, variable('--ink'));
  } else if (taken.length === 4) {
    context.lineWidth = 2.5;
    line(taken, 0, 2);
    context.strokeStyle = classColor(1);
    context.setLineDash([5, 4]);
    line(flow, 0, flow.length / 2);
    context.setLineDash([]);
    spot(context, x(taken[0]), y(taken[1]), 3, variable('--ink'));
    spot(context, x(flow.at(-2)), y(flow.at(-1)), 4.5, classColor(1));
  }
  // Where it is now.
  spot(context, x(0), y(0), 5.5, variable('--paper'));
  spot(context, x(0), y(0), 4, variable('--ink'));
}

function spot(context, x, y, radius, color) {
  context.fillStyle = color;
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fill();
}

/** Losses from 0, the least, to 1, the greatest, logarithmically; NaN where there is none. */
function leveled(losses) {
  const finite = losses.filter(Number.isFinite);
  const least = finite.reduce((a, b) => Math.min(a, b), Infinity);
  const greatest = finite.reduce((a, b) => Math.max(a, b), -Infinity);
  // Differences count as much as their share of the least, so that a loss of 0 has its place.
  const floor = Math.max((greatest - least) * 1e-3, Number.MIN_VALUE);
  const top = Math.log((greatest - least) / floor + 1) || 1;
  return losses.map((loss) => Math.log((loss - least) / floor + 1) / top);
}

/** Darker where the loss is greater, with lines of equal loss. */
function paint(context, heights, cells, width, height) {
  const sheet = document.createElement('canvas');
  sheet.width = sheet.height = cells;
  const image = new ImageData(cells, cells);
  const pixels = new Uint32Array(image.data.buffer);
  const colors = ramp('surface', (step) => {
    const [low, high] = isDark() ? [[70, 96, 122], [24, 27, 33]] : [[255, 255, 255], [176, 200, 220]];
    return low.map((c, k) => Math.round(c + ((high[k] - c) * step) / 255));
  });
  heights.forEach((value, at) => (pixels[at] = colors[Number.isFinite(value) ? Math.round(255 * value) : 255]));
  sheet.getContext('2d').putImageData(image, 0, 0);
  // Losses are those of the grid's nodes, and the outermost lie on the edge.
  const [u, v] = [width / (cells - 1), height / (cells - 1)];
  context.imageSmoothingEnabled = true;
  context.drawImage(sheet, -u / 2, -v / 2, width + u, height + v);
  context.strokeStyle = variable('--soft');
  context.globalAlpha = 0.5;
  context.lineWidth = 0.8;
  context.beginPath();
  for (let level = 1; level < LEVELS; level++) contour(context, heights, cells, level / LEVELS, u, v);
  context.stroke();
  context.globalAlpha = 1;
}

/** The line of a level, cell by cell, each of two triangles, in which a level is a straight line. */
function contour(context, heights, cells, level, u, v) {
  for (let row = 0; row + 1 < cells; row++) {
    for (let column = 0; column + 1 < cells; column++) {
      const corners = [[column, row], [column + 1, row], [column + 1, row + 1], [column, row + 1]];
      for (const triangle of [[0, 1, 2], [0, 2, 3]]) {
        const ends = [];
        triangle.forEach((from, at) => {
          const to = triangle[(at + 1) % 3];
          const [a, b] = [from, to].map((corner) => heights[corners[corner][1] * cells + corners[corner][0]]);
          if (a < level === b < level || !Number.isFinite(a + b)) return;
          const share = (level - a) / (b - a);
          ends.push([0, 1].map((k) => corners[from][k] + (corners[to][k] - corners[from][k]) * share));
        });
        if (ends.length !== 2) continue;
        context.moveTo(ends[0][0] * u, ends[0][1] * v);
        context.lineTo(ends[1][0] * u, ends[1][1] * v);
      }
    }
  }
}
