// Batches of numbers, [batch, ...], and arithmetic on them. Each result is rounded to 32 bits.

/** @typedef {{data: Float32Array, dims: number[]}} Tensor */

/** A number, or one for each sample of a batch. @typedef {number | ArrayLike<number>} Weight */

/** The sum of weighted tensors of one shape: Σ w x. @param {...[Weight, Tensor]} terms @returns {Tensor} */
export function sum(...terms) {
  const [, { data: { length }, dims }] = terms[0];
  const data = new Float32Array(length);
  const size = length / dims[0];
  for (let i = 0; i < length; i++) {
    const sample = Math.floor(i / size);
    let total = 0;
    for (const [w, x] of terms) total += (typeof w === "number" ? w : w[sample]) * x.data[i];
    data[i] = total;
  }
  return { data, dims };
}

/** The samples of one tensor under a mask, and those of another elsewhere. @param {boolean[]} mask @param {Tensor} x @param {Tensor} y @returns {Tensor} */
export function where(mask, x, y) {
  const size = x.data.length / x.dims[0];
  return { data: x.data.map((value, i) => (mask[Math.floor(i / size)] ? value : y.data[i])), dims: x.dims };
}

/** Changes of x where a mask is 1, x itself where it is 0, and their mixture in between, as condgen's runs/editing.py.
 * @param {Float32Array} mask of one channel @param {Tensor} x @param {Tensor} changed @returns {Tensor} */
export const masked = (mask, x, changed) =>
  ({ data: x.data.map((value, i) => value + mask[i % mask.length] * (changed.data[i] - value)), dims: x.dims });

/** Tensors one after the other, as one batch. @param {Tensor[]} parts @returns {Tensor} */
export function concat(parts) {
  const data = new Float32Array(parts.reduce((n, part) => n + part.data.length, 0));
  parts.reduce((start, part) => (data.set(part.data, start), start + part.data.length), 0);
  return { data, dims: [parts.reduce((n, part) => n + part.dims[0], 0), ...parts[0].dims.slice(1)] };
}

/** @param {Tensor} x @returns {Tensor} */
export const within01 = (x) => ({ data: x.data.map((each) => Math.min(Math.max(each, 0), 1)), dims: x.dims });

/** A share of the straight way from x to y, for each sample. @param {Tensor} x @param {Tensor} y @param {number[]} shares */
export const lerp = (x, y, shares) => sum([shares.map((s) => 1 - s), x], [shares, y]);

/** The same on the sphere, which keeps the length of noise (Shoemake 1985). @param {Tensor} x @param {Tensor} y @param {number[]} shares */
export function slerp(x, y, shares) {
  const size = x.data.length / x.dims[0];
  const angles = shares.map((_, k) => angleBetween(...pair(x, y, k * size, size)));
  const weights = (/** @type {number[]} */ parts) => parts.map((part, k) => Math.sin(part * angles[k]) / Math.sin(angles[k]));
  return sum([weights(shares.map((s) => 1 - s)), x], [weights(shares), y]);
}

/** @param {Tensor} x @param {Tensor} y @param {number} start @param {number} size @returns {[Float32Array, Float32Array]} */
const pair = (x, y, start, size) => [x.data.subarray(start, start + size), y.data.subarray(start, start + size)];

/** @param {Float32Array} a @param {Float32Array} b */
function angleBetween(a, b) {
  const cosine = dot(a, b) / Math.max(Math.sqrt(dot(a, a) * dot(b, b)), 1e-24);
  return Math.max(Math.acos(Math.min(Math.max(cosine, -1), 1)), 1e-4);
}

/** @param {Float32Array} a @param {Float32Array} b */
const dot = (a, b) => a.reduce((total, each, k) => total + each * b[k], 0);
