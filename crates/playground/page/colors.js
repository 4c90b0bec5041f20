// Colours that most kinds of colour blindness leave apart (Okabe & Ito 2008), and marks that do
// without them.

const LIGHT = ['#0072b2', '#e69f00', '#009e73', '#cc79a7', '#56b4e9', '#d55e00', '#8c7a00', '#7a5195', '#5a5a5a', '#8a4b2d'];
const DARK = ['#3d9be0', '#f0ab2e', '#2bbf93', '#de93bd', '#86cbf3', '#f07b3a', '#d8cf4a', '#b28fd0', '#b0b0b0', '#cf8d6a'];

const rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));

/** What has been asked of the style sheet, which is slow to answer. */
let known = null;

/** The theme may have changed. */
export const forgetColors = () => (known = null);

function colors() {
  if (known) return known;
  const chosen = document.documentElement.dataset.theme;
  const dark = chosen ? chosen === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  const names = dark ? DARK : LIGHT;
  return (known = { dark, names, classes: names.map(rgb), variables: new Map(), ramps: new Map() });
}

export const isDark = () => colors().dark;

export const classColor = (index) => colors().names[index % 10];
export const classRgb = (index) => colors().classes[index % 10];

/** What a style sheet's variable says. */
export function variable(name) {
  const { variables } = colors();
  if (!variables.has(name)) variables.set(name, getComputedStyle(document.documentElement).getPropertyValue(name).trim());
  return variables.get(name);
}

/** Negative, nothing, positive. */
export function signRgb() {
  return [classRgb(1), rgb(isDark() ? '#1b1d21' : '#ffffff'), classRgb(0)];
}

export const signColor = (value) => classColor(value < 0 ? 1 : 0);

const mix = (from, to, share) => from.map((c, k) => Math.round(c + (to[k] - c) * share));

/** A pixel, as it lies in an image's memory on all machines that browsers run on. */
const pixel = ([r, g, b]) => ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;

/** The pixels of 256 steps from one end to the other: `color` says what is at a share of them. */
export function ramp(name, color) {
  const { ramps } = colors();
  if (!ramps.has(name)) ramps.set(name, Uint32Array.from({ length: 256 }, (_, step) => pixel(color(step))));
  return ramps.get(name);
}

/** From the negative to the positive: `middle` is nothing, and `most` how strong the ends are. */
export function signRamp(middle, most) {
  return ramp(`sign ${middle} ${most}`, (step) => {
    const [low, paper, high] = signRgb();
    const value = Math.max(-1, Math.min(1, (step - middle) / 127));
    return mix(paper, value < 0 ? low : high, Math.abs(value) * most);
  });
}

/** Of a class that wins by so many 255ths. */
export const classRamp = (index) => ramp(`class ${index % 10}`, (step) => mix(signRgb()[1], classRgb(index), 0.1 + (0.62 * step) / 255));

/** The path of a mark: each class has its own shape. */
export function mark(context, shape, x, y, r) {
  context.beginPath();
  switch (shape % 5) {
    case 0:
      context.arc(x, y, r, 0, 2 * Math.PI);
      break;
    case 1:
      context.rect(x - 0.88 * r, y - 0.88 * r, 1.76 * r, 1.76 * r);
      break;
    case 2:
      context.moveTo(x, y - 1.25 * r);
      context.lineTo(x + 1.15 * r, y + 0.8 * r);
      context.lineTo(x - 1.15 * r, y + 0.8 * r);
      context.closePath();
      break;
    case 3:
      context.moveTo(x, y - 1.3 * r);
      context.lineTo(x + 1.3 * r, y);
      context.lineTo(x, y + 1.3 * r);
      context.lineTo(x - 1.3 * r, y);
      context.closePath();
      break;
    default:
      context.moveTo(x, y + 1.25 * r);
      context.lineTo(x + 1.15 * r, y - 0.8 * r);
      context.lineTo(x - 1.15 * r, y - 0.8 * r);
      context.closePath();
  }
}

/** A canvas' context, its size in CSS pixels made that of the element. */
export function fit(canvas) {
  const ratio = Math.min(devicePixelRatio || 1, 2);
  const { clientWidth: width, clientHeight: height } = canvas;
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
  }
  const context = canvas.getContext('2d');
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}
