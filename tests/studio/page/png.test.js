import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32 } from "./crc32.js";
import { readNote, writeNote } from "../../../src/condgen/studio/page/png.js";

// One grey pixel, as Pillow writes it.
const PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg==";
const bytes = Uint8Array.from(Buffer.from(PIXEL, "base64"));
const note = { model: "digits", request: "digit=7", seed: 3, condition: { digit: "7", ü: null } };

test("a note comes back, and takes the place of the one before", async () => {
  const written = writeNote(bytes, note);
  assert.deepEqual(await readNote(written), note);
  const again = writeNote(written, { ...note, seed: 4 });
  assert.equal((await readNote(again))?.seed, 4);
  assert.equal(again.length, written.length);
});

test("a PNG with a note is a PNG still", () => {
  const view = Buffer.from(writeNote(bytes, note));
  assert.deepEqual([...view.subarray(0, 33)], [...bytes.subarray(0, 33)]); // signature and header stay first
  for (let at = 8; at < view.length;) {
    const end = at + 8 + view.readUInt32BE(at);
    assert.equal(view.readUInt32BE(end), crc32(view.subarray(at + 4, end)));
    at = end + 4;
    if (at === view.length) assert.equal(view.toString("latin1", end - 4, end), "IEND");
  }
});

test("a compressed note is read", async () => {
  const { deflateSync } = await import("node:zlib");
  const body = Buffer.concat([Buffer.from("iTXtcondgen\0\x01\0\0\0", "latin1"), deflateSync(JSON.stringify(note))]);
  const size = Buffer.alloc(4), check = Buffer.alloc(4);
  size.writeUInt32BE(body.length - 4);
  check.writeUInt32BE(crc32(body));
  const png = Buffer.concat([bytes.subarray(0, 33), size, body, check, bytes.subarray(33)]);
  assert.deepEqual(await readNote(new Uint8Array(png)), note);
});

test("other files, and broken ones, have no note", async () => {
  assert.equal(await readNote(bytes), null);
  assert.equal(await readNote(new Uint8Array([1, 2, 3])), null);
  const noPng = writeNote(bytes, note).fill(0, 0, 1);
  assert.equal(await readNote(noPng), null);
  assert.equal(await readNote(writeNote(bytes, note).subarray(0, 90)), null);
});
