// The decision map and the points on it.

import { classColor, classRamp, fit, isDark, mark, signRamp, signRgb, variable } from './colors.js';

/** Colours of a grid that `map` describes in 255ths: `outputs` probabilities a cell, or a value. */
function paintMap(map, outputs, image) {
  const pixels = new Uint32Array(image.data.buffer);
  if (outputs === 1) {
    const ramp = signRamp(127.5, 0.85);
    for (let cell = 0; cell < pixels.length; cell++) pixels[cell] = ramp[map[cell]];
    return;
  }
  const ramps = Array.from({ length: outputs }, (_, index) => classRamp(index));
  for (let cell = 0, at = 0; cell < pixels.length; cell++) {
    let first = 0;
    let second = 0;
    let winner = 0;
    for (let index = 0; index < outputs; index++, at++) {
      const p = map[at];
      if (p > first) {
        second = first;
        first = p;
        winner = index;
      } else if (p > second) {
        second = p;
      }
    }
    // The winner's colour, fainter where it hardly wins.
    pixels[cell] = ramps[winner][first - second];
  }
}

/** Colours of unit number `index`, at a place in an image: 128 is 0. */
export function paintUnit(units, index, cells, image, left, top) {
  const pixels = new Uint32Array(image.data.buffer);
  const ramp = signRamp(128, 0.9);
  // The numbers of a unit lie row by row, and unit after unit.
  let from = index * cells ** 2;
  for (let row = top; row < top + cells; row++) {
    const start = row * image.width + left;
    for (let to = start; to < start + cells; to++) pixels[to] = ramp[units[from++]];
  }
}

/** In how many cells of two maps another class wins, as a share; for values, how far apart they are. */
export function difference(map, other, outputs) {
  if (!map || map.length !== other?.length) return null;
  const cells = map.length / outputs;
  let sum = 0;
  const winner = (numbers, start) => {
    let best = start;
    for (let at = start + 1; at < start + outputs; at++) if (numbers[at] > numbers[best]) best = at;
    return best;
  };
  for (let at = 0; at < map.length; at += outputs) {
    if (outputs === 1) sum += Math.abs(map[at] - other[at]) / 255;
    else if (winner(map, at) !== winner(other, at)) sum++;
  }
  return sum / cells;
}

export class DecisionMap {
  constructor(canvas, { choose, edit }) {
    this.canvas = canvas;
    this.choose = choose;
    this.edit = edit;
    this.sheet = document.createElement('canvas');
    this.points = document.createElement('canvas');
    this.hovered = null;
    this.tool = null;
    this.dragged = null;
    canvas.addEventListener('pointermove', (event) => this.#move(event));
    canvas.addEventListener('pointerdown', (event) => this.#down(event));
    canvas.addEventListener('pointerup', () => (this.dragged = null));
    canvas.addEventListener('pointercancel', () => (this.dragged = null));
    canvas.addEventListener('contextmenu', (event) => {
      if (this.tool !== null) event.preventDefault();
    });
    canvas.addEventListener('pointerleave', () => {
      this.hovered = null;
      this.draw();
    });
    canvas.addEventListener('keydown', (event) => this.#key(event));
  }

  /** What there is to show. `cover` draws a unit's image in place of the map. */
  update(view) {
    this.view = view;
    this.canvas.hidden = !view;
    if (!view) return;
    const { map, outputs } = view;
    const cells = map ? Math.sqrt(map.length / outputs) : 0;
    if (cells > 0 && Number.isInteger(cells)) {
      if (this.sheet.width !== cells) this.sheet.width = this.sheet.height = cells;
      const context = this.sheet.getContext('2d');
      if (this.image?.width !== cells) this.image = context.createImageData(cells, cells);
      paintMap(map, outputs, this.image);
      context.putImageData(this.image, 0, 0);
      this.painted = true;
    } else {
      this.painted = false;
    }
    this.draw();
  }

  #place(x, y) {
    const [left, right, bottom, top] = this.view.extent;
    return [
      ((x - left) / (right - left)) * this.canvas.clientWidth,
      ((top - y) / (top - bottom)) * this.canvas.clientHeight,
    ];
  }

  #point(event) {
    const box = this.canvas.getBoundingClientRect();
    const [left, right, bottom, top] = this.view.extent;
    const u = (event.clientX - box.left) / box.width;
    const v = (event.clientY - box.top) / box.height;
    return [left + u * (right - left), top - v * (top - bottom)];
  }

  /** The sample under the pointer. */
  #sample(event, reach = 12) {
    const box = this.canvas.getBoundingClientRect();
    const [u, v] = [event.clientX - box.left, event.clientY - box.top];
    let nearest = null;
    let least = reach * reach;
    for (const part of ['train', 'test']) {
      const points = this.view[part]?.points;
      if (!points || (part === 'test' && !this.view.showTest)) continue;
      for (let index = 0; 2 * index < points.length; index++) {
        const [x, y] = this.#place(points[2 * index], points[2 * index + 1]);
        const distance = (x - u) ** 2 + (y - v) ** 2;
        if (distance < least) {
          least = distance;
          nearest = { part, index };
        }
      }
    }
    return nearest;
  }

