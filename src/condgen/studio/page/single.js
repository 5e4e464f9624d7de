/** Starts a page that is one file: its modules and other files lie within it, compressed, in base64. */

/** @typedef {Record<string, string>} Modules their texts by name, each after those that it imports */

/** @type {{modules: Modules, worker: Modules, files: Record<string, string>}} */
const within = JSON.parse(document.getElementById("within")?.textContent ?? "");

/** @param {string} packed @returns {Promise<Blob>} */
function unpacked(packed) {
  const bytes = Uint8Array.from(atob(packed), (c) => c.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).blob();
}

/** @param {Record<string, string>} packed @returns {Promise<Record<string, Blob>>} */
async function allUnpacked(packed) {
  const blobs = await Promise.all(Object.values(packed).map(unpacked));
  return Object.fromEntries(Object.keys(packed).map((name, k) => [name, blobs[k]]));
}

/** @param {Modules} packed @returns {Promise<Modules>} */
async function texts(packed) {
  const blobs = Object.entries(await allUnpacked(packed));
  return Object.fromEntries(await Promise.all(blobs.map(async ([name, blob]) => [name, await blob.text()])));
}

/** The addresses of modules, which import each other by `module:NAME`. @param {Modules} modules @returns {Modules} */
function addressed(modules) {
  /** @type {Modules} */
  const addresses = {};
  for (const [name, text] of Object.entries(modules)) {
    const source = text.replace(/"module:([^"]+)"/g, (_, other) => JSON.stringify(addresses[other]));
    addresses[name] = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  }
  return addresses;
}

/** What the worker runs first. It makes the addresses itself: those of a page from a file are closed to its workers. */
function beginWorker() {
  addEventListener("message", async ({ data: { modules, files } }) => {
    const addresses = addressed(modules);
    Object.assign(globalThis, { condgen: { ort: addresses["onnxruntime/ort.js"], files } });
    await import(addresses["runtime/worker.js"]);
  }, { once: true });
}

const start = new Blob([`${addressed}\n(${beginWorker})()`], { type: "text/javascript" });
const worker = new Worker(URL.createObjectURL(start));
const files = await allUnpacked(within.files);
Object.assign(globalThis, { condgen: { worker, files } });
await import(addressed(await texts(within.modules))["web.js"]);
worker.postMessage({ modules: await texts(within.worker), files }); // now that the page listens to it

export {};
