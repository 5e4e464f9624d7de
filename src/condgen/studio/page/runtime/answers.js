// What a backend answers (backend.js), computed by an exported model. It knows nothing of pages or workers.

import { RequestError } from "./errors.js";
import { STRENGTH } from "./generator.js";
import { base64, observations, png } from "./pixels.js";

/** @typedef {import("./generator.js").Generator} Generator */
/** @typedef {import("./generator.js").Samples} Samples */
/** @typedef {import("./request.js").Request} Request */
/** @typedef {import("./request.js").Requestable} Requestable */
/** @typedef {import("../backend.js").About} About */
/** @typedef {import("../backend.js").SampleBody & import("./generator.js").Sampling} Body */
/** @typedef {{request: Requestable, seed: number}} Side of an interpolation */

const OPTIONS = ["guidance", "interval", "steps", "sampler", "compose", "free"];
const CANNOT_READ = "This model cannot tell what the images show.";
const FEW = 50; // examples below which a note says how few there are, as in condgen's studio/labels.py

/** @param {About} about @param {() => Promise<Generator>} opened */
export const answers = (about, opened) => ({
  models: async () => ({ models: [about], trains: false }),

  about: async () => about,

  /** @param {string} _model @param {Requestable} request */
  understand: async (_model, request) => {
    const generator = await opened();
    const asked = generator.requests(request);
    const counts = asked.map((each) => generator.joint.fitting(each.constraints));
    const examples = about.examples === null ? null : Math.min(...counts);
    const requests = asked.map((each) => ({ ...understood(each), terms: each.terms(generator.schema) }));
    return { requests, examples, note: rarity(examples, about.examples) };
  },

  /** @param {string} _model @param {Body} body */
  sample: async (_model, body) => {
    const generator = await opened();
    const asked = generator.requests(body.request ?? "", body.extrapolate);
    const n = body.n ?? 1;
    const all = n * asked.length;
    if (all > about.most) throw new RequestError(`This page makes ${about.most} samples at once, not ${all}. Ask for fewer.`);
    const sampling = options(body);
    const samples = await generator.sample(asked, n, body.seed ?? 0, sampling);
    return shown(about, generator, asked, samples, sampling);
  },

  editing: async () => {
    const { model } = await opened();
    return { why_not: model.edits && about.shape.length === 3 ? null : "This model cannot edit.", strength: model.lossless ? 1 : STRENGTH };
  },

  /** @param {string} _model @param {Blob[]} images */
  look: async (_model, images) => {
    const condition = Object.fromEntries(about.attributes.map(({ name }) => [name, null]));
    const x = split(await observations(images, about.shape));
    const seen = await Promise.all(x.map(async (each) => ({ image: base64(await png(each, about.shape)), condition })));
    return { seen, note: CANNOT_READ };
  },

  /** @param {string} _model @param {{images: Blob[], request: Requestable, source?: Requestable, strength?: number | "auto", mask?: Blob}} wanted */
  edit: async (_model, { images, request, source, strength, mask }) => {
    const generator = await opened();
    generator.mustEdit();
    if (source === undefined) throw new RequestError(CANNOT_READ);
    const [change, before] = [only(generator, request), only(generator, source)];
    if (!before.constraints.size && !about.can_leave_free) throw new RequestError(`${CANNOT_READ} Say it before you change it.`);
    const condition = generator.stated(before, images.length);
    const where = mask ? await observations([mask], [1, ...about.shape.slice(1)]) : null;
    const edited = await generator.edit(await observations(images, about.shape), condition, change, strength, where);
    return { ...(await shown(about, generator, [change], edited, { strength })), sources: condition.rows() };
  },

  /** @param {string} _model @param {{from: Side, to: Side, steps: number, how?: import("./generator.js").Sampling}} wanted */
  interpolate: async (_model, { from, to, steps, how = {} }) => {
    const generator = await opened();
    const [a, b] = [only(generator, from.request), only(generator, to.request)];
    const samples = await generator.interpolated({ request: a, seed: from.seed }, { request: b, seed: to.seed }, steps, how);
    return shown(about, generator, [a, b], samples, how);
  },
});

/** A note about a request that the training data shows seldom or never. @param {number | null} examples @param {number | null} total */
function rarity(examples, total) {
  if (examples === null || total === null || examples >= FEW) return null;
  if (!examples) return "No training example has all of this together. The model has to combine what it learned from others.";
  const fit = examples === 1 ? "1 training example fits" : `${examples} training examples fit`;
  return `Only ${fit} this, of ${total.toLocaleString("en")}. Expect images that are less sure.`;
}

/** @param {Generator} generator @param {Requestable} asked */
function only(generator, asked) {
  const found = generator.requests(asked);
  if (found.length > 1) throw new RequestError(`'${JSON.stringify(asked)}' stands for ${found.length} requests; one is needed here.`);
  return found[0];
}

/** The settings of sampling that were given. @param {Record<string, any>} body */
const options = (body) =>
  Object.fromEntries(OPTIONS.filter((name) => body[name] != null && body[name] !== false).map((name) => [name, body[name]]));

/** @param {Request} request */
const understood = ({ text, asked, notes }) => ({ text, asked, notes });

/** Samples as JSON, with images as PNG.
 * @param {About} about @param {Generator} generator @param {Request[]} asked @param {Samples} samples @param {object} sampling */
async function shown(about, generator, asked, samples, sampling) {
  const observed = split(samples.x);
  const rows = samples.condition.rows().map(async (condition, k) => {
    const row = { request: samples.request[k], seed: samples.seeds[k], condition };
    const x = observed[k];
    if (about.shape.length !== 3) return { ...row, values: restored(x, generator.header.data.coordinates) };
    const { name, fingerprint } = about;
    const made = { model: name, fingerprint, request: asked[row.request].text, condition, seed: row.seed, sampling };
    return { ...row, image: base64(await png(x, about.shape, made)) };
  });
  return { requests: asked.map(understood), samples: await Promise.all(rows) };
}

/** The numbers of each sample. @param {import("./tensors.js").Tensor} x */
function split({ data, dims }) {
  const size = data.length / dims[0];
  return Array.from({ length: dims[0] }, (_, k) => data.subarray(k * size, (k + 1) * size));
}

/** A vector in the data's own units. @param {Float32Array} x @param {{center: number[], scale: number[]} | undefined} coordinates */
const restored = (x, coordinates) => Array.from(x, (value, k) => {
  const own = coordinates ? Math.fround(value * coordinates.scale[k] + coordinates.center[k]) : value;
  return Number.isFinite(own) ? own : null;
});
