/** Where two pictures differ, as a map of heat. */

/** How strongly a difference is shown: small ones are visible, large ones are not all alike. @param {number} difference from 0 to 1 */
export const heat = (difference) => Math.min(1, 1.6 * Math.sqrt(difference));

/** The mean absolute difference of colours at each pixel, from 0 to 1. @param {ArrayLike<number>} a rgba @param {ArrayLike<number>} b */
export function apart(a, b) {
  const difference = (/** @type {number} */ at) => [at, at + 1, at + 2].reduce((sum, c) => sum + Math.abs(a[c] - b[c]), 0) / 765;
  return Float32Array.from({ length: a.length / 4 }, (_, k) => difference(4 * k));
}

/** @param {string} address @param {number} width @param {number} height */
async function pixels(address, width, height) {
  const image = new Image();
  image.src = address;
  await image.decode();
  const size = { width: width || image.naturalWidth, height: height || image.naturalHeight };
  const canvas = Object.assign(document.createElement("canvas"), size);
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  return context.getImageData(0, 0, canvas.width, canvas.height);
}

/** Draws the differences of two pictures, and tells their mean. @param {HTMLCanvasElement} canvas @param {string} one @param {string} other */
export async function differences(canvas, one, other) {
  const a = await pixels(one, 0, 0);
  const found = apart(a.data, (await pixels(other, a.width, a.height)).data);
  Object.assign(canvas, { width: a.width, height: a.height });
  const drawn = new ImageData(a.width, a.height);
  found.forEach((difference, k) => drawn.data.set([255, 255 - 190 * heat(difference), 60, 255 * heat(difference)], 4 * k));
  /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d")).putImageData(drawn, 0, 0);
  return found.reduce((sum, difference) => sum + difference, 0) / found.length;
}
