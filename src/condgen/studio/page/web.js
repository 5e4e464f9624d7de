/** Starts the page without a server: the model's files lie beside the page, or within it. */
import { mount } from "./main.js";
import { connect } from "./runtime/browser.js";

/** What a page in one file sets before (single.js). @typedef {{worker: Worker, files: Record<string, Blob>}} Within */

const within = /** @type {{condgen?: Within}} */ (/** @type {unknown} */ (globalThis)).condgen;
const worker = within?.worker ?? new Worker(new URL("./runtime/worker.js", import.meta.url), { type: "module" });
const file = async (/** @type {string} */ name) => (within ? within.files[name] : fetch(new URL(name, document.baseURI)));

mount(connect(worker, async () => JSON.parse(await (await file("model/header.json")).text())));
