// The network: units as small maps, weights as lines.

import { fit, isDark, signColor, variable } from './colors.js';
import { paintUnit } from './map.js';
import { t } from './texts.js';
import { short } from './numbers.js';

/** The side of a digit's image. */
const DIGIT = 8;

/** How many units' images lie side by side. */
const ACROSS = 16;

/** How many lines are drawn anew for every picture. */
const MANY = 1000;

export class NetworkView {
  /** `host` holds the canvas, the units' buttons and the layers' buttons. */
  constructor(host, { change, chooseUnit, hoverUnit, hoverWeight }) {
    this.host = host;
    this.change = change;
    this.chooseUnit = chooseUnit;
    this.hoverUnit = hoverUnit;
    this.hoverWeight = hoverWeight;
    this.canvas = host.querySelector('canvas');
    this.buttons = host.querySelector('.units');
    this.heads = host.querySelector('.heads');
    this.sheet = document.createElement('canvas');
    this.links = { canvas: document.createElement('canvas'), key: null, drawn: 0 };
    this.key = '';
    new ResizeObserver(() => this.view && this.update(this.view)).observe(host);
    host.addEventListener('pointermove', (event) => this.#near(event));
    host.addEventListener('pointerleave', () => this.#hover(null));
    host.addEventListener('click', (event) => {
      if (this.hovered && !event.target.closest('button')) this.chooseUnit(this.hovered.layer + 1, this.hovered.to, this.hovered.from);
    });
  }

  /** Sizes of all layers, and where each unit stands. */
  #layout() {
    const { sizes } = this.view;
    const width = this.host.clientWidth;
    // Where layers stand close together, what is above them takes less room, or stands upright.
    this.host.classList.toggle('tight', width / sizes.length < 76);
    this.host.classList.toggle('tiny', width / sizes.length < 48);
    const height = this.canvas.clientHeight;
    const most = Math.max(...sizes.map((count, layer) => (layer === 0 && count > 16 ? 1 : count)));
    const unit = Math.max(8, Math.min(Math.max(46, height / 9), (height - 8) / most - 5, (0.5 * width) / sizes.length));
    const margin = Math.max(unit / 2 + 2, Math.min(34, width / 12), sizes[0] > 16 ? 76 : 0);
    // Room for the names of the outputs.
    const names = this.view.labels.at(-1).reduce((most, name) => Math.max(most, name.length), 0);
    const right = Math.max(margin, unit / 2 + 8 + Math.min(72, 7 * names));
    const columns = sizes.map((count, layer) => {
      const x = margin + ((width - margin - right) * layer) / Math.max(1, sizes.length - 1);
      // A picture's pixels are one bundle.
      const shown = layer === 0 && count > 16 ? 1 : count;
      const gap = Math.min(unit + 26, (height - 4) / shown);
      const top = (height - gap * (shown - 1)) / 2;
      return Array.from({ length: shown }, (_, index) => [x, top + gap * index]);
    });
    return { unit, columns };
  }

  update(view) {
    this.view = view;
    this.layout = this.#layout();
    this.#build();
    this.draw();
  }

  #build() {
    const { sizes, labels, hidden } = this.view;
    const { unit, columns } = this.layout;
    const key = JSON.stringify([sizes, labels, unit, columns.map((c) => c[0]), this.host.clientWidth, this.canvas.clientHeight, document.documentElement.lang, isDark()]);
    if (key === this.key) return;
    const focused = document.activeElement?.dataset?.unit;
    this.key = key;
    this.buttons.replaceChildren();
    columns.forEach((column, layer) =>
      column.forEach(([x, y], index) => {
        const button = document.createElement('button');
        button.type = 'button';
        button.className = 'unit';
        button.dataset.unit = `${layer}.${index}`;
        Object.assign(button.style, { left: `${x - unit / 2}px`, top: `${y - unit / 2}px`, width: `${unit}px`, height: `${unit}px` });
        const name = labels[layer]?.[index] ?? '';
        const last = layer === sizes.length - 1;
        const title = layer === 0 ? t('input_unit', name) : last ? t('output_unit', name) : t('hidden_unit', layer, index + 1);
        button.setAttribute('aria-label', title);
        button.title = title;
        if (layer === 0 || last) {
          const label = document.createElement('span');
          label.className = layer === 0 ? 'left' : 'right';
          label.textContent = name;
          if (last && this.view.outputColors) label.style.color = this.view.outputColors[index] ?? '';
          button.append(label);
        }
        button.addEventListener('pointerenter', () => this.hoverUnit(layer, index));
        button.addEventListener('pointerleave', () => this.hoverUnit(null));
        button.addEventListener('focus', () => this.hoverUnit(layer, index));
        button.addEventListener('blur', () => this.hoverUnit(null));
        button.addEventListener('click', () => this.chooseUnit(layer, index));
        this.buttons.append(button);
      }),
    );
    if (focused) this.buttons.querySelector(`[data-unit="${focused}"]`)?.focus();
    this.#heads(hidden, columns);
  }

