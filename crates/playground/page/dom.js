// What every part of the page needs of it.

export const $ = (selector) => document.querySelector(selector);

export const remembered = {
  get: (name) => {
    try {
      return localStorage.getItem(name);
    } catch {
      return null;
    }
  },
  set: (name, value) => {
    try {
      localStorage.setItem(name, value);
    } catch {
      // A page that may not remember forgets.
    }
  },
};

export function say(text, action) {
  const banner = $('#banner');
  banner.hidden = !text;
  banner.querySelector('span').textContent = text ?? '';
  const button = banner.querySelector('button');
  button.hidden = !action;
  if (action) {
    button.textContent = action.text;
    button.onclick = action.work;
  }
}

let toastEnds;

export function toast(text) {
  const element = $('#toast');
  element.textContent = text;
  element.classList.add('shown');
  clearTimeout(toastEnds);
  toastEnds = setTimeout(() => element.classList.remove('shown'), 2500);
}

export const percent = (value) => (typeof value === 'number' ? `${(value * 100).toFixed(1)}\u00a0%` : '–');
