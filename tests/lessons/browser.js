// What is done to a report's page in frames of several widths, with its script and without, and what
// is then wrong with it: a line each, in the element `seen`.
onload = async () => {
  const wrong = [];
  for (const frame of document.querySelectorAll('iframe')) {
    const complain = what => wrong.push(`${frame.width} px${frame.sandbox.length ? ', no script' : ''}: ${what}`);
    try {
      await examine(frame, complain);
    } catch (error) {
      complain(`the probe failed: ${error.stack}`);
    }
  }
  document.querySelector('#seen').textContent = `[${wrong.join('\n')}]`;
};

const pause = time => new Promise(done => setTimeout(done, time));

async function examine(frame, complain) {
  const page = frame.contentDocument, root = page.documentElement;
  const scripted = !frame.sandbox.length, Window = frame.contentWindow;
  if (root.scrollWidth > frame.clientWidth) complain(`it is ${root.scrollWidth} px wide`);
  if (scripted && frame.dataset.tallest && root.scrollHeight > frame.dataset.tallest) complain(`it is ${root.scrollHeight} px high`);
  const requests = Window.performance.getEntriesByType('resource').map(entry => entry.name);
  if (requests.length) complain(`it asks for ${requests}`);
  const from_elsewhere = page.querySelector('[src], link, image, object, embed, iframe');
  if (from_elsewhere) complain(`it needs ${from_elsewhere.outerHTML}`);
  // All of it is in view, so that what lies under a text can be found.
  const before = frame.height;
  frame.height = root.scrollHeight;
  const pictures = [...page.querySelectorAll('svg')].filter(svg => svg.getBoundingClientRect().width > 0);
  if (!pictures.length) complain('no picture is shown');
  if (!scripted && pictures.length !== page.querySelectorAll('svg').length) complain('pictures are hidden');
  if (!scripted && page.querySelector('.time')) complain('there is a slider that nothing moves');
  for (const picture of pictures) texts_apart(picture, complain);
  contrasts(page, complain);
  if (scripted) {
    hover(page, Window, frame, complain);
    await slide(page, Window, complain);
    for (const picture of page.querySelectorAll('svg')) {
      if (picture.getBoundingClientRect().width > 0) texts_apart(picture, complain);
    }
  }
  frame.height = before;
}

/** The box of a text's ink: a line is higher than its letters. */
function ink(text) {
  const { left, top, right, bottom } = text.getBoundingClientRect();
  const upright = (text.getAttribute('transform') ?? '').includes('rotate(-90');
  const across = upright ? right - left : bottom - top;
  const trim = 0.22 * across;
  return upright
    ? { left: left + trim, top, right: right - trim, bottom }
    : { left, top: top + trim, right, bottom: bottom - trim };
}

function texts_apart(picture, complain) {
  const title = picture.querySelector('title')?.textContent;
  const sheet = picture.getBoundingClientRect();
  const texts = [...picture.querySelectorAll('text')].map(text => ({ text: text.textContent, box: ink(text) }));
  for (const [index, { text, box }] of texts.entries()) {
    if (box.left < sheet.left - 1 || box.right > sheet.right + 1 || box.top < sheet.top - 1 || box.bottom > sheet.bottom + 1)
      complain(`“${title}”: ${text} sticks out`);
    for (const other of texts.slice(index + 1)) {
      const wide = Math.min(box.right, other.box.right) - Math.max(box.left, other.box.left);
      const high = Math.min(box.bottom, other.box.bottom) - Math.max(box.top, other.box.top);
      if (wide > 1 && high > 1) complain(`“${title}”: ${text} stands over ${other.text}`);
    }
  }
}

const color = text => {
  const [red, green, blue, alpha = 1] = (text.match(/[\d.]+/g) ?? [0, 0, 0, 0]).map(Number);
  return { red, green, blue, alpha };
};
const over = (upper, lower) => {
  const mix = part => upper.alpha * upper[part] + (1 - upper.alpha) * lower[part];
  return { red: mix('red'), green: mix('green'), blue: mix('blue'), alpha: upper.alpha + (1 - upper.alpha) * lower.alpha };
};
const luminance = ({ red, green, blue }) => {
  const linear = part => (part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4);
  return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
};
const contrast = (a, b) => {
  const [dark, light] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (light + 0.05) / (dark + 0.05);
};

/** What an element paints at one of its points. */
function paint(element) {
  const style = getComputedStyle(element);
  const part = element instanceof element.ownerDocument.defaultView.SVGElement
    ? (style.fill === 'none' ? style.stroke : style.fill) : style.backgroundColor;
  if (element.localName === 'svg' || part === 'none') return { red: 0, green: 0, blue: 0, alpha: 0 };
  const painted = color(part);
  return { ...painted, alpha: painted.alpha * style.opacity };
}

