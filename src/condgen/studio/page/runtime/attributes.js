// Attributes, one class a kind, as condgen's schema/: each answers for itself how it is asked for, compared and shown.

import { RequestError } from "./errors.js";
import { BANDWIDTH, Between, Exactly, nearest } from "./constraints.js";
import { Categorical, Flag } from "./discrete.js";
import { COMPARISONS, Named } from "./named.js";
import { general, number, numbersIn } from "./numbers.js";

/** @typedef {import("./constraints.js").Constraint} Constraint */
/** @typedef {import("./named.js").Described} Described */
/** @typedef {Categorical | Flag | Continuous | Vector} Attribute */

const round = Math.fround;
const LARGEST = 1e30; // larger numbers are mistakes: squared, they overflow 32 bits
const SMALLEST = 1.1754943508222875e-38; // smaller numbers count as it on a logarithmic scale

/** A number in the range [low, high] of the data, on a linear or logarithmic scale. */
export class Continuous extends Named {
  /** @param {Described} described @param {string} example */
  constructor(described, example) {
    super(described, example);
    this.low = described.low ?? 0;
    this.high = described.high ?? 0;
    this.log = described.scale === "log";
    this.reach = this.log ? Math.log(this.high) - Math.log(this.low) : this.high - this.low;
  }

  /** @param {number} code */
  placed(code) {
    return this.log ? round(Math.log(Math.max(code, SMALLEST))) : code;
  }

  /** The number itself. @param {unknown} value @param {boolean} extrapolate */
  parse(value, extrapolate) {
    const found = number(this.unalias(value));
    const range = `${general(this.low)} to ${general(this.high)}`;
    if (found === null) throw new RequestError(`'${value}' is not a number; '${this.name}' takes ${range}.`);
    const possible = Math.abs(found) <= LARGEST;
    if (!possible || !(this.#covers(found) || extrapolate)) {
      throw new RequestError(`${this.name}=${value} is out of range: the training data covers ${range}. Ask within the range.`);
    }
    return extrapolate ? found : this.#within(found);
  }

  /** Whether the range has a number, or one of its ends as it is shown, which is rounded. @param {number} value */
  #covers(value) {
    const rounding = 5e-6 * Math.max(Math.abs(this.low), Math.abs(this.high));
    return this.low - rounding <= value && value <= this.high + rounding;
  }

  /** @param {number} value */
  #within(value) {
    return Math.min(Math.max(value, this.low), this.high);
  }

  /** @param {ArrayLike<number> | number} code */
  format(code) {
    return general(typeof code === "number" ? code : code[0]);
  }

  /** @param {ArrayLike<number> | number} code */
  show(code) {
    return this.format(code);
  }

  /** A loss by the distance. @param {ArrayLike<number>} code @param {Float32Array} rows @param {Uint8Array} given */
  mismatch(code, rows, given) {
    const place = this.placed(code[0]);
    return nearest(rows.map((each) => Math.abs(round(place - this.placed(each)))), given, BANDWIDTH * this.reach);
  }

  /** A number, a range `low..high`, or all numbers on one side of a number, which counts among them.
   * @param {string} operator @param {unknown} value @param {boolean} extrapolate @returns {Constraint[]} */
  constraints(operator, value, extrapolate) {
    if (operator in COMPARISONS) return [this.#compared(operator, value, extrapolate)];
    const shown = `'${this.name}${operator}${value}'`;
    const advice = `'${this.name}' is a number: ask for one, or for a range such as ${this.example}.`;
    if (operator === "!=" || value === "*" || (typeof value === "string" && value.includes("|"))) {
      throw new RequestError(`${shown} cannot be asked. ${advice}`);
    }
    const ends = this.#ends(value);
    if (![1, 2].includes(ends.length) || !ends.every((end) => String(end))) throw new RequestError(`${shown} is not a range. ${advice}`);
    const [low, high] = [ends[0], ends.at(-1)].map((end) => this.parse(end, extrapolate));
    if (low > high) throw new RequestError(`${shown} is an empty range: ${general(low)} is above ${general(high)}.`);
    return [new Between(low, high)];
  }

  /** The numbers of the range on one side of a number. @param {string} operator @param {unknown} value @param {boolean} extrapolate */
  #compared(operator, value, extrapolate) {
    const given = this.parse(value, true);
    const end = this.#covers(given) ? this.#within(given) : given;
    const [low, high] = ["<", "<=", "≤"].includes(operator) ? [this.low, end] : [end, this.high];
    if (low > high) throw this.#beyond(`${this.name}${operator}${value}`);
    return extrapolate ? new Between(low, high) : new Between(Math.max(low, this.low), Math.min(high, this.high));
  }

  /** @param {unknown} asked @returns {unknown[]} */
  #ends(asked) {
    const value = this.unalias(asked);
    if (typeof value === "string") return value.split("..").map((end) => end.trim());
    return Array.isArray(value) ? value : [value];
  }

  /** The error for all numbers on one side of one that the range does not reach. @param {string} asked */
  #beyond(asked) {
    return new RequestError(`${asked} is out of range: the training data covers ${general(this.low)} to ${general(this.high)}. Ask within the range.`);
  }

  /** The range, cut to the attribute's own, whichever end is named first.
   * @param {number} one @param {number} other @param {boolean} extrapolate @param {boolean} certain */
  between(one, other, extrapolate, certain) {
    const [low, high] = [Math.min(one, other), Math.max(one, other)];
    if (low > this.high || high < this.low) {
      if (!certain) return null;
      if (high === Infinity) throw this.#beyond(`${this.name}>=${general(low)}`);
      if (low === -Infinity) throw this.#beyond(`${this.name}<=${general(high)}`);
    }
    const from = high >= this.low && !(extrapolate && low > -Infinity) ? Math.max(low, this.low) : low;
    const to = low <= this.high && !(extrapolate && high < Infinity) ? Math.min(high, this.high) : high;
    return new Between(this.parse(from, extrapolate), this.parse(to, extrapolate));
  }
}

