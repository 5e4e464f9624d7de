// Exported models, as condgen's runtime/models.py: what each kind computes from the functions of its network.

import { guidedVelocity } from "./guidance.js";
import { PATHS, reversible, SAMPLERS } from "./samplers.js";
import { lerp } from "./tensors.js";

/** @typedef {import("./tensors.js").Tensor} Tensor */
/** @typedef {import("./onnx.js").Network} Network */
/** @typedef {import("./onnx.js").Input} Input */
/** @typedef {import("./schema.js").Condition} Condition */
/** @typedef {import("./rng.js").Rng} Rng */
/** @typedef {import("./samplers.js").Velocity} Velocity */
/** @typedef {import("./guidance.js").Guidance} Guidance */
/** @typedef {{kind: "normal" | "uniform", shape: number[]}} Draw */
/** @typedef {{path: string, steps: number, sampler: string, start: Draw, guidance: import("./guidance.js").Weights | null, interval: [number, number]}} Integration */
/** @typedef {{kind: string, shape: number[], conditional: boolean, handles_missing: boolean, recipe: Record<string, any>, draws: Draw[],
 *   schema: {attributes: import("./named.js").Described[]}, data: Record<string, any>, integration: Integration | null,
 *   functions: Record<string, {inputs: string[], outputs: string[]}>}} Header */
/** @typedef {{vector: Tensor, tokens: Tensor}} Encoded */
/** @typedef {{guidance?: Guidance, steps?: number | null, sampler?: string | null}} Settings of integration; null is the model's own */

/** The network of an exported model. */
class Exported {
  edits = false;
  lossless = false;
  guided = false;

  /** @param {Header} header @param {Network} network */
  constructor(header, network) {
    this.header = header;
    this.network = network;
    this.way = /** @type {{end: Condition, shares: number[]} | null} */ (null);
  }

  /** Whether it samples by encoded conditions, so that there is a way between two. */
  get interpolates() {
    return false;
  }

  /** The same model with the condition of each sample encoded a share of the way to that of `end`.
   * @param {Condition} end @param {number[]} shares */
  towards(end, shares) {
    return Object.assign(Object.create(Object.getPrototypeOf(this)), this, { way: { end, shares } });
  }

  /** The encoded condition. @param {Condition} condition @returns {Promise<Encoded>} */
  async encoded(condition) {
    const c = await this.encode(condition);
    if (!this.way) return c;
    const { end, shares } = this.way;
    const other = await this.encode(end.keeping((k, row) => condition.given(row, k))); // guidance drops attributes of both
    return { vector: lerp(c.vector, other.vector, shares), tokens: lerp(c.tokens, other.tokens, shares) };
  }

  /** @param {Condition} condition @returns {Promise<Encoded>} */
  async encode(condition) {
    const [vector, tokens] = await this.network.call("condition", inputs(condition));
    return { vector, tokens };
  }

  /** @param {string} name @param {Record<string, Input>} given @param {Encoded} c */
  async called(name, given, c) {
    const [result] = await this.network.call(name, { ...given, "c.vector": c.vector, "c.tokens": c.tokens });
    return result;
  }

  /** The noise that a function takes from the streams. @param {Rng} rng */
  noise(rng) {
    return Object.fromEntries(this.header.draws.map((draw, k) => [`noise.${k}`, drawn(draw, rng)]));
  }
}

/** With edits through noise, as condgen's models/through_noise.py.
 * @template {new (...args: any[]) => Exported} Base @param {Base} base */
const ThroughNoise = (base) => class extends base {
  edits = true;

  /** The noise of observations under an encoded condition. @param {Tensor} _x @param {Encoded} _c @returns {Promise<Tensor>} */
  toNoise(_x, _c) {
    throw new TypeError("each kind has its own");
  }

  /** The expected observations for noise. @param {Tensor} _noise @param {Encoded} _c @returns {Promise<Tensor>} */
  fromNoise(_noise, _c) {
    throw new TypeError("each kind has its own");
  }

  /** x, which has one condition, changed to another. @param {Tensor} x @param {Condition} source @param {Condition} target */
  async edit(x, source, target) {
    return this.fromNoise(await this.toNoise(x, await this.encoded(source)), await this.encoded(target));
  }
};

/** Samples by one evaluation of its network. */
class OnePass extends Exported {
  /** One observation per request, [batch, ...shape]. @param {Condition} condition @param {Rng} rng @returns {Promise<Tensor>} */
  async sample(condition, rng) {
    return (await this.network.call("sample", { ...inputs(condition), ...this.noise(rng) }))[0];
  }
}

/** The same, and edits through noise. */
class OnePassEdits extends ThroughNoise(OnePass) {
  /** Images need no other noise than that of the latent. */
  get interpolates() {
    return this.header.shape.length === 3;
  }

  /** @param {Condition} condition @param {Rng} rng */
  async sample(condition, rng) {
    return this.way ? this.fromNoise(drawn(this.header.draws[0], rng), await this.encoded(condition)) : super.sample(condition, rng);
  }

  /** The noise of observations. @param {Tensor} x @param {Encoded} c */
  toNoise(x, c) {
    return this.called("to_noise", { x }, c);
  }

