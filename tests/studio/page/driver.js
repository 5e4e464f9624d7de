// The exported page's backend in Node: answers the tasks in a file, for comparison with condgen's own answers.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { Generator } from "../../../src/condgen/studio/page/runtime/generator.js";
import { Network, prepared } from "../../../src/condgen/studio/page/runtime/onnx.js";
import { Rng, Stream, streamOf } from "../../../src/condgen/studio/page/runtime/rng.js";

const [folder, tasks] = process.argv.slice(2);
const bytes = (/** @type {string} */ name) => new Uint8Array(readFileSync(`${folder}/${name}`));
const json = (/** @type {string} */ name) => JSON.parse(readFileSync(`${folder}/${name}`, "utf-8"));

/** @type {Promise<any> | undefined} */ let runtime;
const started = async () => prepared(await import(pathToFileURL(`${folder}/onnxruntime/ort.mjs`).href), bytes("onnxruntime/ort.wasm"));

/** The model, with ONNX Runtime only if something is computed. */
function opened() {
  const header = json("model/header.json");
  const network = new Network(null, async (name) => bytes(`model/${name}`), header.functions);
  network.pause = async () => {
    network.ort = await (runtime ??= started());
  };
  return new Generator({ header, words: json("model/words.json"), joint: bytes("model/joint.safetensors"), network });
}

const generator = opened();
const seedsFrom = (/** @type {number} */ first, /** @type {number} */ n) => Array.from({ length: n }, (_, k) => first + k);
const only = (/** @type {string} */ asked) => generator.requests(asked)[0];
const told = (/** @type {import("../../../src/condgen/studio/page/runtime/generator.js").Samples} */ { x, condition, seeds }) =>
  ({ x: [...x.data], rows: condition.rows(), seeds });

/** @type {Record<string, (task: any) => any>} */
const ANSWERS = {
  draws: ({ seed, shapes }) => {
    const rng = new Rng([seed]);
    return shapes.map((/** @type {["normal" | "uniform", number[]]} */ [kind, shape]) => [...rng[kind](...shape)]);
  },
  requests: ({ asked }) => {
    try {
      return generator.requests(asked).map((each) => [each.text, each.asked, each.notes, each.terms(generator.schema)]);
    } catch (error) {
      if (!(error instanceof Error) || error.name !== "RequestError") throw error;
      return `${error.message} ${/** @type {any} */ (error).words.join(" ")}`;
    }
  },
  fitting: ({ asked }) => generator.joint.fitting(only(asked).constraints),
  conditions: ({ asked, seed, n, fill }) =>
    generator.joint.draw(only(asked).constraints, streamOf(Stream.CONDITION, seedsFrom(seed, n)), fill).rows(),
  sample: async ({ asked, n, seed, how }) => told(await generator.sample(generator.requests(asked), n, seed, how)),
  edit: async ({ x, shape, source, change, strength, mask }) => {
    const images = { data: Float32Array.from(x), dims: shape };
    const where = mask ? { data: Float32Array.from(mask.flat()), dims: [1, 1, ...shape.slice(2)] } : null;
    return told(await generator.edit(images, generator.stated(only(source), shape[0]), only(change), strength, where));
  },
  interpolate: async ({ from, to, n, seed, seedEnd, how }) =>
    told(await generator.interpolated({ request: only(from), seed }, { request: only(to), seed: seedEnd }, n, how)),
  refused: async ({ from, to, how }) =>
    generator.interpolated({ request: only(from), seed: 0 }, { request: only(to), seed: 0 }, 3, how).catch(({ name, message }) => `${name}: ${message}`),
};

const found = [];
for (const { what, ...given } of JSON.parse(readFileSync(tasks, "utf-8"))) found.push(await ANSWERS[what](given));
process.stdout.write(JSON.stringify(found));
