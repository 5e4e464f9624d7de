import assert from "node:assert/strict";
import { test } from "node:test";
import { asked } from "../../../src/condgen/studio/page/components/recall.js";
import { example } from "../../../src/condgen/studio/page/components/words.js";
import { form } from "../../../src/condgen/studio/page/server.js";

/** @type {import("../../../src/condgen/studio/page/backend.js").AttributeInfo[]} */
const attributes = [{ name: "bar", label: "Bar", kind: "categorical" }, { name: "emb", label: "Emb", kind: "vector", size: 4 }];
const about = /** @type {any} */ ({ name: "m", attributes });

test("an edit's form holds all numbers of a vector", () => {
  const emb = "0.319042 -0.0700512 0.1 2";
  const request = { bar: { not: "top" }, emb: [0.1, 0.25, 1e-7, 3] };
  const data = form({ images: [new Blob(["PNG"])], request, source: { emb }, strength: "auto" });
  assert.deepEqual(JSON.parse(String(data.get("request"))), request);
  assert.deepEqual(JSON.parse(String(data.get("source"))), { emb });
  assert.deepEqual([data.get("strength"), data.get("mask")], ["auto", null]);
});

test("a picture of a vector brings back all that it shows, as its text is cut short", async () => {
  const backend = /** @type {any} */ ({
    understand: async (/** @type {string} */ _, /** @type {string} */ text) => {
      if (text.includes("…")) throw new Error("'emb' takes 4 finite numbers");
      return { requests: [{ terms: { bar: [text] } }] };
    },
  });
  const condition = { bar: "top", emb: "0.319042 -0.0700512 0.1 2" };
  const note = /** @type {any} */ ({ request: "emb=[0.319 -0.0701 0.1 …]", condition });
  assert.deepEqual(await asked(backend, about, note), condition);
  assert.deepEqual(await asked(backend, about, { ...note, request: "low" }), { bar: "low" });
  await assert.rejects(asked(backend, about, { ...note, condition: undefined }), /4 finite numbers/);
});

test("no file is suggested, which a server does not read", () => {
  assert.equal(example({ attributes: attributes.slice(1), example: "emb=FILE.parquet#1" }), "emb=0.1 0.2 …");
  assert.equal(example({ attributes: attributes.slice(1), example: "emb=FILE.parquet#1, age=30" }), "emb=0.1 0.2 …, age=30");
});
