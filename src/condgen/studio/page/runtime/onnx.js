// The network of an exported model, run by ONNX Runtime: one file per function, loaded when it is first called.

import { kept } from "./kept.js";

/** @typedef {import("./tensors.js").Tensor} Tensor */
/** @typedef {Tensor | {data: Uint8Array, dims: number[]}} Input numbers, or a mask */
/** @typedef {(name: string) => Promise<Uint8Array>} Open the content of a file */

// Errors only, and weights in int8 become floats once, as in condgen's runtime/session.py.
const OPTIONS = { logSeverityLevel: 3, extra: { session: { disable_quant_qdq: "1" } } };

/** The functions of a network. */
export class Network {
  /** @param {any} ort ONNX Runtime's module @param {Open} open @param {Record<string, {inputs: string[], outputs: string[]}>} functions */
  constructor(ort, open, functions) {
    this.ort = ort;
    this.open = open;
    this.functions = functions;
    /** @type {Map<string, () => Promise<any>>} */
    this.loaded = new Map();
    /** Called before each evaluation; what it throws stops the work. @type {() => Promise<void>} */
    this.pause = async () => {};
  }

  /** The outputs of a function for inputs by name, without the name of the function before them.
   * @param {string} name @param {Record<string, Input>} inputs @returns {Promise<Tensor[]>} */
  async call(name, inputs) {
    await this.pause();
    const session = await this.#session(name);
    const found = await session.run(this.#feeds(name, inputs));
    return this.functions[name].outputs.map((output) => ({ data: found[output].data, dims: [...found[output].dims] }));
  }

  /** @param {string} name @param {Record<string, Input>} inputs */
  #feeds(name, inputs) {
    return Object.fromEntries(Object.entries(inputs).map(([each, { data, dims }]) => {
      const type = data instanceof Float32Array ? "float32" : "bool";
      return [`${name}.${each}`, new this.ort.Tensor(type, data, dims)];
    }));
  }

  /** @param {string} name */
  #session(name) {
    const session = this.loaded.get(name) ?? kept(async () => this.ort.InferenceSession.create(await this.open(`${name}.onnx`), OPTIONS));
    this.loaded.set(name, session);
    return session();
  }
}

/** ONNX Runtime, ready for a single thread: static hosts send no headers that allow several.
 * @param {any} ort its module @param {Uint8Array} wasm its program */
export function prepared(ort, wasm) {
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmBinary = wasm;
  ort.env.logLevel = "error";
  return ort;
}
