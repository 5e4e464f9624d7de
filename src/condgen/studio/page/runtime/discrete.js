// Attributes with named values.

import { RequestError, unknown } from "./errors.js";
import { MISMATCH, OneOf } from "./constraints.js";
import { COMPARISONS, Named } from "./named.js";
import { general, number, plainNumber } from "./numbers.js";
import { fold } from "./text.js";

/** @typedef {import("./constraints.js").Constraint} Constraint */
/** @typedef {import("./named.js").Described} Described */

const YES = ["1", "1.0", "yes", "true", "y", "on", "with"];
const NO = ["0", "0.0", "-1", "-1.0", "no", "false", "n", "off", "without"];

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
    const last = [...this.choices.entries()].reverse();
    // An exact spelling comes before another case, and that before an equal number: 7 for 007.
    const spellings = [plainNumber, fold, String];
    this.known = new Map(spellings.flatMap((spell) => last.map(([k, v]) => /** @type {[string, number]} */ ([spell(v), k]))));
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
