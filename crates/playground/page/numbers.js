// Numbers as text.

const superscript = (n) => String(n).replace(/./g, (c) => '⁰¹²³⁴⁵⁶⁷⁸⁹'['0123456789'.indexOf(c)] ?? '⁻');

/** A few digits, with a true minus sign. */
export function short(value, digits = 3) {
  return format(value, digits);
}

/** Six digits. */
export const six = (value) => format(value, 6);

function format(value, digits) {
  if (typeof value === 'string') return value.replace('-', '−').replace('inf', '∞');
  if (value === undefined || value === null) return '–';
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value < 0 ? '−∞' : '∞';
  if (value === 0) return '0';
  const size = Math.abs(value);
  let text;
  if (size >= 1e6 || size < 1e-4) {
    const [mantissa, exponent] = value.toExponential(digits - 1).split('e');
    text = `${Number(mantissa)}·10${superscript(Number(exponent))}`;
  } else {
    text = String(Number(value.toPrecision(digits)));
  }
  return text.replace('-', '−');
}
