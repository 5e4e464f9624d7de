// Samplers and paths, as condgen's models/flow/samplers.py and paths.py: functions that integrate dx/dt = v(x, t).

import { RequestError } from "./errors.js";
import { sum, where } from "./tensors.js";

/** @typedef {import("./tensors.js").Tensor} Tensor */
/** @typedef {(x: Tensor, t: Float32Array) => Promise<Tensor>} Velocity */
/** @typedef {{alpha: number, sigma: number, alphaDot: number, sigmaDot: number}} Point coefficients of x_t = α x + σ ε */
/** @typedef {(t: number) => Point} Path from noise at t = 0 to data at t = 1 */
/** @typedef {(velocity: Velocity, x: Tensor, path: Path, steps: number, start?: number, end?: number) => Promise<Tensor>} Sampler */

export const MOST_STEPS = 10_000;
const MOST_TRIALS = 1_000; // steps that dopri tries; a flow that suits it takes dozens

const HALF_PI = Math.PI / 2;
const NODES = [0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1, 1];
const STAGES = [
  [],
  [1 / 5],
  [3 / 40, 9 / 40],
  [44 / 45, -56 / 15, 32 / 9],
  [19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729],
  [9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656],
  [35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84],
];
const ERROR = [71 / 57600, 0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40];
const TOLERANCE = 1e-4; // of a step's error, as root mean square over the sample, absolute and relative

/** @type {Record<string, Path>} */
export const PATHS = {
  linear: (t) => ({ alpha: t, sigma: 1 - t, alphaDot: 1, sigmaDot: -1 }),
  vp: (t) => {
    const [alpha, sigma] = [Math.sin(t * HALF_PI), Math.cos(t * HALF_PI)];
    return { alpha, sigma, alphaDot: sigma * HALF_PI, sigmaDot: -alpha * HALF_PI };
  },
};

/** x ← x + h v(x, t). First order, one evaluation per step. @type {Sampler} */
async function euler(velocity, x, _path, steps, start = 0, end = 1) {
  for (const [t, after] of intervals(start, end, steps)) {
    x = sum([1, x], [after - t, await velocity(x, at(t, x))]);
  }
  return x;
}

/** The mean of the slopes at both ends of an Euler step. Second order, two evaluations per step. @type {Sampler} */
async function heun(velocity, x, _path, steps, start = 0, end = 1) {
  for (const [t, after] of intervals(start, end, steps)) {
    const h = after - t;
    const slope = await velocity(x, at(t, x));
    const slopeAfter = await velocity(sum([1, x], [h, slope]), at(after, x));
    x = sum([1, x], [h / 2, slope], [h / 2, slopeAfter]);
  }
  return x;
}

/** DPM-Solver++ (2M). Second order, one evaluation per step, from noise to data only (Lu et al. 2022, algorithm 2). @type {Sampler} */
async function dpmSolver(velocity, x, path, steps, start = 0, end = 1) {
  const times = linspace(start, end, steps);
  const points = times.map(path);
  const h = times.slice(1).map((_, k) => logSnr(points[k + 1]) - logSnr(points[k])); // infinite from noise and to data
  let before = /** @type {Tensor | null} */ (null);
  for (let k = 0; k < steps; k++) {
    const data = toData(path(Math.fround(times[k])), x, await velocity(x, at(times[k], x)));
    const { alpha, sigma } = points[k + 1];
    const extrapolated = before && sigma > 1e-9 ? h[k] / (2 * h[k - 1]) : 0; // the last step, into pure data, is of first order
    const ahead = before ? sum([1 + extrapolated, data], [-extrapolated, before]) : data;
    x = sum([sigma / points[k].sigma, x], [-alpha * Math.expm1(-h[k]), ahead]);
    before = data;
  }
  return x;
}

/** Dormand–Prince 5(4), with step sizes per sample. The first trial step is 1/steps of the way.
 * Throws a RequestError if there are more than MOST_TRIALS. @type {Sampler} */
