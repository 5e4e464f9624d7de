import assert from "node:assert/strict";
import { test } from "node:test";
import { goneOn, present } from "../../../src/condgen/studio/page/views/versions.js";

/** @typedef {import("../../../src/condgen/studio/page/views/photos.js").Photo} Photo */
/** @param {number} id @returns {Photo} */
const photo = (id) => ({ id, version: 0, name: `${id}.png`, image: `${id}`, read: {}, source: { hat: "no", hair: "red" },
  edited: `${id} with a hat`, made: { hat: "yes" }, after: { hat: "yes" } });
const images = (/** @type {Photo[]} */ photos) => photos.map(({ image }) => image);

test("one goes on from one photograph, and the others stay", () => {
  const all = goneOn([photo(1), photo(2), photo(3)], photo(2));
  const shown = present(all, { 2: 1 });
  assert.deepEqual(images(shown), ["1", "2 with a hat", "3"]);
  assert.deepEqual(shown.map(({ id }) => id), [1, 2, 3]);
  assert.deepEqual([shown[1].source, shown[1].read, shown[1].edited], [{ hat: "yes", hair: "red" }, { hat: "yes" }, undefined]);
});

test("undo shows the photograph again, with its edit", () => {
  const all = goneOn([photo(1), photo(2)], photo(1));
  assert.deepEqual(present(all, {}), [photo(1), photo(2)]);
  const [, second] = present(goneOn(all, { ...photo(1), edited: "another" }), { 1: 1 });
  assert.deepEqual([second.id, images(present(goneOn(all, { ...photo(1), edited: "another" }), { 1: 1 }))], [2, ["another", "2"]]);
});

test("versions that there are not, as in somebody's address, are the nearest that there are", () => {
  assert.deepEqual(present([photo(1)], { 1: 7 }), [photo(1)]);
  assert.deepEqual(present([photo(1)], { 1: -1, 2: 3 }), [photo(1)]);
});
