// The images of digits: the worst mistakes, and a field to write one in.

import { t } from './texts.js';

const SIDE = 8;
/** The side of the field in pixels that are drawn on: each of the image's is a square of them. */
const FINE = 32;

/** Draws an image, 0 white and 255 black. */
function paintImage(canvas, pixels) {
  canvas.width = canvas.height = SIDE;
  const context = canvas.getContext('2d');
  const image = context.createImageData(SIDE, SIDE);
  for (let at = 0; at < SIDE * SIDE; at++) {
    image.data.fill(255 - pixels[at], 4 * at, 4 * at + 3);
    image.data[4 * at + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}

export class Digits {
  /** `classify` answers what the network makes of 64 pixels from 0 to 16. */
  constructor(root, { classify, choose }) {
    Object.assign(this, { root, classify, choose });
    this.pad = root.querySelector('.pad canvas');
    this.ink = new Float32Array(FINE * FINE);
    const write = (event) => {
      if (event.buttons === 0 && event.type === 'pointermove') return;
      const box = this.pad.getBoundingClientRect();
      this.#blot(((event.clientX - box.left) / box.width) * FINE, ((event.clientY - box.top) / box.height) * FINE);
    };
    this.pad.addEventListener('pointerdown', (event) => {
      this.pad.setPointerCapture(event.pointerId);
      write(event);
    });
    this.pad.addEventListener('pointermove', write);
    root.querySelector('.pad button').addEventListener('click', () => {
      this.ink.fill(0);
      this.#show();
    });
    this.#show();
  }

  /** As thick as a pen is on the images of the data set. */
  #blot(u, v) {
    const reach = 2.6;
    for (let y = Math.max(0, Math.floor(v - reach)); y < Math.min(FINE, v + reach); y++) {
      for (let x = Math.max(0, Math.floor(u - reach)); x < Math.min(FINE, u + reach); x++) {
        if (Math.hypot(x + 0.5 - u, y + 0.5 - v) < reach) this.ink[y * FINE + x] = 1;
      }
    }
    this.#show();
  }

  /** How many of each square's pixels are black, as the data set was made. */
  pixels() {
    const square = FINE / SIDE;
    return Array.from({ length: SIDE * SIDE }, (_, at) => {
      let sum = 0;
      for (let y = 0; y < square; y++) {
        for (let x = 0; x < square; x++) {
          sum += this.ink[(Math.floor(at / SIDE) * square + y) * FINE + (at % SIDE) * square + x];
        }
      }
      return sum;
    });
  }

  async #show() {
    const { pad } = this;
    pad.width = pad.height = FINE;
    const context = pad.getContext('2d');
    const image = context.createImageData(FINE, FINE);
    this.ink.forEach((ink, at) => {
      image.data.fill(ink ? 20 : 255, 4 * at, 4 * at + 3);
      image.data[4 * at + 3] = 255;
    });
    context.putImageData(image, 0, 0);
    await this.read();
  }

  /** Asks what the network makes of what has been written. */
  async read() {
    const bars = this.root.querySelector('.bars');
    if (!this.ink.some((ink) => ink)) {
      bars.replaceChildren();
      return;
    }
    if (this.reading) {
      this.again = true;
      return;
    }
    this.reading = true;
    do {
      this.again = false;
      const said = await this.classify(this.pixels());
      if (said) {
        bars.replaceChildren(
          ...said.map((p, digit) => {
            const row = document.createElement('div');
            const bar = document.createElement('i');
            bar.style.width = `${100 * p}%`;
            row.append(String(digit), bar);
            row.title = `${(100 * p).toFixed(1)} %`;
            return row;
          }),
        );
      }
    } while (this.again);
    this.reading = false;
  }

  /** `worst` holds, of each mistake, its place in the test set, what it was taken for, and the true digit's probability. */
  update({ worst, images, answers }) {
    const gallery = this.root.querySelector('.gallery');
    const buttons = [];
    for (let at = 0; at < worst.length; at += 3) {
      const [index, named, share] = worst.slice(at, at + 3);
      const button = document.createElement('button');
      button.type = 'button';
      const canvas = document.createElement('canvas');
      paintImage(canvas, images.subarray(64 * index, 64 * index + 64));
      button.append(canvas, `${answers[index]} → ${named}`);
      button.title = t('mistaken', answers[index], named, `${(100 * share).toFixed(1)} %`);
      button.addEventListener('click', () => this.choose({ part: 'test', index }));
      buttons.push(button);
    }
    gallery.replaceChildren(...buttons);
  }
}