  /** Plus and minus over each hidden layer. */
  #heads(hidden, columns) {
    const focus = document.activeElement?.dataset?.head;
    this.heads.replaceChildren();
    hidden.forEach((count, index) => {
      const head = document.createElement('div');
      head.className = 'head';
      head.style.left = `${columns[index + 1][0][0]}px`;
      const make = (sign, by, name) => {
        const button = document.createElement('button');
        button.type = 'button';
        button.textContent = sign;
        button.dataset.head = `${index}${sign}`;
        button.setAttribute('aria-label', t(name, index + 1));
        button.disabled = count + by < 1 || count + by > 32;
        button.addEventListener('click', () => {
          const next = [...hidden];
          next[index] += by;
          this.change(next);
        });
        return button;
      };
      const number = document.createElement('span');
      number.textContent = count;
      head.append(make('−', -1, 'fewer_units'), number, make('+', 1, 'more_units'));
      this.heads.append(head);
    });
    if (focus) this.heads.querySelector(`[data-head="${focus}"]`)?.focus();
  }

  #weight(layer, from, to) {
    const weights = this.view.weights?.[`layers.${layer}.weight`];
    return weights ? weights[from * this.view.sizes[layer + 1] + to] : 0;
  }

  draw() {
    const { view, canvas } = this;
    if (!view) return;
    const { context, width, height } = fit(canvas);
    const { unit, columns } = this.layout;
    const { sizes, units, hidden } = view;
    if (!width) return;
    this.#links(context, width, height);
    const ofImages = !units && sizes[0] === DIGIT ** 2 && hidden.length > 0;
    if (units && Number.isInteger(view.unitCells)) this.#paint(units, view.unitCells);
    else if (ofImages) this.#paint(this.#looks(), DIGIT);
    else this.count = 0;
    context.imageSmoothingEnabled = !ofImages;
    // What the chosen sample sends through the network.
    const { sample } = view;
    let index = 0;
    for (let layer = 1; layer < columns.length; layer++) {
      for (const [x, y] of columns[layer]) {
        if (!this.drawUnit(context, index, x - unit / 2, y - unit / 2, unit, unit)) {
          context.fillStyle = variable('--paper');
          context.fillRect(x - unit / 2, y - unit / 2, unit, unit);
        }
        index++;
      }
    }
    context.strokeStyle = variable('--line');
    context.lineWidth = 1;
    columns.forEach((column, layer) =>
      column.forEach(([x, y], at) => {
        if (layer === 0) {
          context.fillStyle = variable('--paper');
          context.fillRect(x - unit / 2, y - unit / 2, unit, unit);
        }
        if (layer === 0 && view.inputs <= 2) this.#input(context, at, x, y, unit);
        const chosen = view.chosen && view.chosen.layer === layer && view.chosen.index === at;
        context.strokeStyle = variable(chosen ? '--ink' : '--line');
        context.lineWidth = chosen ? 2.5 : 1;
        context.strokeRect(x - unit / 2, y - unit / 2, unit, unit);
        const value = sample?.[layer]?.[at];
        if (value !== undefined && unit >= 26) {
          context.font = `11px ${variable('--mono')}`;
          context.textAlign = 'center';
          const text = short(value);
          const w = context.measureText(text).width + 6;
          context.fillStyle = variable('--paper');
          context.globalAlpha = 0.9;
          context.fillRect(x - w / 2, y + unit / 2 - 7, w, 14);
          context.globalAlpha = 1;
          context.fillStyle = variable('--ink');
          context.fillText(text, x, y + unit / 2 + 4);
        }
      }),
    );
  }

  /** The weights as lines. There may be so many that they follow less often than the units. */
  #links(context, width, height) {
    const { links, view, canvas } = this;
    const { columns } = this.layout;
    const count = columns.slice(1).reduce((sum, right, at) => sum + right.length * columns[at].length, 0);
    if (count <= MANY) {
      this.#lines(context);
      return;
    }
    const now = performance.now();
    const key = `${this.key} ${canvas.width} ${this.hovered && Object.values(this.hovered)}`;
    if (!view.running || links.key !== key || now - links.drawn > 250) {
      Object.assign(links, { key, drawn: now });
      Object.assign(links.canvas, { width: canvas.width, height: canvas.height });
      const drawn = links.canvas.getContext('2d');
      drawn.setTransform(canvas.width / width, 0, 0, canvas.height / height, 0, 0);
      this.#lines(drawn);
    }
    context.drawImage(links.canvas, 0, 0, width, height);
  }

  #lines(context) {
    const { sizes } = this.view;
    const { unit, columns } = this.layout;
    const faint = variable('--rule');
    for (let layer = 0; layer + 1 < columns.length; layer++) {
      const [left, right] = [columns[layer], columns[layer + 1]];
      const bundle = sizes[layer] !== left.length;
      const many = left.length * right.length > 300;
      for (let from = 0; from < left.length; from++) {
        for (let to = 0; to < right.length; to++) {
          const value = bundle ? 0 : this.#weight(layer, from, to);
          const size = Math.min(1, Math.abs(value) / 2.5);
          if (many && size < 0.08) continue;
          const hot = this.hovered && this.hovered.layer === layer && this.hovered.from === from && this.hovered.to === to;
          context.strokeStyle = bundle ? faint : signColor(value);
          context.globalAlpha = hot ? 1 : bundle ? 0.8 : (isDark() ? 0.2 : 0.14) + 0.75 * size;
          context.lineWidth = hot ? 4 : 0.6 + 3.4 * size;
          this.#line(context, left[from], right[to], unit);
        }
      }
    }
    context.globalAlpha = 1;
  }

  #line(context, [x0, y0], [x1, y1], unit) {
    const bend = (x1 - x0) * 0.45;
    context.beginPath();
    context.moveTo(x0 + unit / 2, y0);
    context.bezierCurveTo(x0 + unit / 2 + bend, y0, x1 - unit / 2 - bend, y1, x1 - unit / 2, y1);
    context.stroke();
  }

  /** An input's own map: it rises along its axis. */
  #input(context, axis, x, y, unit) {
    const gradient =
      axis === 0
        ? context.createLinearGradient(x - unit / 2, 0, x + unit / 2, 0)
        : context.createLinearGradient(0, y + unit / 2, 0, y - unit / 2);
    gradient.addColorStop(0, signColor(-1));
    gradient.addColorStop(0.5, isDark() ? '#1b1d21' : '#ffffff');
    gradient.addColorStop(1, signColor(1));
    context.fillStyle = gradient;
    context.fillRect(x - unit / 2, y - unit / 2, unit, unit);
  }

  /** Paints the images of all units side by side, which is quicker than one by one. */
  #paint(units, cells) {
    const count = Math.floor(units.length / cells ** 2);
    const [width, height] = [Math.min(count, ACROSS) * cells, Math.ceil(count / ACROSS) * cells];
    if (this.image?.width !== width || this.image.height !== height) {
      this.image = new ImageData(width, height);
      Object.assign(this.sheet, { width, height });
    }
    for (let index = 0; index < count; index++) {
      paintUnit(units, index, cells, this.image, (index % ACROSS) * cells, Math.floor(index / ACROSS) * cells);
    }
    this.sheet.getContext('2d').putImageData(this.image, 0, 0);
    Object.assign(this, { cells, count });
  }

  /** Draws the image of a unit; says whether it has one. */
  drawUnit(context, index, x, y, width, height) {
    const { sheet, cells, count } = this;
    if (index >= count) return false;
    context.drawImage(sheet, (index % ACROSS) * cells, Math.floor(index / ACROSS) * cells, cells, cells, x, y, width, height);
    return true;
  }

  /** The weights that the units of the first layer look at an image with, as if they were outputs. */
  #looks() {
    const { sizes, weights } = this.view;
    const [pixels, units] = sizes;
    const all = weights?.['layers.0.weight'];
    const looks = new Uint8Array(pixels * units);
    for (let to = 0; all && to < units; to++) {
      let most = 0;
      for (let from = 0; from < pixels; from++) most = Math.max(most, Math.abs(all[from * units + to]));
      for (let from = 0; from < pixels; from++) looks[to * pixels + from] = Math.round(128 + (127 * all[from * units + to]) / (most || 1));
    }
    return looks;
  }

  /** The weight under the pointer. */
  #near(event) {
    if (!this.layout || event.target.closest('button')) {
      this.#hover(null);
      return;
    }
    const box = this.canvas.getBoundingClientRect();
    const [u, v] = [event.clientX - box.left, event.clientY - box.top];
    const { unit, columns } = this.layout;
    let nearest = null;
    let least = 7;
    for (let layer = 0; layer + 1 < columns.length; layer++) {
      const [x0, x1] = [columns[layer][0][0] + unit / 2, columns[layer + 1][0][0] - unit / 2];
      if (u < x0 || u > x1 || this.view.sizes[layer] !== columns[layer].length) continue;
      // Where a curve with level ends stands at u: x is nearly linear in the curve's parameter.
      let s = (u - x0) / (x1 - x0);
      for (let k = 0; k < 4; k++) {
        const x = 3 * s * (1 - s) ** 2 * 0.45 + 3 * s * s * (1 - s) * 0.55 + s ** 3;
        s = Math.max(0, Math.min(1, s + ((u - x0) / (x1 - x0) - x) * 0.8));
      }
      const share = s * s * (3 - 2 * s);
      columns[layer].forEach(([, y0], from) =>
        columns[layer + 1].forEach(([, y1], to) => {
          const distance = Math.abs(y0 + (y1 - y0) * share - v);
          if (distance < least) {
            least = distance;
            nearest = { layer, from, to, x: u, y: v };
          }
        }),
      );
    }
    this.#hover(nearest);
  }

  #hover(weight) {
    const key = (w) => w && `${w.layer}.${w.from}.${w.to}`;
    if (key(weight) === key(this.hovered)) return;
    this.hovered = weight;
    this.draw();
    this.hoverWeight(weight && { ...weight, value: this.#weight(weight.layer, weight.from, weight.to) });
  }
}
