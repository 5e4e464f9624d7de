import assert from "node:assert/strict";
import { test } from "node:test";
import { axesOf, cellsOf, chosenAxes, spread, together, usual } from "../../../src/condgen/studio/page/views/explore/axes.js";

const value = (/** @type {string} */ text) => ({ value: text, label: text.toUpperCase(), count: 1, picture: null });
const edges = [0, 10, 20, 30, 40, 50, 60];
const counts = [0, 500, 300, 100, 90, 1];
/** @type {import("../../../src/condgen/studio/page/backend.js").AttributeInfo[]} */
const attributes = [
  { name: "hat", label: "Hat", kind: "flag", values: [value("no"), value("yes")] },
  { name: "hair", label: "Hair", kind: "categorical", values: ["red", "blond", "grey"].map(value) },
  { name: "age", label: "Age", kind: "continuous", low: 0, high: 60, whole: true, unit: "years", histogram: { edges, counts } },
  { name: "emb", label: "Emb", kind: "vector", size: 2 },
];
const about = /** @type {any} */ ({ attributes, conditional: true, guided: true, steps: 16 });
const cell = { terms: { hat: "no" }, seed: 7, along: {} };
const ids = (/** @type {any[]} */ axes) => axes.map(({ id }) => id);

test("the schema says what can be varied", () => {
  const axes = axesOf(about, [1, 2, 3], [0.6, 0.1]);
  assert.deepEqual(ids(axes), ["is.hat", "is.hair", "is.age", "guidance", "steps", "seed", "along.0", "along.1"]);
  assert.deepEqual(axes[1].values.map(({ label }) => label), ["RED", "BLOND", "GREY"]);
  const moves = ["−3", "−2", "−1", "0", "+1", "+2", "+3"].map((text) => (text === "0" ? text : `${text}\u202fσ`));
  assert.deepEqual(axes[6].values.map(({ label }) => label), moves);
  assert.deepEqual(ids(axesOf({ ...about, conditional: false, guided: false, steps: null }, [1], [])), ["seed"]);
});

test("numbers go through the range that most of the data has", () => {
  assert.deepEqual(usual(attributes[2]), [10, 50]);
  assert.deepEqual(usual({ ...attributes[2], histogram: undefined }), [0, 60]);
  const [, , age] = axesOf(about, [1], []);
  assert.deepEqual(age.values.map(({ label }) => label), ["10", "18", "26", "34", "42", "50"].map((text) => `${text}\u202fyears`));
  assert.deepEqual(spread(1, 100, 3, true).map(Math.round), [1, 10, 100]);
});

test("numbers of an axis are in the range, also where its ends are not round", () => {
  const [low, high] = [0.00446, 0.80392];
  for (const log of [false, true]) {
    const [bright] = axesOf({ ...about, attributes: [{ name: "bright", label: "Bright", kind: "continuous", low, high, log }] }, [1], []);
    const asked = bright.values.map(({ apply }) => Number(apply(cell).terms.bright));
    assert.equal(asked.length, 6);
    assert.deepEqual([asked[0], asked[5]], [low, high]);
  }
});

test("by default the attributes with most values are varied, then guidance and seeds", () => {
  const axes = axesOf(about, [1, 2], [0.5]);
  assert.deepEqual(ids(chosenAxes(axes, undefined, undefined)), ["is.age", "is.hair"]);
  assert.deepEqual(ids(chosenAxes(axes, "is.hair", undefined)), ["is.hair", "is.age"]);
  assert.deepEqual(ids(chosenAxes(axes, "seed", "along.0")), ["seed", "along.0"]);
  assert.deepEqual(ids(chosenAxes(axes, "seed", "seed")), ["seed", "is.age"]);
  const bare = { ...about, attributes: attributes.slice(1, 2) };
  assert.deepEqual(ids(chosenAxes(axesOf(bare, [1, 2], [0.5]), undefined, undefined)), ["is.hair", "guidance"]);
  const one = axesOf({ ...bare, guided: false, steps: null }, [1, 2], [0.5]);
  assert.deepEqual(ids(chosenAxes(one, undefined, undefined)), ["is.hair", "seed"]);
});

test("where one thing alone can be varied, the grid is one row", () => {
  const [across, down] = chosenAxes(axesOf({ ...about, conditional: false, guided: false, steps: null }, [1, 2], []), undefined, undefined);
  assert.deepEqual(ids([across, down]), ["seed", "nothing"]);
  assert.deepEqual(cellsOf(cell, across, down).map(({ seed }) => seed), [1, 2]);
});

test("cells hold both values and everything else", () => {
  const [hat, hair, , guidance, , seed, along] = axesOf(about, [1, 2], [0.5]);
  const cells = cellsOf(cell, hair, seed);
  assert.deepEqual(cells.map((each) => [each.seed, each.terms.hair, each.terms.hat]), [
    [1, "red", "no"], [1, "blond", "no"], [1, "grey", "no"], [2, "red", "no"], [2, "blond", "no"], [2, "grey", "no"],
  ]);
  assert.deepEqual(cellsOf(cell, hat, along)[2].along, { 0: -2 });
  assert.deepEqual(cellsOf(cell, guidance, hat).map((each) => each.guidance).slice(0, 5), [0, 1, 2, 4, 8]);
  assert.deepEqual(cell, { terms: { hat: "no" }, seed: 7, along: {} });
});

test("cells of one seed and one way of sampling are asked together", () => {
  const [hat, hair, , guidance, , seed, along] = axesOf(about, [1, 2], [0.5]);
  const groups = (/** @type {any} */ x, /** @type {any} */ y) => together(cellsOf(cell, x, y)).map(({ indices }) => indices);
  assert.deepEqual(groups(hat, hair), [[0, 1, 2, 3, 4, 5]]);
  assert.deepEqual(groups(hat, seed), [[0, 1], [2, 3]]);
  assert.deepEqual(groups(seed, hat), [[0, 2], [1, 3]]);
  assert.deepEqual(groups(guidance, hat).length, 5);
  assert.deepEqual(groups(along, seed), [[...Array(14).keys()]]);
});
