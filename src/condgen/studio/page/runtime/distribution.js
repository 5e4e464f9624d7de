// The joint distribution of a dataset's attributes, as condgen's schema/distribution.py: the same rows for the same seeds.

import { MISMATCH } from "./constraints.js";
import { Condition } from "./schema.js";

/** @typedef {import("./constraints.js").Constraint} Constraint */
/** @typedef {import("./rng.js").Rng} Rng */
/** @typedef {Map<string, Constraint>} Constraints by the attribute's name */

const round = Math.fround;

/** The distinct rows of a dataset's attributes, and how often each occurs. It fills what a request leaves free. */
export class LabelDistribution {
  /** @param {Condition} rows @param {Float32Array} counts */
  constructor(rows, counts) {
    this.rows = rows;
    this.counts = counts;
    this.schema = rows.schema;
    this.known = this.schema.attributes.map((_, k) => Uint8Array.from(counts, (_count, row) => (rows.given(row, k) ? 1 : 0)));
  }

  /** The inverse of condgen's schema/stored.py. @param {import("./schema.js").Schema} schema @param {Record<string, any>} arrays */
  static restored(schema, arrays) {
    const codes = schema.attributes.map((a) => arrays[`values/${a.name}`]);
    return new LabelDistribution(new Condition(schema, arrays.counts.length, codes, arrays.present), arrays.counts);
  }

  /** One condition per stream, distributed as the data's rows given the constraints.
   * A combination that the data never shows is answered too. With `fill` false the free attributes stay free.
   * @param {Constraints} asked @param {Rng} rng @param {boolean} [fill] */
  draw(asked, rng, fill = true) {
    const condition = new Condition(this.schema, rng.length);
    const u = rng.uniform(this.schema.length, 2);
    this.schema.attributes.forEach((_, k) => this.#completed(condition, k, asked, u));
    return fill ? condition : condition.keeping((k) => asked.has(this.schema.attributes[k].name));
  }

  /** Draw a row for every request that lacks attribute k, and copy its values for the free attributes.
   * @param {Condition} condition @param {number} k @param {Constraints} asked @param {Float32Array} u */
  #completed(condition, k, asked, u) {
    const { length } = this.schema;
    /** @type {Float64Array | undefined} */
    let ofAll; // requests that nothing was drawn for yet have the same weights
    for (let i = 0; i < condition.length; i++) {
      if (condition.given(i, k)) continue;
      const empty = !condition.present.subarray(i * length, (i + 1) * length).some(Boolean);
      const weights = empty ? (ofAll ??= this.#cumulative(condition, i, k, asked)) : this.#cumulative(condition, i, k, asked);
      const at = 2 * (i * length + k);
      this.#take(condition, i, inverseCdf(weights, u[at]), asked, u[at + 1]);
    }
  }

  /** The cumulative weights of the rows that know attribute k, for a request.
   * @param {Condition} condition @param {number} i @param {number} k @param {Constraints} asked */
  #cumulative(condition, i, k, asked) {
    const lost = this.#mismatch(condition, i, asked);
    const everywhere = !this.known[k].some(Boolean);
    let least = Infinity;
    for (let row = 0; row < lost.length; row++) {
      if (!everywhere && !this.known[k][row]) lost[row] = Infinity;
      least = Math.min(least, lost[row]);
    }
    let sum = 0; // rows that agree best weigh exactly their counts
    return Float64Array.from(lost, (each, row) => (sum += this.counts[row] * Math.exp(round(least - each))));
  }

  /** The log-weight that every row loses, in nats: 0 if it agrees with all that is asked for or already drawn.
   * @param {Condition} condition @param {number} i @param {Constraints} asked */
  #mismatch(condition, i, asked) {
    const total = new Float32Array(this.counts.length);
    this.schema.attributes.forEach((a, k) => {
      const [rows, known, constraint] = [this.rows.codes[k], this.known[k], asked.get(a.name)];
      const here = condition.given(i, k);
      if (!here && !constraint) return;
      const lost = here ? a.mismatch(condition.code(i, k), rows, known) : /** @type {any} */ (constraint).mismatch(a, rows, known);
      const open = lost.every((/** @type {number} */ each) => each === 0);
      for (let row = 0; row < total.length; row++) total[row] += known[row] || open ? lost[row] : MISMATCH / 2;
    });
    return total;
  }

  /** Fill a request from a row, with each asked attribute that the row contradicts or lacks moved to an allowed value.
   * @param {Condition} condition @param {number} i @param {number} row @param {Constraints} asked @param {number} u */
  #take(condition, i, row, asked, u) {
    this.schema.attributes.forEach((a, k) => {
      if (condition.given(i, k)) return;
      const constraint = asked.get(a.name);
      const [code, known] = [this.rows.code(row, k), this.known[k][row]];
      const breaks = constraint?.binds(a) && !(known && constraint.allows(code));
      if (constraint && breaks) condition.set(i, k, constraint.draw(u));
      else if (known) condition.set(i, k, code);
      else condition.code(i, k).set(code);
    });
  }

  /** The number of the data's rows that fit constraints. @param {Constraints} asked */
  fitting(asked) {
    const wanted = [...asked].map(([name, constraint]) => ({ k: this.schema.position(name), constraint }));
    const fits = (/** @type {number} */ row) => wanted.every(({ k, constraint }) =>
      this.known[k][row] && constraint.fits(this.schema.attributes[k], this.rows.code(row, k)));
    return this.counts.reduce((sum, count, row) => sum + (fits(row) ? count : 0), 0);
  }
}

/** The index at which the cumulative weight passes the share u of all weight. @param {Float64Array} cumulative @param {number} u */
function inverseCdf(cumulative, u) {
  const passed = u * cumulative[cumulative.length - 1];
  let [low, high] = [0, cumulative.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (cumulative[middle] <= passed) low = middle + 1;
    else high = middle;
  }
  return low;
}
