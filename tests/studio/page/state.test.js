import assert from "node:assert/strict";
import { test } from "node:test";
import {
  asked, body, createStore, fromQuery, initial, reseeded, resized, seedsFrom, toQuery, toggled,
} from "../../../src/condgen/studio/page/state.js";

test("changes are undone and redone, and a new change ends redoing", () => {
  const store = createStore();
  store.set({ terms: { digit: "7" } });
  store.set({ terms: { digit: "8" } });
  store.undo();
  assert.deepEqual(store.get().terms, { digit: "7" });
  store.redo();
  assert.deepEqual(store.get().terms, { digit: "8" });
  store.undo();
  store.set({ free: true });
  assert.equal(store.redoable(), false);
  store.undo();
  store.undo();
  assert.deepEqual(store.get(), initial());
  assert.equal(store.undoable(), false);
});

test("a slider's quick moves are one step, slow ones and other changes are not", () => {
  let now = 0;
  const store = createStore(initial(), () => now);
  for (const age of [1, 2, 3]) store.set({ terms: { age } }, "age");
  now = 5000;
  store.set({ terms: { age: 4 } }, "age");
  store.set({ guidance: 2 }, "guidance");
  store.undo();
  assert.equal(store.get().guidance, null);
  store.undo();
  assert.deepEqual(store.get().terms, { age: 3 });
  store.undo();
  assert.deepEqual(store.get().terms, {});
});

test("a change after an undo is a step of its own", () => {
  const store = createStore(initial(), () => 0);
  store.set({ guidance: 1 }, "guidance");
  store.set({ terms: { age: 1 } }, "age");
  store.undo();
  store.set({ terms: { age: 2 } }, "age");
  store.undo();
  assert.deepEqual(store.get().terms, {});
  assert.equal(store.get().guidance, 1);
});

test("nothing changed is no step, and is not told", () => {
  const store = createStore();
  let told = 0;
  store.subscribe(() => (told += 1));
  store.set({ terms: {} });
  assert.equal(store.undoable(), false);
  assert.equal(told, 0);
});

test("listeners are told until they leave", () => {
  const store = createStore();
  let told = 0;
  const leave = store.subscribe(() => (told += 1));
  store.set({ free: true });
  leave();
  store.set({ free: false });
  assert.equal(told, 1);
});

test("asking and freeing an attribute leaves the others", () => {
  const state = initial({ terms: { hair: "red", hat: "yes" } });
  assert.deepEqual(asked(state, "hair", { not: "red" }).terms, { hat: "yes", hair: { not: "red" } });
  assert.deepEqual(asked(state, "hair", undefined).terms, { hat: "yes" });
  assert.deepEqual(toggled(["a"], "b"), ["a", "b"]);
  assert.deepEqual(toggled(["a", "b"], "a"), ["b"]);
});

test("new seeds leave the kept ones in their places", () => {
  const state = initial({ seeds: [3, 7, 9], kept: [7] });
  assert.deepEqual(reseeded(state, 100).seeds, [100, 7, 101]);
});

test("fewer and more images keep the first", () => {
  const state = initial({ seeds: [3, 7, 9] });
  assert.deepEqual(resized(state, 2).seeds, [3, 7]);
  assert.deepEqual(resized(state, 5).seeds, [3, 7, 9, 10, 11]);
});

test("a body names only what was set", () => {
  assert.deepEqual(body(initial({ terms: { digit: "7" } })), { request: { digit: "7" } });
  const state = initial({ guidance: { hair: 2 }, steps: 8, free: true });
  assert.deepEqual(body(state), { request: {}, guidance: { hair: 2 }, steps: 8, free: true });
});

test("an interval is named where there is guidance for it", () => {
  const interval = /** @type {[number, number]} */ ([0.2, 0.8]);
  for (const guidance of [null, 2, { hair: 1, age: 0 }]) assert.deepEqual(body(initial({ guidance, interval })).interval, interval);
  for (const guidance of [1, { hair: 1 }]) assert.equal(body(initial({ guidance, interval })).interval, undefined);
});

test("an address holds everything", () => {
  const state = initial({
    terms: {
      digit: "7", age: 31.5, "hair color": { not: ["red", "blond"] }, hat: ["yes"],
      odd: "true", quoted: '"x"', emb: "a b&c=d", range: "20..30", null: "null",
    },
    locked: ["digit", "hair color"], seeds: [5, 2, 3], kept: [2],
    guidance: { digit: 2 }, interval: [0.2, 0.8], steps: 12, sampler: "heun", free: true,
    more: { "explore.x": "age" },
  });
  assert.deepEqual(fromQuery(toQuery(state)), state);
});

test("an address is short where little was changed", () => {
  assert.equal(toQuery(initial()), "");
  assert.equal(toQuery(initial({ seeds: seedsFrom(9, 4) })), "seeds=9%2B4");
  assert.deepEqual(fromQuery("seeds=9%2B4").seeds, [9, 10, 11, 12]);
});

test("a broken address is no error", () => {
  assert.deepEqual(fromQuery("seeds=x+y&kept=-1&lock=%7B&nonsense"), initial());
});
