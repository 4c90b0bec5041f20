// The setting in the address line: what departs from the setting a page begins with.

import { missionOf, missionStart } from './missions.js';

const PARTS = ['data', 'model', 'loss', 'optimizer'];

const isSame = (a, b) => JSON.stringify(a) === JSON.stringify(b);

export function toHash(setting, start, mission = null) {
  const words = [];
  if (mission) {
    words.push(`mission=${mission}`);
    start = missionStart(mission, start);
  }
  for (const part of PARTS) {
    for (const [name, value] of Object.entries(setting[part])) {
      if (isSame(value, start[part][name])) continue;
      // A table of one's own is too long for an address.
      if (name === 'table' && value.includes('\n')) continue;
      words.push(`${part}.${name}=${encode(name, value)}`);
    }
  }
  return words.join('&');
}

/** The setting that an address describes. What is not understood is left as it is. */
export function fromHash(hash, start) {
  const mission = missionOf(hash);
  const setting = mission ? missionStart(mission, start) : structuredClone(start);
  for (const word of hash.replace(/^#/, '').split('&')) {
    const [, part, name, text] = /^(\w+)\.(\w+)=(.*)$/.exec(word) ?? [];
    if (!PARTS.includes(part) || !Object.hasOwn(start[part], name)) continue;
    const value = decode(name, text, start[part][name]);
    if (value !== undefined) setting[part][name] = value;
  }
  return setting;
}

function encode(name, value) {
  if (name === 'points') return value.map(([x, y, c]) => `${Number(x.toFixed(3))}_${Number(y.toFixed(3))}_${c}`).join(',');
  if (Array.isArray(value)) return value.map(encodeURIComponent).join(',');
  return encodeURIComponent(value);
}

function decode(name, text, like) {
  try {
    if (name === 'points') {
      const points = text ? text.split(',').map((point) => point.split('_').map(Number)) : [];
      return points.every((p) => p.length === 3 && p.every(Number.isFinite)) ? points : undefined;
    }
    if (name === 'hidden') {
      const sizes = text ? text.split(',').map(Number) : [];
      return sizes.every(Number.isInteger) ? sizes : undefined;
    }
    if (Array.isArray(like)) return text ? text.split(',').map(decodeURIComponent) : [];
    if (typeof like === 'boolean') return text === 'true';
    if (typeof like === 'number') return text !== '' && Number.isFinite(Number(text)) ? Number(text) : undefined;
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
