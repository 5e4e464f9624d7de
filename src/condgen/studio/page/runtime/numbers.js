// Numbers in texts, and texts of numbers, as Python reads and writes them.

/** The number in a text, or null. @param {unknown} text @returns {number | null} */
export function number(text) {
  const word = String(text).trim().toLowerCase();
  if (/^[+-]?inf(inity)?$/.test(word)) return word[0] === "-" ? -Infinity : Infinity;
  if (word === "nan") return NaN;
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/.test(word) ? Number(word) : null;
}

/** A number with up to so many significant digits, as Python's format `g`. @param {number} x @param {number} [digits] */
export function general(x, digits = 6) {
  if (!Number.isFinite(x)) return Number.isNaN(x) ? "nan" : x > 0 ? "inf" : "-inf";
  if (x === 0) return Object.is(x, -0) ? "-0" : "0";
  const [mantissa, exponent] = x.toExponential(digits - 1).split("e");
  const trimmed = (/** @type {string} */ text) => (text.includes(".") ? text.replace(/\.?0+$/, "") : text);
  const power = Number(exponent);
  if (power >= -4 && power < digits) return trimmed(x.toFixed(Math.max(digits - 1 - power, 0)));
  return `${trimmed(mantissa)}e${power < 0 ? "-" : "+"}${String(Math.abs(power)).padStart(2, "0")}`;
}

/** The text of a number without a trailing `.0`, so that 5.0 and 5 name the same category. @param {unknown} value */
export function plainNumber(value) {
  const found = number(value);
  return found !== null && Number.isInteger(found) ? String(found) : String(value);
}

/** The numbers in a list or a text, or null. @param {unknown} value @returns {number[] | null} */
export function numbersIn(value) {
  const list = typeof value === "string" ? split(value) : Array.isArray(value) ? value : [];
  const numbers = list.map(number);
  return numbers.length && numbers.every((each) => each !== null) ? /** @type {number[]} */ (numbers) : null;
}

/** @param {string} text */
function split(text) {
  const inner = text.trim().replace(/^[[\]()]+|[[\]()]+$/g, "");
  return (inner === text.trim() ? inner : inner.replaceAll(",", " ")).split(/\s+/).filter(Boolean);
}
