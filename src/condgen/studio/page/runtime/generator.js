// Answers to requests by an exported model, as condgen's runs/answering.py, sampling.py and editing.py.

import { RequestError, unknown } from "./errors.js";
import { LabelDistribution } from "./distribution.js";
import { namedWeights } from "./guidance.js";
import { Lexicon } from "./lexicon.js";
import { modelOf } from "./models.js";
import { parseRequests, Request } from "./request.js";
import { RngBetween, Stream, streamOf } from "./rng.js";
import { MOST_STEPS, SAMPLERS } from "./samplers.js";
import { arraysIn } from "./safetensors.js";
import { Condition, Schema } from "./schema.js";
import { concat, masked, sum, within01 } from "./tensors.js";

/** @typedef {import("./tensors.js").Tensor} Tensor */
/** @typedef {import("./models.js").Header} Header */
/** @typedef {import("./request.js").Requestable} Requestable */
/** @typedef {{guidance?: import("./guidance.js").Weights | null, interval?: [number, number] | null, steps?: number | null,
 *   sampler?: string | null, compose?: boolean, free?: boolean}} Sampling Settings; null is the model's own default. */
/** @typedef {{request: Request, seeds: number[]}} Part of a batch */
/** @typedef {{request: Request, seed: number}} End of an interpolation */
/** @typedef {{x: Tensor, condition: Condition, seeds: number[], request: number[]}} Samples */

const BATCH = 50; // samples generated at once, so that work can stop in between
export const STRENGTH = 1.5; // of an edit
const [AUTO, SIZE, STRONGEST] = /** @type {const} */ (["auto", 0.1, 4]); // as in condgen's runs/editing.py
const LARGEST_SEED = 2 ** 40;

/** An exported model with the data's joint distribution of attributes. */
export class Generator {
  /** @param {{header: Header, words: import("./lexicon.js").Written & {examples: Record<string, string>}, joint: Uint8Array, network: import("./onnx.js").Network}} parts */
  constructor({ header, words, joint, network }) {
    this.header = header;
    this.schema = new Schema(header.schema.attributes, words.examples);
    this.lexicon = new Lexicon(this.schema, words);
    this.joint = LabelDistribution.restored(this.schema, arraysIn(joint));
    this.model = modelOf(header, network);
  }

  /** The requests that texts or mappings stand for. @param {Requestable | Requestable[]} asked @param {boolean} [extrapolate] */
  requests(asked, extrapolate = false) {
    const several = (Array.isArray(asked) ? asked : [asked]).filter((each) => each !== "");
    const found = several.flatMap((each) => parseRequests(each, this.lexicon, extrapolate));
    if (!found.length) return [new Request(new Map(), "anything")];
    const wanted = found.find((each) => each.constraints.size);
    if (wanted && !this.header.conditional) throw new RequestError(`This model is unconditional: it cannot be asked for '${wanted.text}'.`);
    return found;
  }

  /** n samples of every request. Sample k of each has the seed `seed + k`.
   * @param {Request[]} asked @param {number} n @param {number} seed @param {Sampling} how @returns {Promise<Samples>} */
  async sample(asked, n, seed, how) {
    if (!Number.isInteger(n) || n < 1) throw new RequestError(`The number of samples must be at least 1, not ${n}.`);
    mustBeSeed(seed, n);
    this.#mustTake(how);
    const all = asked.flatMap((_, request) => Array.from({ length: n }, (_each, k) => ({ request, seed: seed + k })));
    const batches = /** @type {Samples[]} */ ([]);
    for (let start = 0; start < all.length; start += BATCH) {
      const some = all.slice(start, start + BATCH);
      const numbers = [...new Set(some.map(({ request }) => request))];
      const seedsOf = (/** @type {number} */ k) => some.filter(({ request }) => request === k).map((each) => each.seed);
      const parts = numbers.map((k) => ({ request: asked[k], seeds: seedsOf(k) }));
      batches.push({ ...(await this.together(parts, how)), request: some.map(({ request }) => request) });
    }
    return joined(batches);
  }

