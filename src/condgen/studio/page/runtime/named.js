// What all kinds of attributes have.

import { RequestError } from "./errors.js";
import { fold } from "./text.js";

/** @typedef {import("./constraints.js").Constraint} Constraint */
/** @typedef {{name: string, kind: string, synonyms?: string[], aliases?: Record<string, string>, values?: string[],
 *   low?: number, high?: number, scale?: "linear" | "log" | number[], clip?: boolean, mean?: number[]}} Described */

/** @type {Record<string, (a: number, b: number) => boolean>} */
export const COMPARISONS = {
  "<": (a, b) => a < b, "<=": (a, b) => a <= b, "≤": (a, b) => a <= b,
  ">": (a, b) => a > b, ">=": (a, b) => a >= b, "≥": (a, b) => a >= b,
};

/** A name, with its synonyms and the aliases of its values. */
export class Named {
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
