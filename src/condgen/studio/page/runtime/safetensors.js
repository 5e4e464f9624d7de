// Reading safetensors: a header of JSON, and the numbers of each array.

/** @type {Record<string, any>} */
const TYPES = { F32: Float32Array, F64: Float64Array, BOOL: Uint8Array, U8: Uint8Array, I64: BigInt64Array };

/** The arrays in a file by name, without their shapes. @param {Uint8Array} file @returns {Record<string, any>} */
export function arraysIn(file) {
  const size = Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(file.subarray(8, 8 + size)));
  const named = Object.entries(header).filter(([name]) => name !== "__metadata__");
  return Object.fromEntries(named.map(([name, { dtype, data_offsets: [start, end] }]) => {
    const bytes = file.slice(8 + size + start, 8 + size + end); // a copy, which begins at a multiple of its numbers' size
    return [name, new TYPES[dtype](bytes.buffer)];
  }));
}
