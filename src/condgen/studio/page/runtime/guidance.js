// Guidance, as condgen's models/flow/guidance.py: v = v(c) + Σ_k (w_k − 1) (v(c) − v_k), with the contrasts v_k.

import { RequestError } from "./errors.js";
import { sum, where } from "./tensors.js";

/** @typedef {import("./schema.js").Condition} Condition */
/** @typedef {import("./samplers.js").Velocity} Velocity */
/** @typedef {(condition: Condition) => Promise<Velocity>} Field the velocity under a condition */
/** @typedef {number | Record<string, number>} Weights of the whole condition, or by attribute (1 for the others) */
/** @typedef {{weights: Weights, interval: [number, number], against: Condition | null, compose: boolean}} Guidance
 *   against: unwanted values, which a weight above 1 moves away from. compose: predict each attribute alone. */
/** @typedef {{push: number, velocity: Velocity, outside: number}} Contrast a velocity to move away from, the strength w − 1
 *   and the strength outside the interval */

/** The guided velocity. @param {Guidance} how @param {Field} field @param {Condition} condition @returns {Promise<Velocity>} */
export async function guidedVelocity(how, field, condition) {
  const weights = namedWeights(condition.schema, how.weights);
  const contrasts = await (how.compose ? composed : byAttribute)(field, condition, weights, how.against);
  return guided(await field(how.compose ? condition.keeping(() => false) : condition), contrasts, how.interval);
}

/** The velocity moved away from its contrasts, by `push` while t is in the interval and by `outside` otherwise.
 * @param {Velocity} velocity @param {Contrast[]} contrasts @param {[number, number]} interval @returns {Velocity} */
function guided(velocity, contrasts, interval) {
  const within = moved(velocity, contrasts.map(({ push, velocity: other }) => ({ push, other })));
  const beyond = moved(velocity, contrasts.map(({ outside: push, velocity: other }) => ({ push, other })));
  const [low, high] = interval.map(Math.fround);
  return async (x, t) => {
    const inside = Array.from(t, (each) => each >= low && each <= high);
    if (inside.every(Boolean)) return within(x, t);
    if (!inside.some(Boolean)) return beyond(x, t);
    return where(inside, await within(x, t), await beyond(x, t));
  };
}

/** v + Σ push (v − v_k). Where v cancels out, as with a weight of 0, it is not evaluated.
 * @param {Velocity} velocity @param {{push: number, other: Velocity}[]} contrasts @returns {Velocity} */
function moved(velocity, contrasts) {
  const active = contrasts.filter(({ push }) => push);
  const cancels = active.reduce((total, { push }) => total + push, 0) === -1;
  return async (x, t) => {
    if (cancels) {
      /** @type {Parameters<typeof sum>} */
      const parts = [];
      for (const { push, other } of active) parts.push([-push, await other(x, t)]);
      return sum(...parts);
    }
    const v = await velocity(x, t);
    let found = v;
    for (const { push, other } of active) found = sum([1, found], [push, v], [-push, await other(x, t)]);
    return found;
  };
}

/** Attributes of equal weight are dropped together: one number is classifier-free guidance (Ho & Salimans 2022).
 * @param {Field} field @param {Condition} condition @param {Record<string, number>} weights @param {Condition | null} against */
async function byAttribute(field, condition, weights, against) {
  const different = [...new Set(Object.values(weights))].filter((w) => w !== 1);
  return Promise.all(different.map(async (w) => {
    const names = condition.schema.names.filter((name) => weights[name] === w);
    return { push: w - 1, velocity: await field(without(condition, names, w > 1 ? against : null)), outside: 0 };
  }));
}

/** Composition by AND: v(∅) + Σ_a w_a (v(a) − v(∅)) (Liu et al. 2022, eq. 11). An unwanted value adds
 * (w_a − 1) (v(∅) − v(a unwanted)).
 * @param {Field} field @param {Condition} condition @param {Record<string, number>} weights @param {Condition | null} against
 * @returns {Promise<Contrast[]>} */
async function composed(field, condition, weights, against) {
  const names = condition.schema.names;
  /** @param {Condition} some */
  const given = (some) => names.filter((_, k) => [...Array(some.length).keys()].some((row) => some.given(row, k)));
  const alone = given(condition).map(async (name) => {
    const others = names.filter((other) => other !== name);
    return { push: -weights[name], velocity: await field(without(condition, others, null)), outside: -1 };
  });
  const free = condition.keeping(() => false);
  const unwanted = (against ? given(against) : []).filter((name) => weights[name] > 1).map(async (name) => {
    return { push: weights[name] - 1, velocity: await field(without(free, [name], against)), outside: 0 };
  });
  return Promise.all([...alone, ...unwanted]);
}

/** The condition with these attributes left free, or set as in `against` where that gives them.
 * @param {Condition} condition @param {string[]} names @param {Condition | null} against */
function without(condition, names, against) {
  const dropped = new Set(names.map((name) => condition.schema.position(name)));
  const left = condition.keeping((k) => !dropped.has(k));
  return against ? left.update(against.keeping((k) => dropped.has(k))) : left;
}

/** One weight per attribute. @param {import("./schema.js").Schema} schema @param {Weights} weights @returns {Record<string, number>} */
export function namedWeights(schema, weights) {
  const given = typeof weights === "number" ? Object.fromEntries(schema.names.map((name) => [name, weights])) : weights;
  const named = Object.fromEntries(schema.names.map((name) => [name, 1]));
  for (const [name, weight] of Object.entries(given)) {
    if (!Number.isFinite(weight)) throw new RequestError(`A guidance must be a finite number, not ${name}=${weight}.`);
    named[schema.get(name).name] = Number(weight);
  }
  return named;
}
