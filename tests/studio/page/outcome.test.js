import assert from "node:assert/strict";
import { test } from "node:test";
import { differ, fits, outcome, unchanged } from "../../../src/condgen/studio/page/outcome.js";

/** @type {import("../../../src/condgen/studio/page/backend.js").AttributeInfo} */
const hair = { name: "hair", label: "Hair", kind: "categorical" };
/** @type {import("../../../src/condgen/studio/page/backend.js").AttributeInfo} */
const hat = { name: "hat", label: "Hat", kind: "flag" };
/** @type {import("../../../src/condgen/studio/page/backend.js").AttributeInfo} */
const face = { name: "face", label: "Face", kind: "vector" };
/** @type {import("../../../src/condgen/studio/page/backend.js").AttributeInfo} */
const age = { name: "age", label: "Age", kind: "continuous", low: 0, high: 80 };

test("numbers differ where somebody would notice, and nothing differs from what was not read", () => {
  assert.equal(differ(age, "20", "23"), false);
  assert.equal(differ(age, "20", "25"), true);
  assert.equal(differ(hair, "red", "grey"), true);
  assert.equal(differ(hair, null, "grey"), false);
});

test("a reading is as asked if it is one of the values, none of the excluded ones, or near the range", () => {
  assert.equal(fits(hair, ["red", "grey"], "grey"), true);
  assert.equal(fits(hair, { not: "red" }, "red"), false);
  assert.equal(fits(hat, true, "yes"), true);
  assert.equal(fits(age, [20, 30], "33"), true);
  assert.equal(fits(age, [20, 30], "40"), false);
  assert.equal(fits(age, 70, "60"), false);
});

test("an edit reached what was asked or not, and what else it moved is told", () => {
  const before = { hair: "red", hat: "no", age: "30" };
  const found = outcome([hair, hat, age], { hat: true }, before, { hair: "grey", hat: "no", age: "31" });
  assert.deepEqual(found.asked.map(({ attribute, read, done }) => [attribute.name, read, done]), [["hat", "no", false]]);
  assert.deepEqual(found.also.map(({ attribute, from, to }) => [attribute.name, from, to]), [["hair", "red", "grey"]]);
  assert.deepEqual(outcome([hat], { hat: true }, { hat: null }, { hat: null }), { asked: [], also: [] });
  assert.deepEqual(outcome([face], { face: "1 2" }, { face: "0 0" }, { face: "1 3" }), { asked: [], also: [] });
  assert.deepEqual(outcome([face], {}, { face: "0 0" }, { face: "1 3" }).also, []);
});

test("an attribute keeps its value where the picture shows already what is asked for", () => {
  const [source, made] = [{ hair: "red", age: 30 }, { hair: "red", age: 31 }];
  const named = (/** @type {any} */ change, /** @type {any} */ given) =>
    unchanged([hair, hat, age], change, source, given).map(({ name }) => name);
  assert.deepEqual(named({ hair: "red" }, made), ["hair"]);
  assert.deepEqual(named({ hair: "red", age: 31, hat: true }, made), ["hair"]);
  assert.deepEqual(named({ hair: { not: "red" } }, { hair: "grey" }), []);
  assert.deepEqual(named({ hair: "red" }, undefined), []);
});
