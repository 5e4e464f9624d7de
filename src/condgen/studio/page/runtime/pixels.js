// Pixels as PNG files, and people's files as pixels.

import { crc32, writeNote } from "../png.js";

/** @typedef {import("./tensors.js").Tensor} Tensor */

const SIGNATURE = Uint8Array.of(137, 80, 78, 71, 13, 10, 26, 10);
const ENLARGED = 16; // times that an image may be enlarged

/** One image [channel, height, width] of numbers in [0, 1] as PNG, which carries its request if it has one.
 * @param {Float32Array} x @param {number[]} shape @param {import("../png.js").Note} [note] */
export async function png(x, [channels, height, width], note) {
  const rows = new Uint8Array(height * (1 + width * channels)); // each begins with its filter: none
  for (let y = 0; y < height; y++) {
    for (let column = 0; column < width; column++) {
      for (let c = 0; c < channels; c++) {
        rows[y * (1 + width * channels) + 1 + column * channels + c] = level(x[(c * height + y) * width + column]);
      }
    }
  }
  const head = new Uint8Array(13);
  new DataView(head.buffer).setUint32(0, width);
  new DataView(head.buffer).setUint32(4, height);
  head.set([8, channels === 1 ? 0 : 2], 8); // bits of a number, and grey or colour
  const chunks = [chunk("IHDR", head), chunk("IDAT", await deflated(rows)), chunk("IEND", new Uint8Array())];
  const image = joined([SIGNATURE, ...chunks]);
  return note ? writeNote(image, note) : image;
}

/** The nearest of 256 levels, even ones where two are as near, as in condgen's pixels.py. @param {number} value */
function level(value) {
  const scaled = Math.fround(value * 255);
  const near = Math.round(scaled);
  return Math.min(Math.max(near - scaled === 0.5 && near % 2 ? near - 1 : near, 0), 255);
}

/** @param {string} type @param {Uint8Array} content */
function chunk(type, content) {
  const bytes = joined([new Uint8Array(4), new TextEncoder().encode(type), content, new Uint8Array(4)]);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, content.length);
  view.setUint32(bytes.length - 4, crc32(bytes.subarray(4, -4)));
  return bytes;
}

/** @param {Uint8Array<ArrayBuffer>} bytes */
async function deflated(bytes) {
  return new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(new CompressionStream("deflate"))).arrayBuffer());
}

/** @param {Uint8Array[]} parts */
function joined(parts) {
  const all = new Uint8Array(parts.reduce((n, part) => n + part.length, 0));
  parts.reduce((start, part) => (all.set(part, start), start + part.length), 0);
  return all;
}

/** Bytes in base64. @param {Uint8Array} bytes */
export const base64 = (bytes) => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));

/** People's images as a model takes them: the centre in its proportions, at its size, on white, in [0, 1].
 * @param {Blob[]} images @param {number[]} shape @returns {Promise<Tensor>} */
export async function observations(images, [channels, height, width]) {
  const pixels = await Promise.all(images.map((image) => fitted(image, width, height)));
  const data = pixels.flatMap((rgba) => Array.from({ length: channels }, (_, c) =>
    Array.from({ length: height * width }, (_pixel, k) => (channels === 1 ? grey(rgba, 4 * k) : rgba[4 * k + c]) / 255)).flat());
  return { data: Float32Array.from(data), dims: [images.length, channels, height, width] };
}

/** The brightness of a pixel (ITU-R 601-2), rounded as Pillow does. @param {Uint8ClampedArray} rgba @param {number} at */
const grey = (rgba, at) => (rgba[at] * 19595 + rgba[at + 1] * 38470 + rgba[at + 2] * 7471 + 0x8000) >> 16;

/** @param {Blob} image @param {number} width @param {number} height */
async function fitted(image, width, height) {
  const whole = await createImageBitmap(image).catch(() => {
    throw new RangeError(`The image ${image instanceof File ? image.name : ""} cannot be read: it is not an image, or damaged.`);
  });
  const scale = Math.max(width / whole.width, height / whole.height);
  if (scale > ENLARGED) throw new RangeError(`An image has only ${whole.width}×${whole.height} pixels, too few for ${width}×${height}.`);
  const [w, h] = [width / scale, height / scale];
  const [left, top] = [(whole.width - w) / 2, (whole.height - h) / 2];
  const how = /** @type {ImageBitmapOptions} */ ({ resizeWidth: width, resizeHeight: height, resizeQuality: "high" });
  const small = scale === 1 ? whole : await createImageBitmap(whole, left, top, w, h, how);
  const context = /** @type {OffscreenCanvasRenderingContext2D} */ (new OffscreenCanvas(width, height).getContext("2d"));
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.drawImage(small, scale === 1 ? -left : 0, scale === 1 ? -top : 0);
  return context.getImageData(0, 0, width, height).data;
}
