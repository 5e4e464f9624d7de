// Attributes, one class a kind, as condgen's schema/: each answers for itself how it is asked for, compared and shown.

import { RequestError, unknown } from "./errors.js";
import { BANDWIDTH, Between, Exactly, MISMATCH, OneOf, nearest } from "./constraints.js";
import { general, number, numbersIn, plainNumber } from "./numbers.js";
import { fold } from "./text.js";

/** @typedef {import("./constraints.js").Constraint} Constraint */
/** @typedef {{name: string, kind: string, synonyms?: string[], aliases?: Record<string, string>, values?: string[],
 *   low?: number, high?: number, scale?: "linear" | "log" | number[], clip?: boolean, mean?: number[]}} Described */
/** @typedef {Categorical | Flag | Continuous | Vector} Attribute */

const round = Math.fround;
const YES = ["1", "1.0", "yes", "true", "y", "on", "with"];
const NO = ["0", "0.0", "-1", "-1.0", "no", "false", "n", "off", "without"];
const LARGEST = 1e30; // larger numbers overflow 32 bits when squared
const SMALLEST = 1.1754943508222875e-38; // smaller numbers count as it on a logarithmic scale

/** @type {Record<string, (a: number, b: number) => boolean>} */
const COMPARISONS = {
  "<": (a, b) => a < b, "<=": (a, b) => a <= b, "≤": (a, b) => a <= b,
  ">": (a, b) => a > b, ">=": (a, b) => a >= b, "≥": (a, b) => a >= b,
};

/** What all kinds have. */
class Named {
  /** @param {Described} described @param {string} example */
  constructor(described, example) {
    this.name = described.name;
    this.names = [described.name, ...(described.synonyms ?? [])];
    this.aliases = described.aliases ?? {};
    this.example = example;
    this.choices = /** @type {string[]} */ ([]);
    this.size = 1;
    this.reach = 0;
    this.meanings = new Map(Object.entries(this.aliases).map(([word, value]) => [fold(word), value]));
  }

  /** @param {unknown} value */
  unalias(value) {
    return this.meanings.get(fold(value)) ?? value;
  }

  /** The value that a word asks for without the attribute's name, or null. @param {string} word @returns {string | null} */
  bare(word) {
    return this.meanings.has(fold(word)) ? word : null;
  }

  /** @param {Constraint} _constraint @returns {Constraint} */
  opposite(_constraint) {
    throw new RequestError(`'${this.name}' cannot be negated; ask for what you want.`);
  }

  /** The constraint that a range of numbers in a phrase asks for. null if it does not ask about this attribute.
   * @param {number} _low @param {number} _high @param {boolean} _extrapolate @param {boolean} _certain @returns {Constraint | null} */
  between(_low, _high, _extrapolate, _certain) {
    return null;
  }

  /** The number of a code on the attribute's scale. @param {number} code */
  placed(code) {
    return code;
  }

  /** The distance of two rows of numbers; other kinds have none. @param {ArrayLike<number>} _one @param {ArrayLike<number>} _other */
  apart(_one, _other) {
    return Infinity;
  }
}

/** One of several named values. A code is the index of a value. */
class Discrete extends Named {
  /** @param {unknown} _value @returns {number} */
  parse(_value) {
    throw new TypeError("each kind has its own");
  }

