/** Samples as files. */
import { imaging, picture } from "./backend.js";

/** @typedef {import("./backend.js").Sample} Sample */
const GAP = 4; // pixels between pictures of a sheet
const SMALLEST = 64; // smaller pictures are enlarged on a sheet

/** Save a file. @param {Blob} blob @param {string} name */
export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** @param {string} image base64 @returns {Uint8Array<ArrayBuffer>} */
export function bytesOf(image) {
  const binary = atob(image.slice(image.indexOf(",") + 1));
  return Uint8Array.from(binary, (letter) => letter.charCodeAt(0));
}

/** A picture as a PNG, which carries its request. @param {string} model @param {Sample} sample */
export function saveImage(model, sample) {
  save(new Blob([bytesOf(sample.image ?? "")], { type: "image/png" }), `${model}-${sample.seed}.png`);
}

/** All pictures as one. @param {string} model @param {Sample[]} samples @param {number} columns */
export async function saveSheet(model, samples, columns) {
  const images = await Promise.all(samples.map(async ({ image }) => {
    const found = new Image();
    found.src = picture(image ?? "");
    await found.decode();
    return found;
  }));
  const { naturalWidth, naturalHeight } = images[0];
  const scale = Math.ceil(SMALLEST / Math.max(naturalWidth, naturalHeight, 1));
  const [width, height] = [naturalWidth * scale, naturalHeight * scale];
  const canvas = document.createElement("canvas");
  canvas.width = columns * (width + GAP) - GAP;
  canvas.height = Math.ceil(images.length / columns) * (height + GAP) - GAP;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.imageSmoothingEnabled = false;
  images.forEach((image, k) => {
    const [x, y] = [(k % columns) * (width + GAP), Math.floor(k / columns) * (height + GAP)];
    context.drawImage(image, x, y, width, height);
  });
  canvas.toBlob((blob) => blob && save(blob, `${model}.png`));
}

/**
 * Samples as a data set folder in a ZIP, which condgen reads as any other data.
 * @param {import("./backend.js").Backend} backend
 * @param {import("./backend.js").About} about
 * @param {Sample[]} samples
 */
export async function saveDataset(backend, about, samples) {
  save(await backend.dataset(about.name, samples), `${about.name}-${samples.length}-${imaging(about) ? "images" : "rows"}.zip`);
}
