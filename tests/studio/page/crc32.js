/** The CRC-32 bit by bit, as the PNG specification defines it. @param {Uint8Array} bytes */
export function crc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    for (let bit = 0; bit < 8; bit += 1) {
      const odd = ((crc >>> 0) ^ (byte >>> bit)) & 1;
      crc = (crc >>> 1) ^ (odd ? 0xedb88320 : 0);
    }
  }
  return (crc ^ 0xffffffff) >>> 0;
}
