import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";
import { latest } from "../../../src/condgen/studio/page/live.js";

/** @type {{input: number, signal: AbortSignal, answer: (result: string) => void, refuse: (error: Error) => void}[]} */
let begun = [];
/** @type {any[]} */
let heard = [];
const settled = () => new Promise((resolve) => setImmediate(resolve));
/** @param {number} [patience] */
const asking = (patience) => latest(
  (/** @type {number} */ input, signal) => new Promise((answer, refuse) => void begun.push({ input, signal, answer, refuse })),
  (/** @type {string} */ result) => void heard.push(result), (error) => void heard.push(error.message), patience,
);

beforeEach(() => {
  [begun, heard] = [[], []];
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout", "Date"] });
});

test("only the newest of those that waited is asked next", async () => {
  const ask = asking();
  [1, 2, 3].forEach(ask);
  assert.deepEqual(begun.map(({ input }) => input), [1]);
  begun[0].answer("one");
  await settled();
  assert.deepEqual(begun.map(({ input }) => input), [1, 3]);
  begun[1].answer("three");
  await settled();
  assert.deepEqual(heard, ["one", "three"]);
});

test("slow work is aborted for the newest input, and not heard any more", async () => {
  const ask = asking(100);
  ask(1);
  mock.timers.tick(60);
  ask(2);
  mock.timers.tick(39);
  assert.equal(begun.length, 1);
  mock.timers.tick(1);
  assert.deepEqual([begun.length, begun[0].signal.aborted, begun[1].input], [2, true, 2]);
  begun[0].answer("late");
  begun[1].answer("two");
  await settled();
  assert.deepEqual(heard, ["two"]);
});

test("an error is told, and the next input is asked all the same", async () => {
  const ask = asking();
  ask(1);
  ask(2);
  begun[0].refuse(new Error("no"));
  await settled();
  begun[1].answer("two");
  await settled();
  assert.deepEqual(heard, ["no", "two"]);
});

test("after stopping, nothing is heard or begun", async () => {
  const ask = asking();
  ask(1);
  ask(2);
  ask.stop();
  begun[0].answer("one");
  mock.timers.tick(1000);
  await settled();
  assert.deepEqual([heard, begun.length, begun[0].signal.aborted], [[], 1, true]);
});
