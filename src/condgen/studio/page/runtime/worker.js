// The model in a thread of its own, so that the page never freezes. Messages are {id, method, given} and {abort: id}.
// Its files lie beside the page, or came with it (single.js).

import { answers } from "./answers.js";
import { Generator } from "./generator.js";
import { kept } from "./kept.js";
import { Network, prepared } from "./onnx.js";

const within = /** @type {{condgen?: {ort: string, files: Record<string, Blob>}}} */ (/** @type {unknown} */ (globalThis)).condgen;
const beside = (/** @type {string} */ name) => new URL(`../${name}`, import.meta.url).href;
const aborted = new Set();
let running = 0;
let work = Promise.resolve();

/** The content of a file. @param {string} name @returns {Promise<Uint8Array>} */
async function open(name) {
  const found = within ? within.files[name] : await fetch(beside(name));
  if (!found || (found instanceof Response && !found.ok)) throw new Error(`The file ${name} is missing beside this page.`);
  return new Uint8Array(await found.arrayBuffer());
}

/** @param {string} name */
const json = async (name) => JSON.parse(new TextDecoder().decode(await open(name)));

/** The model, opened when it is first asked. */
const opened = kept(opening);

async function opening() {
  const [module, wasm, header, words, joint] = await Promise.all([
    import(within?.ort ?? beside("onnxruntime/ort.js")), open("onnxruntime/ort.wasm"),
    json("model/header.json"), json("model/words.json"), open("model/joint.safetensors"),
  ]);
  const network = new Network(prepared(module, wasm), (name) => open(`model/${name}`), header.functions);
  network.pause = mayStop;
  return new Generator({ header, words, joint, network });
}

/** Let waiting messages in, and stop if one of them ended the work. */
async function mayStop() {
  await new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => resolve(port1.close());
    port2.postMessage(null);
  });
  if (aborted.has(running)) throw new DOMException("A later request took its place.", "AbortError");
}

const all = kept(async () => answers(await json("model/about.json"), opened));

/** @param {number} id @param {string} method @param {any[]} given */
async function answer(id, method, given) {
  running = id;
  try {
    if (!aborted.has(id)) postMessage({ id, value: await /** @type {any} */ (await all())[method](...given) });
  } catch (error) {
    const { name, message, words } = /** @type {Error & {words?: string[]}} */ (error);
    postMessage({ id, error: { name, message, words } });
  }
  aborted.delete(id);
}

addEventListener("message", ({ data }) => {
  if ("abort" in data) aborted.add(data.abort);
  else work = work.then(() => answer(data.id, data.method, data.given)); // one after the other: there is one processor
});
postMessage({ ready: true });