/** A row of numbers, such as an embedding. */
export class Vector extends Named {
  /** @param {Described} described @param {string} example */
  constructor(described, example) {
    super(described, example);
    this.mean = Float32Array.from(described.mean ?? []);
    this.scale = Float32Array.from(/** @type {number[]} */ (described.scale));
    this.size = this.mean.length;
  }

  /** @param {unknown} value */
  parse(value) {
    const numbers = numbersIn(this.unalias(value));
    if (numbers?.length !== this.size || !numbers.every((each) => Math.abs(each) <= LARGEST)) {
      const given = numbers?.length ? `${numbers.length} numbers` : `'${String(value).slice(0, 40)}'`;
      throw new RequestError(`'${this.name}' takes ${this.size} finite numbers, not ${given}; give them as a list, or as a text with spaces between them.`);
    }
    return numbers;
  }

  /** @param {ArrayLike<number> | number} code */
  format(code) {
    return Array.from(/** @type {ArrayLike<number>} */ (code), (each) => general(each)).join(" ");
  }

  /** The first numbers. @param {ArrayLike<number> | number} code */
  show(code) {
    const first = Array.from(/** @type {ArrayLike<number>} */ (code)).slice(0, 3);
    return `[${first.map((each) => general(each, 3)).join(" ")}${this.size > 3 ? " …" : ""}]`;
  }

  /** The distance of two rows as a share of the typical one. @param {ArrayLike<number>} one @param {ArrayLike<number>} other */
  apart(one, other) {
    const squares = Array.from(one, (each, k) => ((each - other[k]) / this.scale[k]) ** 2);
    return Math.sqrt(squares.reduce((total, each) => total + each, 0) / (2 * this.size));
  }

  /** A loss by the distance in deviations. @param {ArrayLike<number>} code @param {Float32Array} rows @param {Uint8Array} given */
  mismatch(code, rows, given) {
    const encoded = (/** @type {number} */ each, /** @type {number} */ k) =>
      Math.min(Math.max(round(round(each - this.mean[k]) / this.scale[k]), -10), 10);
    const apart = new Float32Array(given.length).map((_, row) => {
      let squares = 0;
      for (let k = 0; k < this.size; k++) squares += (encoded(code[k], k) - encoded(rows[row * this.size + k], k)) ** 2;
      return Math.round(Math.sqrt(squares) / Math.sqrt(2 * this.size) / 1e-5) * 1e-5;
    });
    return nearest(apart, given, BANDWIDTH);
  }

  /** A row of numbers. @param {string} operator @param {unknown} value @returns {Constraint[]} */
  constraints(operator, value) {
    if (operator !== "=" || value === "*") throw new RequestError(`'${this.name}${operator}${value}' cannot be asked: '${this.name}' takes ${this.size} numbers.`);
    return [new Exactly(this.parse(value))];
  }
}

/** @type {Record<string, new (described: Described, example: string) => Attribute>} */
export const KINDS = { categorical: Categorical, flag: Flag, continuous: Continuous, vector: Vector };
