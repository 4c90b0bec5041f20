// What has been recorded, as curves over the steps.

import { fit, variable } from './colors.js';
import { short } from './numbers.js';

export class Curves {
  /** `lines` says which columns are drawn: name, colour's variable, whether dashed, label. */
  constructor(canvas, { lines, logarithmic = false, range = null, seek }) {
    Object.assign(this, { canvas, lines, logarithmic, range, seek });
    canvas.addEventListener('pointermove', (event) => {
      this.pointer = event.offsetX;
      this.draw();
    });
    canvas.addEventListener('pointerleave', () => {
      this.pointer = null;
      this.draw();
    });
    canvas.addEventListener('click', (event) => {
      if (this.data) this.seek(Math.round(this.#step(event.offsetX)));
    });
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  update(data) {
    this.data = data;
    this.draw();
  }

  #step(x) {
    const { left, right } = this.box;
    const share = Math.max(0, Math.min(1, (x - left) / (right - left)));
    return share * Math.max(1, this.data.end);
  }

  draw() {
    const { canvas, data } = this;
    if (!data || !canvas.clientWidth) return;
    const { context, width, height } = fit(canvas);
    const left = 44;
    const box = (this.box = { left, right: width - 8, top: 8, bottom: height - 18 });
    const lines = this.lines(data).filter((line) => line.values);
    const usable = (y) => Number.isFinite(y) && (!this.logarithmic || y > 0);
    let [low, high] = this.range ?? [Infinity, -Infinity];
    if (!this.range) {
      for (const { values } of lines) {
        for (const y of values) {
          if (!usable(y)) continue;
          if (y < low) low = y;
          if (y > high) high = y;
        }
      }
      if (!(low <= high)) [low, high] = [this.logarithmic ? 0.1 : 0, 1];
      if (this.logarithmic) {
        [low, high] = [Math.log10(low) - 0.05, Math.log10(high) + 0.05];
        if (high - low < 0.4) [low, high] = [(low + high) / 2 - 0.2, (low + high) / 2 + 0.2];
      } else {
        low = Math.min(0, low);
        high += (high - low) * 0.06 || 1;
      }
    }
    const end = Math.max(1, data.end);
    const x = (step) => box.left + ((box.right - box.left) * step) / end;
    const y = (value) => {
      const v = this.logarithmic ? Math.log10(value) : value;
      return box.bottom - ((box.bottom - box.top) * (v - low)) / (high - low);
    };
    context.font = `11px ${variable('--sans')}`;
    context.fillStyle = variable('--soft');
    context.strokeStyle = variable('--rule');
    context.lineWidth = 1;
    context.textAlign = 'right';
    context.textBaseline = 'middle';
    for (const tick of this.#ticks(low, high)) {
      const at = y(tick);
      context.beginPath();
      context.moveTo(box.left, at);
      context.lineTo(box.right, at);
      context.stroke();
      context.fillText(short(tick), box.left - 6, at);
    }
    context.textAlign = 'left';
    context.fillText('0', box.left, height - 7);
    context.textAlign = 'right';
    context.fillText(data.end.toLocaleString(), box.right, height - 7);

    context.save();
    context.beginPath();
    context.rect(box.left, 0, box.right - box.left, box.bottom + 1);
    context.clip();
    for (const { values, steps = data.steps, color, dashed, faint } of lines) {
      context.strokeStyle = color;
      context.globalAlpha = faint ? 0.45 : 1;
      context.lineWidth = 1.6;
      context.setLineDash(dashed ? [4, 3] : []);
      context.beginPath();
      let pen = false;
      for (let index = 0; index < steps.length && steps[index] <= end; index++) {
        if (!usable(values[index])) {
          pen = false;
          continue;
        }
        const [u, v] = [x(steps[index]), y(values[index])];
        if (pen) context.lineTo(u, v);
        else context.moveTo(u, v);
        pen = true;
      }
      context.stroke();
    }
    context.restore();
    for (const change of data.changes ?? []) if (change > 0) this.#tick(context, x(change), box);
    if (data.step < data.end) {
      context.fillStyle = variable('--paper');
      context.globalAlpha = 0.6;
      context.fillRect(x(data.step), box.top, box.right - x(data.step), box.bottom - box.top);
      context.globalAlpha = 1;
    }
    this.#upright(context, x(data.step), box, variable('--ink'));
    if (this.pointer != null) this.#read(context, lines, x, y, box, width);
  }

  #ticks(low, high) {
    const ticks = [];
    if (this.logarithmic) {
      const fine = high - low < 1.5 ? [1, 2, 5] : high - low < 4 ? [1, 3] : [1];
      for (let power = Math.floor(low); power <= high; power++) {
        for (const factor of fine) {
          const value = factor * 10 ** power;
          if (Math.log10(value) >= low && Math.log10(value) <= high) ticks.push(value);
        }
      }
      if (ticks.length < 2) return this.#evenly(10 ** low, 10 ** high);
      return ticks.length > 7 ? ticks.filter((_, index) => index % Math.ceil(ticks.length / 7) === 0) : ticks;
    }
    return this.#evenly(low, high);
  }

  #evenly(low, high) {
    const ticks = [];
    const raw = (high - low) / 4;
    const power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].map((f) => f * power).find((s) => s >= raw);
    for (let value = Math.ceil(low / step) * step; value <= high; value += step) ticks.push(Math.abs(value) < step / 1e6 ? 0 : value);
    return ticks;
  }

  #upright(context, at, box, color) {
    context.strokeStyle = color;
    context.lineWidth = 1;
    context.beginPath();
    context.moveTo(at, box.top);
    context.lineTo(at, box.bottom);
    context.stroke();
  }

  /** A mark where something was changed. */
  #tick(context, at, box) {
    context.fillStyle = variable('--soft');
    context.beginPath();
    context.moveTo(at - 3.5, box.bottom);
    context.lineTo(at + 3.5, box.bottom);
    context.lineTo(at, box.bottom - 6);
    context.fill();
  }

  #read(context, lines, x, y, box, width) {
    const step = this.#step(this.pointer);
    const { steps } = this.data;
    if (!steps?.length) return;
    let nearest = 0;
    for (let index = 1; index < steps.length; index++) {
      if (Math.abs(steps[index] - step) < Math.abs(steps[nearest] - step)) nearest = index;
    }
    const at = x(steps[nearest]);
    this.#upright(context, at, box, variable('--soft'));
    const texts = [`${steps[nearest].toLocaleString()}`];
    for (const { values, label, faint } of lines) {
      if (!faint && Number.isFinite(values[nearest])) texts.push(`${label} ${short(values[nearest])}`);
    }
    const text = texts.join('   ');
    context.font = `11px ${variable('--mono')}`;
    const w = context.measureText(text).width + 10;
    const start = Math.max(2, Math.min(width - w - 2, at - w / 2));
    context.fillStyle = variable('--paper');
    context.globalAlpha = 0.92;
    context.fillRect(start, box.top, w, 17);
    context.globalAlpha = 1;
    context.fillStyle = variable('--ink');
    context.textAlign = 'left';
    context.fillText(text, start + 5, box.top + 9);
  }
}
