// Samples as a data set folder in a ZIP: images, metadata.csv and schema.json, as `condgen sample` writes them.

import { downloadZip } from "client-zip";
import { bytesOf } from "../download.js";

/** @typedef {import("../backend.js").Sample} Sample */

/** @param {Sample[]} samples @param {object} schema @param {string[]} coordinates names of a vector's numbers */
export function zipped(samples, schema, coordinates) {
  const images = samples.flatMap(({ image }, k) => (image ? [{ name: fileName(k), input: bytesOf(image) }] : []));
  const names = Object.keys(samples[0].condition);
  const what = images.length ? ["file_name"] : coordinates;
  const rows = samples.map(({ image, values, seed, condition }, k) =>
    [...(image ? [fileName(k)] : values ?? []), seed, ...names.map((name) => harmless(condition[name] ?? ""))]);
  const table = [[...what, "seed", ...names.map(harmless)], ...rows].map((row) => row.map(cell).join(",") + "\r\n").join("");
  const files = [...images, { name: "metadata.csv", input: table }, { name: "schema.json", input: JSON.stringify(schema, null, 2) + "\n" }];
  return downloadZip(files).blob();
}

/** @param {number} k */
const fileName = (k) => `${String(k).padStart(6, "0")}.png`;

/** A cell that no spreadsheet takes for a formula. @param {string} text */
const harmless = (text) => (/^[=+\-@\t\r]/.test(text) && Number.isNaN(Number(text)) ? `'${text}` : text);

/** @param {string | number | null} value */
const cell = (value) => (/[",\r\n]/.test(String(value ?? "")) ? `"${String(value).replaceAll('"', '""')}"` : String(value ?? ""));