  #move(event) {
    if (!this.view) return;
    if (this.dragged !== null) {
      const [x, y] = this.#point(event);
      this.edit({ move: this.dragged, x, y });
      return;
    }
    const sample = this.#sample(event);
    this.canvas.style.cursor = this.tool !== null ? (sample ? 'grab' : 'crosshair') : sample ? 'pointer' : 'default';
    if (sample?.index !== this.hovered?.index || sample?.part !== this.hovered?.part) {
      this.hovered = sample;
      this.draw();
    }
  }

  #down(event) {
    if (!this.view) return;
    const sample = this.#sample(event, event.pointerType === 'touch' ? 22 : 12);
    if (this.tool === null) {
      if (sample) this.choose(sample);
      return;
    }
    const [x, y] = this.#point(event);
    const erase = this.tool === 'erase' || event.button === 2;
    if (sample && erase) this.edit({ remove: sample.index });
    else if (sample) {
      this.dragged = sample.index;
      this.canvas.setPointerCapture(event.pointerId);
    } else if (!erase) this.edit({ add: [x, y, this.tool] });
  }

  /** Samples one after the other, without a mouse. */
  #key(event) {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step || !this.view) return;
    event.preventDefault();
    const { sample } = this.view;
    const part = sample?.part ?? 'train';
    const count = this.view[part].points.length / 2;
    if (count) this.choose({ part, index: ((sample?.index ?? -1) + step + count) % count });
  }

  draw() {
    const { canvas, view } = this;
    if (!view) return;
    const { context, width, height } = fit(canvas);
    if (!width) return;
    const { sample, cover, line } = view;
    context.imageSmoothingEnabled = true;
    // Finer takes longer than there is while it runs.
    context.imageSmoothingQuality = view.running ? 'low' : 'high';
    if (cover) cover(context, width, height);
    else if (line) this.#line(context, line, width, height);
    else if (this.painted) context.drawImage(this.sheet, 0, 0, width, height);
    const radius = Math.max(2.4, Math.min(4.5, width / 110));
    context.drawImage(this.#drawn(width, height), 0, 0, width, height);
    for (const [chosen, weight] of [[this.hovered, 1.5], [sample, 2.5]]) {
      if (!chosen || !view[chosen.part] || chosen.index >= view[chosen.part].answers.length) continue;
      const { points } = view[chosen.part];
      const [x, y] = this.#place(points[2 * chosen.index], points[2 * chosen.index + 1]);
      context.beginPath();
      context.arc(x, y, radius + 5, 0, 2 * Math.PI);
      context.lineWidth = weight;
      context.strokeStyle = variable('--ink');
      context.stroke();
    }
  }

  /** What is seen, as SVG: the colours as an image, the points as shapes. */
  toSvg() {
    const { view, canvas } = this;
    const { clientWidth: width, clientHeight: height } = canvas;
    const parts = [`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}">`];
    parts.push(`<rect width="100%" height="100%" fill="${variable('--paper')}"/>`);
    if (view.line) {
      const points = Array.from(view.line, (value, at) => `${fixed((width * (at + 0.5)) / view.line.length)},${fixed(this.#place(0, value)[1])}`);
      parts.push(`<polyline points="${points.join(' ')}" fill="none" stroke="${classColor(1)}" stroke-width="3"/>`);
    } else if (this.painted) {
      parts.push(`<image width="${width}" height="${height}" preserveAspectRatio="none" href="${this.sheet.toDataURL()}"/>`);
    }
    this.#each((x, y, shape, radius, style) => {
      const path = new SvgPath();
      mark(path, shape, x, y, radius);
      parts.push(`<path d="${path.text}" fill="${style.fill}" stroke="${style.stroke}" stroke-width="${style.width}"/>`);
    });
    return [...parts, '</svg>', ''].join('\n');
  }

  /** Calls `work` for each point with its place, its shape and its colours. */
  #each(work) {
    const { view } = this;
    const radius = Math.max(2.4, Math.min(4.5, this.canvas.clientWidth / 110));
    const rim = variable('--paper');
    for (const part of view.showTest ? ['test', 'train'] : ['train']) {
      const { points, answers } = view[part];
      answers.forEach((answer, index) => {
        const [x, y] = this.#place(points[2 * index], points[2 * index + 1]);
        const color = !view.values ? classColor(answer) : view.line ? classColor(0) : valueColor(answer);
        // A value may have the colour of the map about it, so that its rim has to be seen.
        const edge = view.values && !view.line ? variable('--soft') : rim;
        const style = part === 'train' ? { fill: color, stroke: edge, width: 1 } : { fill: rim, stroke: color, width: 1.6 };
        work(x, y, view.values ? 0 : answer, radius, style);
      });
    }
  }

  /** A value along its one feature. */
  #line(context, line, width, height) {
    context.strokeStyle = variable('--rule');
    context.lineWidth = 1;
    context.fillStyle = variable('--soft');
    context.font = `11px ${variable('--sans')}`;
    for (const value of [0, 0.5, 1]) {
      const [, y] = this.#place(0, value);
      context.strokeRect(-1, Math.round(y) + 0.5, width + 2, 0);
      context.fillText(String(value), 2, y - 4);
    }
    context.beginPath();
    line.forEach((value, at) => context.lineTo((width * (at + 0.5)) / line.length, this.#place(0, value)[1]));
    context.strokeStyle = classColor(1);
    context.lineWidth = 3;
    context.stroke();
  }

  /** The points, which are drawn anew only when something about them has changed. */
  #drawn(width, height) {
    const { view, points: sheet } = this;
    const parts = view.showTest ? ['test', 'train'] : ['train'];
    const { width: w, height: h } = this.canvas;
    const key = [w, h, isDark(), view.extent, view.values, view.line !== undefined, ...parts.map((part) => view[part])];
    if (this.key?.length === key.length && key.every((value, at) => sameKey(value, this.key[at]))) return sheet;
    this.key = key;
    Object.assign(sheet, { width: w, height: h });
    const context = sheet.getContext('2d');
    context.setTransform(w / width, 0, 0, h / height, 0, 0);
    this.#each((x, y, shape, radius, style) => {
      mark(context, shape, x, y, radius);
      context.fillStyle = style.fill;
      context.fill();
      context.lineWidth = style.width;
      context.strokeStyle = style.stroke;
      context.stroke();
    });
    return sheet;
  }
}