function contrasts(page, complain) {
  const walker = page.createTreeWalker(page.body, NodeFilter.SHOW_TEXT);
  const seen = new Set();
  while (walker.nextNode()) {
    const { parentElement: element, textContent } = walker.currentNode;
    if (!textContent.trim() || element.closest('script, style, title, datalist, [hidden]')) continue;
    const range = page.createRange();
    range.selectNodeContents(walker.currentNode);
    const box = range.getClientRects()[0];
    if (!box || !box.width) continue;
    const style = getComputedStyle(element), is_picture = element.namespaceURI.includes('svg');
    let under;
    if (is_picture && style.paintOrder.startsWith('stroke') && style.stroke !== 'none') {
      under = color(style.stroke);
    } else {
      const stack = page.elementsFromPoint(box.left + box.width / 2, box.top + box.height / 2);
      // Scrolled out of its box.
      if (!stack.includes(element)) continue;
      const below = stack.filter(it => it.localName !== 'text');
      under = below.reduce((upper, it) => over(upper, paint(it)), { red: 0, green: 0, blue: 0, alpha: 0 });
    }
    const ink = color(is_picture ? style.fill : style.color);
    const ratio = contrast(over({ ...ink, alpha: ink.alpha * style.opacity }, under), under);
    const what = `${textContent.trim().slice(0, 30)} has a contrast of ${ratio.toFixed(2)}`;
    if (ratio < 4.5 && !seen.has(what)) complain(what);
    seen.add(what);
  }
}

/** Values are told on each chart, within the page. */
function hover(page, Window, frame, complain) {
  const tip = page.querySelector('.tip');
  for (const chart of page.querySelectorAll('g[data-frame]')) {
    const svg = chart.ownerSVGElement, [left, top, width, height] = chart.dataset.frame.split(' ').map(Number);
    if (!svg.getBoundingClientRect().width) continue;
    const matrix = svg.getScreenCTM(), title = svg.querySelector('title').textContent;
    const names = new Set([...chart.querySelectorAll('[data-name]')].map(line => line.dataset.name));
    let told = names.size === 0;
    for (const across of [0.02, 0.3, 0.6, 0.98]) {
      const at = new DOMPoint(left + across * width, top + 0.5 * height).matrixTransform(matrix);
      svg.dispatchEvent(new Window.PointerEvent('pointermove', { clientX: at.x, clientY: at.y }));
      if (tip.hidden || !tip.textContent.startsWith(chart.dataset.label)) complain(`“${title}” tells nothing`);
      if (/NaN|undefined|Infinity/.test(tip.textContent)) complain(`“${title}” tells ${tip.textContent}`);
      const box = tip.getBoundingClientRect();
      if (box.right > frame.clientWidth || box.left < 0) complain(`“${title}”: what it tells is cut off`);
      told ||= [...names].some(name => tip.textContent.includes(`${name}: `));
    }
    if (!told) complain(`“${title}” tells the value of no line`);
    svg.dispatchEvent(new Window.PointerEvent('pointerleave', {}));
    if (!tip.hidden) complain(`“${title}” tells when nobody asks`);
  }
}

/** The slider moves all pictures and lines together, and plays up to the next mark. */
async function slide(page, Window, complain) {
  const slider = page.querySelector('.time input');
  const boxes = [...page.querySelectorAll('.frames')];
  if (!slider) {
    if (boxes.length) complain('there is no slider');
    return;
  }
  const output = page.querySelector('.time output'), button = page.querySelector('.time button');
  const lines = () => [...page.querySelectorAll('line[stroke=currentColor]')].map(line => line.getAttribute('x1'));
  const shown = () => boxes.map(box => [...box.children].filter(it => !it.hidden).map(it => it.dataset.step).join());
  const move = value => {
    slider.value = value;
    slider.dispatchEvent(new Window.Event('input'));
    const now = +(output.textContent.match(/step (\d+)/)?.[1] ?? 0);
    shown().forEach((step, index) => {
      const steps = [...boxes[index].children].map(it => +it.dataset.step);
      const wanted = steps.filter(it => it <= now).pop() ?? steps[0];
      if (+step !== wanted) complain(`at step ${now} a picture is that of ${step}, not of ${wanted}`);
    });
    return [shown(), lines()];
  };
  const [first, first_lines] = move(0);
  let last, last_lines;
  for (let value = 0; value <= +slider.max; value++) [last, last_lines] = move(value);
  first.forEach((step, index) => {
    if (boxes[index].children.length > 1 && step === last[index]) complain(`picture ${index} stands still`);
  });
  first_lines.forEach((x, index) => {
    if (x === last_lines[index]) complain(`line ${index} stands still`);
  });
  const marked = [...page.querySelectorAll('datalist option')].map(option => option.value);
  move(0);
  const stops = [];
  for (let rounds = 0; +slider.value < +slider.max && rounds < 50; rounds++) {
    button.click();
    if (button.textContent !== '❚❚') complain('it does not play');
    while (button.textContent === '❚❚') await pause(100);
    stops.push(slider.value);
  }
  const wanted = [...new Set([...marked.filter(it => it > 0), slider.max])];
  if (stops.join() !== wanted.join()) complain(`it stops at ${stops}, not at ${wanted}`);
}
