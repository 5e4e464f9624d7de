import assert from "node:assert/strict";
import { test } from "node:test";
import { kept } from "../../../src/condgen/studio/page/runtime/kept.js";
import { Network } from "../../../src/condgen/studio/page/runtime/onnx.js";
import { PATHS, SAMPLERS } from "../../../src/condgen/studio/page/runtime/samplers.js";

/** A call that fails at first, and its number of calls. */
function failing() {
  const tried = { times: 0, call: async () => {
    tried.times += 1;
    if (tried.times === 1) throw new Error("The connection was lost.");
    return new Uint8Array(3);
  } };
  return tried;
}

test("what failed is tried again, and what was found is kept", async () => {
  const tried = failing();
  const get = kept(tried.call);
  await assert.rejects(get(), /lost/);
  assert.equal(await get(), await get());
  assert.equal(tried.times, 2);
});

test("a network that could not be downloaded is downloaded at the next call", async () => {
  const tried = failing();
  const session = { run: async () => ({ "sample.result": { data: new Float32Array(1), dims: [1] } }) };
  const ort = { InferenceSession: { create: async () => session } };
  const network = new Network(ort, tried.call, { sample: { inputs: [], outputs: ["sample.result"] } });
  await assert.rejects(network.call("sample", {}), /lost/);
  assert.deepEqual((await network.call("sample", {}))[0].dims, [1]);
  await network.call("sample", {});
  assert.equal(tried.times, 2);
});

test("steps that adapt end with advice where a flow needs too many", async () => {
  const x = { data: new Float32Array(2), dims: [1, 2] };
  const wild = async (/** @type {any} */ state, /** @type {Float32Array} */ t) =>
    ({ data: state.data.map(() => 1e3 * Math.sin(2e4 * t[0])), dims: state.dims });
  await assert.rejects(SAMPLERS.dopri(wild, x, PATHS.linear, 4), { name: "RequestError", message: /more than 1,000 steps.*heun/ });
});
