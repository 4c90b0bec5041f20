// The setting in the address line: what departs from the setting a page begins with.

import { toast } from './dom.js';
import { missionOf, missionStart } from './missions.js';
import { page } from './state.js';
import { t } from './texts.js';

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
      // A table of one's own goes into a link only when one is asked for.
      if (name === 'table' && value.includes('\n')) continue;
      words.push(`${part}.${name}=${encode(name, value)}`);
    }
  }
  return words.join('&');
}

/** The setting that an address describes. What is not understood is left as it is. */
export async function fromHash(hash, start) {
  const mission = missionOf(hash);
  const setting = mission ? missionStart(mission, start) : structuredClone(start);
  for (const word of hash.replace(/^#/, '').split('&')) {
    const [, part, name, text] = /^(\w+)\.(\w+)=(.*)$/.exec(word) ?? [];
    if (part === 'packed' && name === 'table') setting.data.table = await unpack(text);
    if (!PARTS.includes(part) || !Object.hasOwn(start[part], name)) continue;
    const value = decode(name, text, start[part][name]);
    if (value !== undefined) setting[part][name] = value;
  }
  return setting;
}

/** The longest that a packed table may be in a link, in characters. */
const MOST_PACKED = 16000;

/** Copies a link to what is here, a table of one's own included if it is not too long. */
export async function copyLink() {
  const { table } = page.description.setting.data;
  let link = location.href;
  let text = 'copied';
  if (page.description.setting.data.source === 'table' && table.includes('\n')) {
    const packed = await pack(table);
    if (packed.length <= MOST_PACKED) link += `&packed.table=${packed}`;
    else text = 'copied_without';
  }
  try {
    await navigator.clipboard.writeText(link);
    toast(t(text));
  } catch {
    prompt(t(text), link);
  }
}

const through = (bytes, stream) => new Response(new Blob([bytes]).stream().pipeThrough(stream));

/** Text, compressed, in letters that an address holds as they are. */
async function pack(text) {
  const bytes = new Uint8Array(await through(text, new CompressionStream('deflate-raw')).arrayBuffer());
  const letters = Array.from(bytes, (byte) => String.fromCharCode(byte)).join('');
  return btoa(letters).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
}

async function unpack(text) {
  try {
    const bytes = Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0));
    return await through(bytes, new DecompressionStream('deflate-raw')).text();
  } catch {
    return '';
  }
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
