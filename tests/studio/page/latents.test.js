import assert from "node:assert/strict";
import { test } from "node:test";
import { heldOf, paints } from "../../../src/condgen/studio/page/views/explore/latents.js";

const known = (/** @type {string} */ name) => ["black", "red", "lightblue", "silver"].includes(name);

test("names of colours are shown in their own, and a value among them that is none as an outline", () => {
  const found = paints(["Black", "Red", "Light blue", "other"], known);
  assert.deepEqual(found.map(({ fill }) => fill), ["black", "red", "lightblue", "transparent"]);
  assert.ok(found.every(({ outline }) => outline));
});

test("other values have colours that differ, also where one of them is called like a colour", () => {
  assert.deepEqual(paints(["Red", "Sedan", "Van"], known).map(({ fill }) => fill), ["var(--c0)", "var(--c1)", "var(--c2)"]);
  assert.deepEqual(paints(["0", "1"], known).map(({ outline }) => outline), [false, false]);
});

test("what is said of the latents follows from what was read", () => {
  const [chance, told, more] = [{ reads: 0.23, chance: 0.21 }, { reads: 0.47, chance: 0.21 }, { reads: 0.9, chance: 0.21 }];
  assert.match(heldOf("Color", chance, more), /little more than chance.*tells more of it/);
  assert.match(heldOf("Color", told, { reads: 0.52, chance: 0.21 }), /tells Color better than chance.*about as much/);
  assert.doesNotMatch(heldOf("Color", told, more), /little more/);
  assert.match(heldOf("Color", more, told), /tells less/);
});