async function dormandPrince(velocity, x, _path, steps, start = 0, end = 1) {
  const direction = Math.sign(end - start);
  const t = new Float64Array(x.dims[0]).fill(start);
  const h = new Float64Array(x.dims[0]).fill(Math.abs(end - start) / steps);
  for (let trials = 0; t.some((each) => (end - each) * direction > 1e-9); trials++) {
    if (trials === MOST_TRIALS) {
      throw new RequestError("The sampler 'dopri' needs more than 1,000 steps here. "
        + "Use one with a fixed number of steps (heun), or less guidance.");
    }
    const left = t.map((each) => Math.max((end - each) * direction, 0));
    const step = h.map((each, k) => Math.min(each, left[k]) * direction);
    const [proposal, error] = await dopriStep(velocity, x, t, step);
    const sizes = errorSizes(error, x, proposal);
    const accepted = sizes.map((size, k) => size <= 1 && left[k] > 0);
    x = where(accepted, proposal, x);
    for (let k = 0; k < t.length; k++) {
      if (left[k] > 0) h[k] = Math.abs(step[k]) * Math.min(Math.max(0.9 * Math.max(sizes[k], 1e-6) ** -0.2, 0.2), 5);
      if (accepted[k]) t[k] += step[k];
      if (h[k] < 1e-7) throw new Error("The flow is too stiff to integrate within the tolerance; use a fixed-step sampler.");
    }
  }
  return x;
}

/** The fifth-order step and the estimate of its error.
 * @param {Velocity} velocity @param {Tensor} x @param {Float64Array} t @param {Float64Array} h @returns {Promise<[Tensor, Tensor]>} */
async function dopriStep(velocity, x, t, h) {
  const slopes = /** @type {Tensor[]} */ ([]);
  const weighted = (/** @type {number[]} */ weights) => slopes.map((slope, k) =>
    /** @type {[Float64Array, Tensor]} */ ([h.map((each) => weights[k] * each), slope]));
  let y = x;
  for (const [k, node] of NODES.entries()) {
    y = sum([1, x], ...weighted(STAGES[k]));
    slopes.push(await velocity(y, Float32Array.from(t, (each, sample) => each + node * h[sample])));
  }
  return [y, sum(.../** @type {[[Float64Array, Tensor]]} */ (weighted(ERROR)))];
}

/** The root mean square of each sample's error in units of the tolerance. An error that is no number counts as large.
 * @param {Tensor} error @param {Tensor} x @param {Tensor} proposal */
function errorSizes(error, x, proposal) {
  const size = x.data.length / x.dims[0];
  return Array.from({ length: x.dims[0] }, (_, sample) => {
    let squares = 0;
    for (let i = sample * size; i < (sample + 1) * size; i++) {
      squares += (error.data[i] / (TOLERANCE * (1 + Math.max(Math.abs(x.data[i]), Math.abs(proposal.data[i]))))) ** 2;
    }
    return Number.isFinite(squares) ? Math.sqrt(squares / size) : 1e6;
  });
}

/** @type {Record<string, Sampler>} */
export const SAMPLERS = { euler, heun, dpm: dpmSolver, dopri: dormandPrince };

/** The sampler itself, or Heun's if it runs forwards only. @param {string} name */
export const reversible = (name) => (name === "dpm" ? "heun" : name);

/** The data that a velocity points to: (σ ẋ − σ̇ x)/(σ α̇ − σ̇ α). @param {Point} point @param {Tensor} x @param {Tensor} velocity */
function toData({ alpha, sigma, alphaDot, sigmaDot }, x, velocity) {
  const scale = 1 / (sigma * alphaDot - sigmaDot * alpha);
  return sum([sigma * scale, velocity], [-sigmaDot * scale, x]);
}

/** @param {Point} point */
const logSnr = ({ alpha, sigma }) => Math.log(alpha / sigma);

/** @param {number} start @param {number} end @param {number} steps */
const linspace = (start, end, steps) =>
  Array.from({ length: steps + 1 }, (_, k) => (k === steps ? end : start + (k * (end - start)) / steps));

/** @param {number} start @param {number} end @param {number} steps */
function intervals(start, end, steps) {
  const times = linspace(start, end, steps);
  return times.slice(1).map((after, k) => [times[k], after]);
}

/** @param {number} t @param {Tensor} x */
const at = (t, x) => new Float32Array(x.dims[0]).fill(t);