  /** The samples of several requests in one batch. @param {Part[]} parts @param {Sampling} how @returns {Promise<Samples>} */
  async together(parts, how) {
    const condition = Condition.cat(parts.map((part) => this.#drawn(part, !(how.free || how.compose))));
    const seeds = parts.flatMap((part) => part.seeds);
    const settings = this.model.guided ? this.#settings(how, this.#unwanted(parts)) : {};
    const x = await this.model.sample(condition, streamOf(Stream.NOISE, seeds), settings);
    return { x: this.#observed(x), condition, seeds, request: parts.flatMap((part, k) => part.seeds.map(() => k)) };
  }

  /** Each x, with condition `source`, with the requested attributes changed and the rest kept.
   * @param {Tensor} x @param {Condition} source @param {Request} change @param {number | "auto" | null} [strength]
   * @param {Tensor | null} [mask] where they may change @returns {Promise<Samples>} */
  async edit(x, source, change, strength, mask) {
    this.mustEdit();
    if (strength != null && strength !== AUTO && !(strength > 0 && strength < Infinity)) {
      throw new RequestError(`The strength of an edit must be above 0, such as 1.5, or 'auto', not ${strength}.`);
    }
    const seeds = Array.from({ length: x.dims[0] }, (_, k) => k);
    const target = source.update(this.joint.draw(change.constraints, streamOf(Stream.NOISE, seeds), false));
    const decoded = await this.model.edit(x, source, target);
    const added = this.model.lossless && strength == null; // a lossless model needs no details added back
    const edited = added ? decoded : await this.#added(x, decoded, source, target, strength ?? STRENGTH);
    return { x: mask ? masked(mask.data, x, edited) : edited, condition: target, seeds, request: seeds.map(() => 0) };
  }

  /** x with the change of its decoding put onto it.
   * @param {Tensor} x @param {Tensor} decoded @param {Condition} source @param {Condition} target @param {number | "auto"} strength */
  async #added(x, decoded, source, target, strength) {
    const change = sum([1, decoded], [-1, await this.model.edit(x, source, source)]);
    return this.#observed(sum([1, x], [strength === AUTO ? strengths(change, source, target) : strength, change]));
  }

  /** n samples on the way from one to another, both included, through noise and encoded conditions.
   * @param {End} from @param {End} to @param {number} n @param {Sampling} how @returns {Promise<Samples>} */
  async interpolated(from, to, n, how) {
    if (!this.model.interpolates) throw new RequestError("This model holds no encodings of conditions to interpolate.");
    if (!Number.isInteger(n) || n < 2) throw new RequestError(`An interpolation has its two ends, so its steps must be 2 or more, not ${n}.`);
    [from, to].forEach(({ seed }) => mustBeSeed(seed, 1));
    this.#mustTake(how);
    const [first, last] = this.#ends(from, to, how);
    const shares = Array.from({ length: n }, (_, k) => k / (n - 1));
    const noise = new RngBetween(shares.map(() => from.seed), shares.map(() => to.seed), shares);
    const way = this.model.towards(repeated(last, n), shares);
    const x = await way.sample(repeated(first, n), noise, way.guided ? this.#settings(how, null) : {});
    const seeds = shares.map((share) => (share <= 0.5 ? from.seed : to.seed));
    return { x: this.#observed(x), condition: onTheWay(first, last, n), seeds, request: seeds.map(() => 0) };
  }

  /** The conditions of an interpolation's ends, which leave the same attributes free. @param {End} from @param {End} to @param {Sampling} how */
  #ends(from, to, how) {
    const fill = !(how.free || how.compose);
    const [first, last] = [from, to].map(({ request, seed }) => this.#drawn({ request, seeds: [seed] }, fill));
    const unlike = this.schema.names.filter((_, k) => !fill && first.given(0, k) !== last.given(0, k));
    if (unlike.length) {
      throw new RequestError(`One end leaves ${unlike.join(", ")} free and the other does not, and there is no way between. Ask for the `
        + `same attributes at both, or leave out '${how.free ? "free" : "compose"}'.`);
    }
    return [first, last];
  }

  /** The condition of n observations that a request describes. Missing attributes are drawn where the model needs them.
   * @param {Request} request @param {number} n */
  stated(request, n) {
    const seeds = Array.from({ length: n }, (_, k) => k);
    return this.joint.draw(request.constraints, streamOf(Stream.NOISE, seeds), !this.header.handles_missing);
  }

  mustEdit() {
    if (!this.model.edits) throw new RequestError("This model cannot edit: it has no way from an image back to noise.");
  }

  /** The conditions of a request's samples. Free attributes come from the data's rows that match the request, if `fill` is set.
   * @param {Part} part @param {boolean} fill */
  #drawn({ request, seeds }, fill) {
    const whole = this.header.conditional && (fill || !request.constraints.size);
    return this.joint.draw(request.constraints, streamOf(Stream.CONDITION, seeds), whole);
  }

  /** Values that requests exclude (`color!=red`), one per sample. Guidance moves away from them. @param {Part[]} parts */
  #unwanted(parts) {
    const excluded = parts.map(({ request }) => new Map([...request.constraints].flatMap(([name, constraint]) => {
      const unwanted = constraint.excluded(this.schema.get(name));
      return unwanted ? [[name, unwanted]] : [];
    })));
    if (!excluded.some((each) => each.size)) return null;
    return Condition.cat(parts.map(({ seeds }, k) => this.joint.draw(excluded[k], streamOf(Stream.EXCLUDED, seeds), false)));
  }

  /** @param {Sampling} how @param {Condition | null} against @returns {import("./models.js").Settings} */
  #settings(how, against) {
    const own = this.model.guidance;
    const { guidance: weights = own.weights, interval = own.interval, compose = false, steps, sampler } = how;
    return { guidance: { weights: weights ?? own.weights, interval: interval ?? own.interval, against, compose }, steps, sampler };
  }

  /** Refuse settings that the model does not have, and invalid values. @param {Sampling} how */
  #mustTake(how) {
    const { header, model } = this;
    if (how.free && !header.handles_missing) {
      throw new RequestError("This model has no encoding for a free attribute, so what is not asked for has to come from the data.");
    }
    const given = [how.guidance, how.interval, how.steps, how.sampler].some((each) => each != null) || how.compose;
    if (!given) return;
    if (!model.guided) throw new RequestError("This model takes no guidance, steps or sampler.");
    const weights = Object.values(namedWeights(this.schema, how.guidance ?? model.guidance.weights));
    if (how.sampler != null && !Object.hasOwn(SAMPLERS, how.sampler)) throw unknown("sampler", how.sampler, Object.keys(SAMPLERS));
    mustBeSteps(how.steps);
    mustBeInterval(how.interval, how.compose || weights.some((w) => w !== 1));
  }

