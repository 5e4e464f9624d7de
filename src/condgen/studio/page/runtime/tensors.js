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

/** Tensors one after the other, as one batch. @param {Tensor[]} parts @returns {Tensor} */
export function concat(parts) {
  const data = new Float32Array(parts.reduce((n, part) => n + part.data.length, 0));
  parts.reduce((start, part) => (data.set(part.data, start), start + part.data.length), 0);
  return { data, dims: [parts.reduce((n, part) => n + part.dims[0], 0), ...parts[0].dims.slice(1)] };
}

/** One sample of a batch, as a batch of one. @param {Tensor} x @param {number} k @returns {Tensor} */
export function one(x, k) {
  const size = x.data.length / x.dims[0];
  return { data: x.data.slice(k * size, (k + 1) * size), dims: [1, ...x.dims.slice(1)] };
}

/** @param {Tensor} x @returns {Tensor} */
export const within01 = (x) => ({ data: x.data.map((each) => Math.min(Math.max(each, 0), 1)), dims: x.dims });
