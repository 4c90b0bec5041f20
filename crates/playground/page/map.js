// The decision map and the points on it.

import { classColor, classRgb, fit, mark, signRgb, variable } from './colors.js';

/** Colours of a grid that `map` describes in 255ths: `outputs` probabilities a cell, or a value. */
function paintMap(map, outputs, image) {
  const cells = image.width * image.height;
  const pixels = image.data;
  if (outputs === 1) {
    const [low, middle, high] = signRgb();
    for (let cell = 0; cell < cells; cell++) {
      const value = (map[cell] - 127.5) / 127.5;
      const to = value < 0 ? low : high;
      const share = Math.abs(value) * 0.85;
      for (let k = 0; k < 3; k++) pixels[4 * cell + k] = middle[k] + (to[k] - middle[k]) * share;
      pixels[4 * cell + 3] = 255;
    }
    return;
  }
  const colors = Array.from({ length: outputs }, (_, index) => classRgb(index));
  const paper = signRgb()[1];
  for (let cell = 0; cell < cells; cell++) {
    let first = 0;
    let second = 0;
    let winner = 0;
    for (let index = 0; index < outputs; index++) {
      const p = map[cell * outputs + index];
      if (p > first) {
        second = first;
        first = p;
        winner = index;
      } else if (p > second) {
        second = p;
      }
    }
    // The winner's colour, fainter where it hardly wins.
    const share = 0.1 + (0.62 * (first - second)) / 255;
    const color = colors[winner];
    for (let k = 0; k < 3; k++) pixels[4 * cell + k] = paper[k] + (color[k] - paper[k]) * share;
    pixels[4 * cell + 3] = 255;
  }
}

/** Colours of unit number `index`: 128 is 0. */
export function paintUnit(units, index, cellsOfAll, image) {
  const [low, middle, high] = signRgb();
  const cells = image.width * image.height;
  const pixels = image.data;
  // The numbers of a layer lie unit after unit.
  const start = index * cellsOfAll;
  for (let cell = 0; cell < cells; cell++) {
    const value = (units[start + cell] - 128) / 127;
    const to = value < 0 ? low : high;
    const share = Math.min(Math.abs(value), 1) * 0.9;
    for (let k = 0; k < 3; k++) pixels[4 * cell + k] = middle[k] + (to[k] - middle[k]) * share;
    pixels[4 * cell + 3] = 255;
  }
}

export class DecisionMap {
  constructor(canvas, { choose, edit }) {
    this.canvas = canvas;
    this.choose = choose;
    this.edit = edit;
    this.sheet = document.createElement('canvas');
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

  /** What there is to show. `cover` is a unit's image that is shown in place of the map. */
  update(view) {
    this.view = view;
    this.canvas.hidden = !view;
    if (!view) return;
    const { map, outputs } = view;
    const cells = map ? Math.sqrt(map.length / outputs) : 0;
    if (cells > 0 && Number.isInteger(cells)) {
      if (this.sheet.width !== cells) this.sheet.width = this.sheet.height = cells;
      const context = this.sheet.getContext('2d');
      const image = context.createImageData(cells, cells);
      paintMap(map, outputs, image);
      context.putImageData(image, 0, 0);
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
    const { values, sample, showTest, cover } = view;
    context.imageSmoothingEnabled = true;
    context.imageSmoothingQuality = 'high';
    if (cover) context.drawImage(cover, 0, 0, width, height);
    else if (this.painted) context.drawImage(this.sheet, 0, 0, width, height);
    const radius = Math.max(2.4, Math.min(4.5, width / 110));
    const rim = variable('--paper');
    for (const part of showTest ? ['test', 'train'] : ['train']) {
      const { points, answers } = view[part];
      for (let index = 0; index < answers.length; index++) {
        const [x, y] = this.#place(points[2 * index], points[2 * index + 1]);
        const answer = answers[index];
        mark(context, values ? 0 : answer, x, y, radius);
        const color = values ? valueColor(answer) : classColor(answer);
        if (part === 'train') {
          context.fillStyle = color;
          context.fill();
          context.lineWidth = 1;
          context.strokeStyle = rim;
          context.stroke();
        } else {
          context.fillStyle = rim;
          context.fill();
          context.lineWidth = 1.6;
          context.strokeStyle = color;
          context.stroke();
        }
      }
    }
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
}

function valueColor(value) {
  const [low, middle, high] = signRgb();
  const share = Math.max(-1, Math.min(1, 2 * value - 1));
  const to = share < 0 ? low : high;
  return `rgb(${middle.map((c, k) => Math.round(c + (to[k] - c) * Math.abs(share))).join(' ')})`;
}
