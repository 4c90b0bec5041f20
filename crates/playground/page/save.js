// What can be taken away.

import { page, parts } from './state.js';

export function save(name, parts, type) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob(parts, { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

/** All parameters, as PyTorch, JAX and others read them. */
export function saveWeights() {
  const header = {};
  const parts = [];
  let at = 0;
  for (const [name, shape] of page.description.names) {
    const values = page.frame.arrays[name];
    header[name] = { dtype: 'F32', shape, data_offsets: [at, at + values.byteLength] };
    parts.push(values);
    at += values.byteLength;
  }
  let text = JSON.stringify(header);
  text = text.padEnd(Math.ceil(text.length / 8) * 8, ' ');
  const length = new DataView(new ArrayBuffer(8));
  length.setBigUint64(0, BigInt(text.length), true);
  save(`step-${page.frame.step}.safetensors`, [length.buffer, text, ...parts], 'application/octet-stream');
}

export function saveRecord() {
  const { arrays } = page.record;
  const names = Object.keys(arrays).filter((name) => name.startsWith('curve.'));
  names.sort((a, b) => (b === 'curve.step') - (a === 'curve.step'));
  const columns = names.map((name) => arrays[name]);
  const rows = [...columns[0]].map((_, at) => columns.map((column) => (Number.isFinite(column[at]) ? Number(column[at].toPrecision(9)) : '')).join(','));
  save('record.csv', [[names.map((name) => name.slice(6)).join(','), ...rows, ''].join('\n')], 'text/csv');
}

/** The decision map: its colours as an image, and its points as marks. */
export function saveMap() {
  save(`step-${page.frame.step}.svg`, [parts.map.toSvg()], 'image/svg+xml');
}
