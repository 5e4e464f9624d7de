import assert from "node:assert/strict";
import { test } from "node:test";
import {
  broken, charts, count, duration, heard, holding, isLoss, marked, nothing, over, share, short, span, thinned, unit,
} from "../../../src/condgen/studio/page/training.js";
import { asRecommended, expected, order } from "../../../src/condgen/studio/page/components/recipe.js";

const job = (more = {}) => ({ type: "job", id: "a", kind: "train", state: "running", tasks: [], ...more });

/** @param {any[]} events @returns {any} */
const after = (...events) => events.reduce(heard, nothing());

test("news of a job add up, and a log that is told again replaces the one before", () => {
  const found = after(
    job(), { type: "log", entries: [{ images: 1 }, { images: 2 }], again: false }, { type: "pictures", names: ["02", "01"] },
    { type: "log", entries: [{ images: 3 }], again: false }, { type: "pictures", names: ["02", "03"] }, { type: "other" },
  );
  assert.deepEqual(found.log.map((/** @type {any} */ entry) => entry.images), [1, 2, 3]);
  assert.deepEqual(found.pictures, ["01", "02", "03"]);
  const again = heard(found, { type: "log", entries: [{ images: 1 }], again: true });
  assert.deepEqual(again.log.length, 1);
});

test("how far a job is, and whether it is over", () => {
  const training = { task: "training", done: 30, total: 120, unit: "images", left: 9, values: {} };
  const outer = { ...training, task: "measuring", done: 1, total: 4 };
  const state = (/** @type {any} */ more) => after(job(more)).job;
  assert.equal(share(state({})), null);
  assert.equal(share(state({ tasks: [outer, training] })), 0.25);
  assert.equal(share(state({ tasks: [{ ...outer, total: null }] })), null);
  assert.equal(share(state({ tasks: [{ ...outer, done: 0 }] })), null);
  assert.equal(share(state({ tasks: [{ ...training, done: 130 }] })), 1);
  assert.equal(share(state({ state: "done" })), 1);
  const states = ["queued", "running", "done", "stopped", "failed"];
  assert.deepEqual(states.map((each) => over(state({ state: each }))), [false, false, true, true, true]);
  assert.equal(over(null), false);
  assert.deepEqual([[2], [1, 8, 8], null].map((shape) => unit({ shape })), ["rows", "images", "images"]);
});

test("trainings that failed or were stopped, unless their run was trained later", () => {
  const all = [
    job({ id: "d", run: "b", state: "done" }), job({ id: "c", run: "c", state: "stopped" }),
    job({ id: "m", run: "a", kind: "evaluate", state: "failed" }),
    job({ id: "b", run: "b", state: "failed" }), job({ id: "a", run: "a", state: "failed" }), job({ id: "0", run: "a", state: "stopped" }),
  ];
  assert.deepEqual(broken(/** @type {any} */ (all)).map(({ id }) => id), ["c", "a"]);
});

test("a chart for every number, with its validation series, the losses first", () => {
  const found = charts([
    { images: 1, diversity: 0.5, loss: 3 }, { images: 1, "validation/loss": 4 }, { images: 2, loss: 2, warning: "collapsed" },
    { images: 3, loss: NaN }, { images: 4, "critic/loss": 1 },
  ]);
  assert.deepEqual(found.map(({ title }) => title), ["loss", "critic/loss", "diversity"]);
  assert.deepEqual(found[0].lines, [
    { name: "training", points: [[1, 3], [2, 2]] },
    { name: "validation", points: [[1, 4]] },
  ]);
  assert.deepEqual(["loss", "critic/loss", "gloss"].map(isLoss), [true, true, false]);
});

test("only what is wrong at the last look is told", () => {
  const [early, late] = [{ images: 1, warning: "collapsed" }, { images: 2, warning: "the critic wins" }];
  assert.deepEqual(holding([{ images: 1, diversity: 0.1 }, early, { images: 2, loss: 1 }]), ["collapsed"]);
  assert.deepEqual(holding([{ images: 1, diversity: 0.1 }, early, { images: 2, diversity: 0.9 }]), []);
  const again = [{ images: 2, diversity: 0.1 }, late, { images: 3, loss: 1 }];
  assert.deepEqual(holding([{ images: 1, diversity: 0.1 }, early, ...again]), ["the critic wins"]);
  assert.deepEqual(holding([{ images: 1, loss: 1 }]), []);
});

test("long lines are thinned to means of neighbours", () => {
  const line = Array.from({ length: 1000 }, (_, k) => /** @type {[number, number]} */ ([k, 2 * k]));
  const found = thinned(line, 100);
  assert.equal(found.length, 100);
  assert.deepEqual(found[0], [4.5, 9]);
  assert.equal(thinned(line.slice(0, 100), 100).length, 100);
});

test("the first steps do not flatten a curve", () => {
  const points = Array.from({ length: 100 }, (_, k) => /** @type {[number, number]} */ ([k, k < 5 ? 1000 : 1 + k / 100]));
  const [low, high] = span([{ name: "training", points }]);
  assert.ok(low > 0.9 && low < 1.05 && high < 2.2);
  const [flat, above] = span([{ name: "training", points: [[0, 0]] }]);
  assert.ok(flat < 0 && above > 0);
});

test("times, numbers and settings in text", () => {
  assert.deepEqual([3.4, 61, 800, 7260].map(duration), ["3 s", "1 min 1 s", "13 min", "2 h 1 min"]);
  assert.deepEqual([0.123456, 12345.6, -3].map(short), ["0.123", "12\u202f346", "-3"]);
  assert.deepEqual(marked("set `r1=1`."), ["set ", "r1=1", "."]);
});

const recommendation = { model: "projection", arguments: {}, shape: [3, 64, 64], size: 64, images: 1000, reason: "", seconds: 90 };

test("an order holds what was changed, and nothing that is as recommended", () => {
  const on = { data: "photos", attributes: null, recommendation };
  assert.deepEqual(order(asRecommended(), on), { data: "photos", settings: { previews: 20 } });
  const changed = { model: "cvae", mechanism: "film", budget: "10s", name: " a ", settings: { latent: "8", previews: "3" } };
  assert.deepEqual(order(changed, { ...on, attributes: ["hair"] }), {
    data: "photos", model: "cvae", mechanism: "film", budget: "10s", name: "a", size: 64, attributes: ["hair"],
    settings: { previews: "3", latent: "8" },
  });
});

test("how long it will take", () => {
  const recipe = asRecommended();
  assert.equal(expected(recipe, recommendation), "1\u202f000 pictures to see, about 1 min 30 s here");
  assert.equal(expected({ ...recipe, budget: "20m" }, recommendation), "20 minutes");
  assert.equal(expected({ ...recipe, budget: "45s" }, recommendation), "45s");
  assert.equal(expected({ ...recipe, model: "cvae" }, recommendation), "5 minutes");
});

test("numbers that are not known are a dash", () => {
  assert.equal(count(null), "–");
  assert.equal(count(12345), "12\u202f345");
});
