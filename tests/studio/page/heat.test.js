import assert from "node:assert/strict";
import { test } from "node:test";
import { apart, heat } from "../../../src/condgen/studio/page/heat.js";

test("a difference is the mean over the colours, whatever the opacity", () => {
  const [a, b] = [[0, 0, 0, 255, 10, 20, 30, 255], [255, 255, 255, 0, 10, 20, 81, 255]];
  assert.deepEqual([...apart(a, b)].map((each) => Math.round(1000 * each)), [1000, 67]);
});

test("small differences are visible, and large ones differ", () => {
  assert.equal(heat(0), 0);
  assert.equal(heat(1), 1);
  assert.ok(heat(0.01) > 0.1 && heat(0.1) < heat(0.3) && heat(0.3) < 1);
});
