import assert from "node:assert/strict";
import { test } from "node:test";
import { forPeople } from "../../../src/condgen/studio/page/server.js";

test("messages to programs are spelled for people, and offer nothing that the page lacks", () => {
  const range = "year=1950 is out of range: the training data covers 1991 to 2012. Ask within the range";
  assert.equal(forPeople(`${range}, or allow extrapolation (\`"extrapolate": true\`).`), `${range}.`);
  assert.equal(forPeople(`${range}, or give both ends and allow extrapolation (\`"extrapolate": true\`).`), `${range}.`);
  assert.equal(forPeople('Take fewer (`"steps": 50, "guidance": 2`), or leave out `"sampler"`.'),
    "Take fewer (`steps = 50, guidance = 2`), or leave out `sampler`.");
  assert.equal(forPeople("Say `digit=7`."), "Say `digit=7`.");
});