const fixed = (value) => Number(value.toFixed(2));

/** What `mark` asks of a canvas, as the text of an SVG path. */
class SvgPath {
  text = '';
  beginPath() {}
  moveTo(x, y) {
    this.text += `M${fixed(x)} ${fixed(y)}`;
  }
  lineTo(x, y) {
    this.text += `L${fixed(x)} ${fixed(y)}`;
  }
  closePath() {
    this.text += 'Z';
  }
  rect(x, y, width, height) {
    this.text += `M${fixed(x)} ${fixed(y)}h${fixed(width)}v${fixed(height)}h${fixed(-width)}Z`;
  }
  arc(x, y, r) {
    this.text += `M${fixed(x - r)} ${fixed(y)}a${fixed(r)} ${fixed(r)} 0 1 0 ${fixed(2 * r)} 0a${fixed(r)} ${fixed(r)} 0 1 0 ${fixed(-2 * r)} 0Z`;
  }
}

/** Points come anew only with another description, so that their arrays tell them apart. */
const sameKey = (a, b) => a === b || (a?.points !== undefined && a.points === b?.points && a.answers === b?.answers);

function valueColor(value) {
  const [low, middle, high] = signRgb();
  const share = Math.max(-1, Math.min(1, 2 * value - 1));
  const to = share < 0 ? low : high;
  return `rgb(${middle.map((c, k) => Math.round(c + (to[k] - c) * Math.abs(share))).join(' ')})`;
}