  /** A Gaussian's mean may lie outside the range of pixels. @param {Tensor} x */
  #observed(x) {
    return this.header.shape.length === 3 ? within01(x) : x;
  }
}

/** @param {number} seed @param {number} n samples that follow it */
function mustBeSeed(seed, n) {
  const allowed = Number.isInteger(seed) && seed >= 0 && seed <= LARGEST_SEED - n;
  if (!allowed) throw new RequestError(`The seed must be at least 0 and below 2^40, not ${seed}.`);
}

/** @param {number | null | undefined} steps */
function mustBeSteps(steps) {
  const allowed = steps == null || (Number.isInteger(steps) && steps >= 1 && steps <= MOST_STEPS);
  if (!allowed) throw new RequestError(`The number of steps must be 1 to ${MOST_STEPS}, not ${steps}.`);
}

/** @param {[number, number] | null | undefined} interval @param {boolean} guides */
function mustBeInterval(interval, guides) {
  if (interval == null) return;
  const [low, high] = interval;
  if (!(low >= 0 && low < high && high <= 1)) throw new RequestError(`Guidance acts in an interval within 0..1, such as 0.2..0.8, not ${interval}.`);
  if (!guides) throw new RequestError("An interval takes effect only with guidance, and a guidance of 1 is none.");
}

/** @param {Samples[]} batches @returns {Samples} */
const joined = (batches) => ({
  x: concat(batches.map(({ x }) => x)),
  condition: Condition.cat(batches.map(({ condition }) => condition)),
  seeds: batches.flatMap(({ seeds }) => seeds),
  request: batches.flatMap(({ request }) => request),
});

/** @param {Condition} condition of one request @param {number} n */
const repeated = (condition, n) => Condition.cat(Array.from({ length: n }, () => condition));

/** The conditions of an interpolation. Where its ends differ, the samples between them are free.
 * @param {Condition} first @param {Condition} last @param {number} n */
function onTheWay(first, last, n) {
  const common = first.keeping((k) => first.code(0, k).every((code, i) => code === last.code(0, k)[i]));
  return Condition.cat([first, ...Array.from({ length: n - 2 }, () => common), last]);
}

/** The strength of each image's change: small ones are exaggerated, and where a number changes it is the usual one.
 * @param {Tensor} change @param {Condition} source @param {Condition} target */
function strengths(change, source, target) {
  if (change.dims.length !== 4) throw new RequestError("The strength 'auto' is for images. Give vectors a number, such as 1.5.");
  const pixels = change.data.length / change.dims[0];
  return Array.from({ length: change.dims[0] }, (_, row) => {
    const differs = (/** @type {number} */ k) => source.code(row, k).some((code, i) => code !== target.code(row, k)[i]);
    const turned = source.schema.attributes.some((a, k) => !a.choices.length && differs(k));
    const part = change.data.subarray(row * pixels, (row + 1) * pixels);
    const size = Math.sqrt(part.reduce((total, value) => total + value * value, 0) / pixels);
    return turned ? STRENGTH : Math.min(Math.max(SIZE / Math.max(size, 1e-6), STRENGTH), STRONGEST);
  });
}
