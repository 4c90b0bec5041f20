// Colours that most kinds of colour blindness leave apart (Okabe & Ito 2008), and marks that do
// without them.

const LIGHT = ['#0072b2', '#e69f00', '#009e73', '#cc79a7', '#56b4e9', '#d55e00', '#8c7a00', '#7a5195', '#5a5a5a', '#8a4b2d'];
const DARK = ['#3d9be0', '#f0ab2e', '#2bbf93', '#de93bd', '#86cbf3', '#f07b3a', '#d8cf4a', '#b28fd0', '#b0b0b0', '#cf8d6a'];

const rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));

export const isDark = () => {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
};

export const classColor = (index) => (isDark() ? DARK : LIGHT)[index % 10];
export const classRgb = (index) => rgb(classColor(index));

/** What a style sheet's variable says. */
export const variable = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** Negative, nothing, positive. */
export function signRgb() {
  return [classRgb(1), rgb(isDark() ? '#1b1d21' : '#ffffff'), classRgb(0)];
}

export const signColor = (value) => classColor(value < 0 ? 1 : 0);

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