  /** The codes of a value, of several joined by |, of a range of values that are numbers, or of an alias for any of them.
   * @param {unknown} asked */
  codes(asked) {
    const value = this.unalias(asked);
    const several = typeof value === "string" && !this.choices.includes(value) ? value.split("|") : [value];
    const stripped = several.map((each) => (typeof each === "string" ? each.trim() : each));
    return [...new Set(stripped.flatMap((each) => this.#within(each) ?? [this.parse(each)]))];
  }

  /** The codes of the values in a range of numbers. null for anything else. @param {unknown} value */
  #within(value) {
    if (typeof value !== "string" || !value.includes("..") || this.choices.includes(value)) return null;
    const [ends, numbers] = [value.split("..").map(number), this.choices.map(number)];
    if (ends.length !== 2 || [...ends, ...numbers].includes(null)) return null;
    const [low, high] = /** @type {number[]} */ (ends);
    if (low > high) throw new RequestError(`'${this.name}=${value}' is an empty range: ${general(low)} is above ${general(high)}.`);
    const codes = [...numbers.keys()].filter((code) => low <= Number(numbers[code]) && Number(numbers[code]) <= high);
    if (!codes.length) throw unknown(`range of '${this.name}':`, value, this.choices);
    return codes;
  }

  /** @param {ArrayLike<number> | number} code */
  format(code) {
    return this.choices[Math.trunc(typeof code === "number" ? code : code[0])];
  }

  /** @param {ArrayLike<number> | number} code */
  show(code) {
    return this.format(code);
  }

  /** The same loss for every row with another value. @param {ArrayLike<number>} code @param {Float32Array} rows */
  mismatch(code, rows) {
    return rows.map((each) => (each === code[0] ? 0 : MISMATCH));
  }

  /** One of the values given. For `!=`, one of the others. For `*`, one constraint per value. No comparisons.
   * @param {string} operator @param {unknown} value @returns {Constraint[]} */
  constraints(operator, value) {
    if (operator in COMPARISONS) {
      throw new RequestError(`'${this.name}${operator}${value}' cannot be asked: '${this.name}' has named values. Name those you want, as in ${this.name}=${this.#compared(operator, value)}.`);
    }
    if (value === "*" && operator !== "!=") return this.choices.map((_, code) => new OneOf([code]));
    const values = value === "*" ? this.choices : Array.isArray(value) ? value : [value];
    const asked = new OneOf([...new Set(values.flatMap((each) => this.codes(each)))]);
    if (!asked.codes.length) throw new RequestError(`No value is given for '${this.name}', as in ${this.example}.`);
    if (operator !== "!=") return [asked];
    const rest = asked.others(/** @type {any} */ (this));
    if (!rest.length) throw new RequestError(`'${this.name}!=${value}' excludes every value of '${this.name}'.`);
    return [new OneOf(rest, true)];
  }

  /** The values that a comparison means, as a request names them. An example if they are no numbers.
   * @param {string} operator @param {unknown} value */
  #compared(operator, value) {
    const [end, all] = [number(value), this.choices.every((choice) => number(choice) !== null)];
    const meant = end !== null && all ? this.choices.filter((choice) => COMPARISONS[operator](Number(choice), end)) : [];
    meant.sort((a, b) => Number(a) - Number(b));
    return meant.length ? [...new Set([meant[0], meant.at(-1)])].join("..") : this.choices.slice(1, 3).join("|");
  }

  /** One of the other values. @param {Constraint} constraint @returns {Constraint} */
  opposite(constraint) {
    const rest = constraint instanceof OneOf ? constraint.others(/** @type {any} */ (this)) : [];
    if (!rest.length) throw new RequestError(`the negation excludes every value of '${this.name}'.`);
    return new OneOf(rest, true);
  }

  /** @param {string} word */
  bare(word) {
    return this.choices.some((choice) => fold(choice) === fold(word)) ? word : super.bare(word);
  }
}

export class Categorical extends Discrete {
  /** @param {Described} described @param {string} example */
  constructor(described, example) {
    super(described, example);
    this.choices = described.values ?? [];
    this.known = new Map([...this.choices.map((v, k) => /** @type {[string, number]} */ ([fold(v), k])).reverse(),
      ...this.choices.map((v, k) => /** @type {[string, number]} */ ([v, k]))]);
  }

  /** @param {unknown} asked */
  parse(asked) {
    const value = this.unalias(asked);
    for (const spelling of [String(value), fold(value), plainNumber(value), String(value).replace(/^'/, "")]) {
      const code = this.known.get(spelling);
      if (code !== undefined) return code;
    }
    throw unknown(`value for '${this.name}':`, value, [...this.choices, ...Object.keys(this.aliases)]);
  }
}

export class Flag extends Discrete {
  /** @param {Described} described @param {string} example */
  constructor(described, example) {
    super(described, example);
    this.choices = ["no", "yes"];
  }

  /** @param {unknown} value */
  parse(value) {
    const word = fold(this.unalias(value));
    if (YES.includes(word)) return 1;
    if (NO.includes(word)) return 0;
    throw unknown(`value for '${this.name}':`, value, ["yes", "no", ...Object.keys(this.aliases)]);
  }

  /** The other of yes and no, which is not marked as negated. @param {Constraint} constraint */
  opposite(constraint) {
    return new OneOf(/** @type {OneOf} */ (super.opposite(constraint)).codes);
  }

  /** Yes for the attribute's own name, or an alias. @param {string} word */
  bare(word) {
    const named = this.names.some((name) => fold(name) === fold(word));
    return named ? "yes" : this.meanings.has(fold(word)) ? word : null;
  }
}

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
    const slack = 5e-6 * Math.max(Math.abs(this.low), Math.abs(this.high)); // a formatted bound is still within the range
    const inside = this.low - slack <= found && found <= this.high + slack;
    if (!Number.isFinite(found) || !(inside || extrapolate)) {
      throw new RequestError(`${this.name}=${value} is out of range: the training data covers ${range}. Ask within the range, or allow extrapolation.`);
    }
    return extrapolate ? found : Math.min(Math.max(found, this.low), this.high);
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
    const end = this.parse(value, true);
    const [low, high] = ["<", "<=", "≤"].includes(operator) ? [this.low, end] : [end, this.high];
    if (low > high) {
      throw new RequestError(`${this.name}${operator}${value} is out of range: the training data covers ${general(this.low)} to ${general(this.high)}. Ask within the range, or give both ends and allow extrapolation.`);
    }
    return extrapolate ? new Between(low, high) : new Between(Math.max(low, this.low), Math.min(high, this.high));
  }

  /** @param {unknown} asked @returns {unknown[]} */
  #ends(asked) {
    const value = this.unalias(asked);
    if (typeof value === "string") return value.split("..").map((end) => end.trim());
    return Array.isArray(value) ? value : [value];
  }

  /** The range, cut to the attribute's own. @param {number} low @param {number} high @param {boolean} extrapolate @param {boolean} certain */
  between(low, high, extrapolate, certain) {
    if (!certain && (low > this.high || high < this.low)) return null;
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
