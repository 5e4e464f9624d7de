// The backend without a server: a worker computes everything in the browser.

import { Refused } from "../backend.js";
import { zipped } from "./dataset.js";

/** @typedef {import("../backend.js").Backend} Backend */

/** The backend on top of a worker. @param {Worker} thread in which worker.js runs @param {() => Promise<any>} header of the model @returns {Backend} */
export function connect(thread, header) {
  /** @type {Map<number, {resolve: (value: any) => void, reject: (error: unknown) => void}>} */
  const waiting = new Map();
  let last = 0;

  const ready = new Promise((resolve) => thread.addEventListener("message", resolve, { once: true })); // then it listens
  thread.addEventListener("error", (event) => {
    const lost = new Refused({ detail: `The model cannot run in this browser. ${event.message ?? ""}` });
    for (const { reject } of waiting.values()) reject(lost);
  });
  thread.addEventListener("message", ({ data: { id, value, error } }) => {
    const { resolve, reject } = waiting.get(id) ?? {};
    waiting.delete(id);
    if (error) reject?.(refused(error));
    else resolve?.(value);
  });

  /** @param {string} method @param {any[]} given @param {AbortSignal} [signal] @returns {Promise<any>} */
  const call = (method, given, signal) => new Promise((resolve, reject) => {
    const id = ++last;
    const stop = () => {
      waiting.delete(id);
      thread.postMessage({ abort: id });
      reject(new DOMException("A later request took its place.", "AbortError"));
    };
    if (signal?.aborted) return stop();
    signal?.addEventListener("abort", stop, { once: true });
    waiting.set(id, { resolve, reject });
    return void ready.then(() => thread.postMessage({ id, method, given }));
  });

  return {
    models: () => call("models", []),
    about: (model) => call("about", [model]),
    understand: (model, request, signal) => call("understand", [model, request], signal),
    sample: (model, body, signal) => call("sample", [model, body], signal),
    editing: (model) => call("editing", [model]),
    look: (model, images, signal) => call("look", [model, images], signal),
    edit: (model, wanted, signal) => call("edit", [model, wanted], signal),
    interpolate: (model, wanted, signal) => call("interpolate", [model, wanted], signal),
    dataset: async (_model, samples) => {
      const { schema, data } = await header();
      return zipped(samples, schema, data.coordinates?.names ?? []);
    },
  };
}

/** @param {{name: string, message: string, words?: string[]}} error */
const refused = ({ name, message, words }) =>
  (name === "AbortError" ? new DOMException(message, name) : new Refused({ title: name, detail: message, words }));
