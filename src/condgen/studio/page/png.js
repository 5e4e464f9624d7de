/** The request that a PNG carries, in an `iTXt` chunk of the keyword `condgen` (PNG specification, 11.3.3.4). */

const KEYWORD = "condgen";
const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10];

/**
 * @typedef {object} Note
 * @property {string} [model]
 * @property {string} [fingerprint]
 * @property {string} [request]
 * @property {Record<string, string | null>} [condition]
 * @property {number} [seed] none of an edit
 * @property {Record<string, any>} [sampling]
 */

/** CRC-32 of each byte. */
const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

/** @param {Uint8Array} bytes */
export const crc32 = (bytes) => (bytes.reduce((crc, byte) => (crc >>> 8) ^ TABLE[(crc ^ byte) & 255], 0xffffffff) ^ 0xffffffff) >>> 0;

/** @param {Uint8Array} bytes @param {number} start @param {number} end */
const text = (bytes, start, end) => new TextDecoder().decode(bytes.subarray(start, end));

/** @param {Uint8Array} bytes @returns {Generator<{type: string, start: number, end: number, at: number}>} */
function* chunks(bytes) {
  if (!SIGNATURE.every((byte, k) => bytes[k] === byte)) return;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 8;
  while (at + 12 <= bytes.length) {
    const end = at + 8 + view.getUint32(at);
    yield { type: text(bytes, at + 4, at + 8), start: at + 8, end, at };
    at = end + 4;
  }
}

/** @param {Uint8Array} bytes */
async function inflated(bytes) {
  const stream = new Blob([/** @type {any} */ (bytes)]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/**
 * The note in a PNG. null for other files, and for PNGs without one.
 * @param {Uint8Array} bytes
 * @returns {Promise<Note | null>}
 */
export async function readNote(bytes) {
  for (const { type, start, end } of chunks(bytes)) {
    const body = bytes.subarray(start, end);
    if (type !== "iTXt" || text(body, 0, KEYWORD.length + 1) !== `${KEYWORD}\0`) continue;
    const compressed = body[KEYWORD.length + 1] === 1;
    const language = body.indexOf(0, KEYWORD.length + 3);
    const translated = body.indexOf(0, language + 1);
    const content = body.subarray(translated + 1);
    try {
      return JSON.parse(text(compressed ? await inflated(content) : content, 0, Infinity));
    } catch {
      return null;
    }
  }
  return null;
}

/**
 * The PNG with a note, in place of the one that it had.
 * @param {Uint8Array} bytes
 * @param {Note} note
 * @returns {Uint8Array}
 */
export function writeNote(bytes, note) {
  const body = new TextEncoder().encode(`iTXt${KEYWORD}\0\0\0\0\0${JSON.stringify(note)}`);
  const chunk = new Uint8Array(body.length + 8);
  const view = new DataView(chunk.buffer);
  view.setUint32(0, body.length - 4);
  chunk.set(body, 4);
  view.setUint32(body.length + 4, crc32(body));
  /** @type {Uint8Array[]} */ const parts = [bytes.subarray(0, 8)];
  for (const { type, start, end, at } of chunks(bytes)) {
    if (type === "iTXt" && text(bytes, start, start + KEYWORD.length + 1) === `${KEYWORD}\0`) continue;
    if (type === "IEND") parts.push(chunk);
    parts.push(bytes.subarray(at, end + 4));
  }
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