  /** The expected observations for noise. @param {Tensor} noise @param {Encoded} c */
  fromNoise(noise, c) {
    return this.called("from_noise", { state: noise }, c);
  }
}

/** Integrates a velocity from noise to data. */
class Integral extends Exported {
  /** @param {Header} header @param {Network} network */
  constructor(header, network) {
    super(header, network);
    this.how = /** @type {Integration} */ (header.integration);
    this.path = PATHS[this.how.path];
  }

  get interpolates() {
    return true;
  }

  /** The velocity under a condition, without guidance. @param {Condition} condition */
  async field(condition) {
    return this.fieldOf(await this.encoded(condition));
  }

  /** @param {Encoded} c @returns {Velocity} */
  fieldOf(c) {
    return (x, t) => this.called("velocity", { state: x, t: { data: t, dims: [t.length] } }, c);
  }

  /** One observation per request along the velocity, [batch, ...shape]. @param {Condition} condition @param {Rng} rng @param {Settings} [settings] */
  async sample(condition, rng, { steps, sampler } = {}) {
    const x = await this.integrated(await this.velocity(condition), drawn(this.how.start, rng), sampler, steps);
    return this.observed(x, await this.encoded(condition), rng);
  }

  /** @param {Condition} condition */
  velocity(condition) {
    return this.field(condition);
  }

  /** @param {Tensor} x @param {Encoded} c @param {Rng} rng */
  observed(x, c, rng) {
    return this.called("observed", { state: x, ...this.noise(rng) }, c);
  }

  /** The state at time 1 that noise leads to. @param {Velocity} velocity @param {Tensor} noise @param {string | null} [sampler] @param {number | null} [steps] */
  integrated(velocity, noise, sampler, steps) {
    return SAMPLERS[sampler ?? this.how.sampler](velocity, noise, this.path, steps ?? this.how.steps);
  }
}

/** Integrates, in edits also back to noise. */
class Inverse extends ThroughNoise(Integral) {
  /** The noise that leads to observations, without guidance. @param {Tensor} x @param {Encoded} c */
  async toNoise(x, c) {
    const state = await this.called("standardised", { x }, c);
    return SAMPLERS[reversible(this.how.sampler)](this.fieldOf(c), state, this.path, this.how.steps, 1, 0);
  }

  /** The expected observations that noise leads to, without guidance. @param {Tensor} noise @param {Encoded} c */
  async fromNoise(noise, c) {
    const x = await this.integrated(this.fieldOf(c), noise, reversible(this.how.sampler));
    return this.called("shown", { state: x }, c);
  }
}

/** With guidance in samples. @template {new (...args: any[]) => Integral} Base @param {Base} base */
const Guided = (base) => class extends base {
  guided = true;

  /** The model's own guidance. @returns {Guidance} */
  get guidance() {
    return { weights: this.how.guidance ?? 1, interval: this.how.interval, against: null, compose: false };
  }

  /** @param {Condition} condition @param {Rng} rng @param {Settings} [settings] @returns {Promise<Tensor>} */
  async sample(condition, rng, { guidance, steps, sampler } = {}) {
    const velocity = await guidedVelocity(guidance ?? this.guidance, (each) => this.field(each), condition);
    const x = await this.integrated(velocity, drawn(this.how.start, rng), sampler, steps);
    return this.observed(x, await this.encoded(condition), rng);
  }
};

/** A flow of observations: edits are guided towards the new condition, and noise keeps its length (Su et al. 2023). */
class Flow extends Guided(Inverse) {
  lossless = true;

  /** @param {Tensor} x @param {Condition} source @param {Condition} target @returns {Promise<Tensor>} */
  async edit(x, source, target) {
    const noise = await this.toNoise(x, await this.encoded(source));
    const velocity = await guidedVelocity(this.guidance, (each) => this.field(each), target);
    const guided = await this.integrated(velocity, noise, reversible(this.how.sampler));
    return this.called("shown", { state: guided }, await this.encoded(target));
  }
}

/** @type {Record<string, new (header: Header, network: Network) => any>} */
const KINDS = {
  "one-pass": OnePass, "one-pass-edits": OnePassEdits, integral: Integral, "guided-integral": Guided(Integral),
  inverse: Inverse, "guided-inverse": Guided(Inverse), flow: Flow,
};

/** The exported model with a header. @param {Header} header @param {Network} network */
export const modelOf = (header, network) => new KINDS[header.kind](header, network);

/** Noise from the streams of a batch, [batch, ...shape]. @param {Draw} draw @param {Rng} rng @returns {Tensor} */
const drawn = (draw, rng) => ({ data: rng[draw.kind](...draw.shape), dims: [rng.length, ...draw.shape] });

/** A condition as inputs of the network. @param {Condition} condition @returns {Record<string, Input>} */
function inputs(condition) {
  const codes = condition.schema.attributes.map((a, k) => {
    const dims = a.size > 1 ? [condition.length, a.size] : [condition.length];
    return [`codes.${a.name}`, { data: condition.codes[k], dims }];
  });
  return { ...Object.fromEntries(codes), present: { data: condition.present, dims: [condition.length, condition.schema.length] } };
}
