import assert from "node:assert/strict";
import { test } from "node:test";
import { between, choice, chosen, ends, frequency, ofCondition, ranged, rounded, said, sentence, shown, simplified, without } from
  "../../../src/condgen/studio/page/terms.js";

/** @type {import("../../../src/condgen/studio/page/backend.js").AttributeInfo[]} */
const attributes = [
  { name: "hair", label: "Hair", kind: "categorical", values: [
    { value: "red", label: "Red", count: 3, picture: null }, { value: "blond", label: "Blond", count: 4, picture: null },
  ] },
  { name: "hat", label: "Hat", kind: "flag", values: [
    { value: "yes", label: "yes", count: 1, picture: null }, { value: "no", label: "no", count: 9, picture: null },
  ] },
  { name: "age", label: "Age", kind: "continuous", low: 0, high: 90, unit: "years", whole: true },
  { name: "price", label: "Price", kind: "continuous", low: 1, high: 1e6, log: true },
  { name: "emb", label: "Emb", kind: "vector", size: 2 },
];
const [hair, hat, age, price, emb] = attributes;

test("choices are read in every form that a term has", () => {
  assert.deepEqual(chosen(undefined), { values: [], not: false });
  assert.deepEqual(chosen("red"), { values: ["red"], not: false });
  assert.deepEqual(chosen(["red", "blond"]), { values: ["red", "blond"], not: false });
  assert.deepEqual(chosen({ not: ["red"] }), { values: ["red"], not: true });
  assert.deepEqual(chosen(true), { values: ["yes"], not: false });
  for (const term of ["red", ["red", "blond"], { not: "red" }, undefined]) {
    const { values, not } = chosen(term);
    assert.deepEqual(choice(values, not), term);
  }
});

test("numbers are read in every form that a term has", () => {
  assert.deepEqual(ends("20..30"), [20, 30]);
  assert.deepEqual(ends([20, 30]), [20, 30]);
  assert.deepEqual(ends("31.5"), [31.5, 31.5]);
  assert.equal(ends("old"), null);
  assert.equal(ends({ not: 3 }), null);
  assert.equal(between(3, 3), 3);
  assert.deepEqual(between(3, 4), [3, 4]);
});

test("a term says whether it is a range", () => {
  for (const term of [[20, 30], [20, 20], "20..30"]) assert.ok(ranged(term), JSON.stringify(term));
  for (const term of [undefined, null, 20, "20", [20], { not: 20 }]) assert.ok(!ranged(term), JSON.stringify(term));
});

test("numbers have the digits that their range makes sensible", () => {
  assert.equal(rounded(age, 31.4), 31);
  assert.equal(rounded({ ...age, whole: false }, 31.4567), 31.5);
  assert.equal(rounded({ ...age, low: 0, high: 0.01, whole: false }, 0.0012345), 0.0012);
  assert.equal(rounded(price, 123456.7), 123457);
  assert.equal(rounded(price, 1.23456), 1.23);
});

test("terms are said in words", () => {
  assert.equal(said(hair, { not: ["red", "blond"] }), "not Red or Blond");
  assert.equal(said(age, [20, 30]), "20 to 30\u202fyears");
  assert.equal(said(age, 31), "31\u202fyears");
  assert.equal(said(hat, undefined), "any");
  assert.equal(said(emb, [0.12345, 2]), "0.123 2.00");
  assert.equal(sentence({ attributes }, { hat: "yes", hair: "red" }), "Hair Red, Hat yes");
  assert.equal(sentence({ attributes }, {}), "Anything");
});

test("terms of the library become those of the controls", () => {
  const terms = { hair: ["red"], hat: { not: ["yes"] }, age: [30, 30], price: "10..20", emb: [1, 2], unknown: "x" };
  assert.deepEqual(simplified({ attributes }, terms), { hair: "red", hat: { not: "yes" }, age: 30, price: [10, 20], emb: [1, 2] });
});

test("a condition becomes the terms that ask for it", () => {
  const condition = { hair: "red", hat: null, age: "31", emb: "0.1 0.2" };
  assert.deepEqual(ofCondition({ attributes }, condition), { hair: "red", age: 31, emb: "0.1 0.2" });
  assert.equal(shown(hair, "red"), "Red");
  assert.equal(shown(age, "31"), "31\u202fyears");
  assert.equal(shown(hat, null), "left to the model");
});

test("what is rare or was never seen is noted", () => {
  assert.equal(frequency(null, 2000), null);
  assert.deepEqual(frequency(39, 39), { text: "39 examples in the data", rare: false });
  assert.deepEqual(frequency(0, 2000), { text: "Never seen in the data", rare: true });
  assert.deepEqual(frequency(1, 2000), { text: "Rare: 1 example in the data", rare: true });
  assert.deepEqual(frequency(39, 2000), { text: "Rare: 39 examples in the data", rare: true });
  assert.deepEqual(frequency(12345, 20000), { text: "12\u202f345 examples in the data", rare: false });
});

test("words are left out whatever their case and accents, and parts of words stay", () => {
  assert.equal(without("An old Mañ with  man-made glasses, manly", ["old", "man"]), "An with -made glasses, manly");
  assert.equal(without("old", ["old"]), "");
});
