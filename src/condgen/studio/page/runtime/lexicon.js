// The meaning of words under a schema, as condgen's requests/lexicon.py finds it. The phrases come from the export.

import { constraintOf } from "./constraints.js";
import { stem, tokens } from "./text.js";

/** @typedef {import("./attributes.js").Attribute} Attribute */
/** @typedef {import("./constraints.js").Constraint} Constraint */
/** @typedef {{attribute: Attribute, constraint: Constraint | null}} Meaning The constraint is null for a name that needs a value. */
/** @typedef {{phrase: string, layer: number, meaning: Meaning}} Entry */
/** @typedef {{more: boolean, attributes: string[] | null}} Comparison Words such as `over`. Without attributes, of any. */
/** @typedef {{spellings: Record<string, string>, roles: Record<string, string[]>, known: string,
 *   entries: [string, [string, number, string, import("./constraints.js").Stored | null][]][],
 *   units: Record<string, string[]>, comparisons: Record<string, [boolean, string[] | null][]>}} Written */

const SLACK = 3; // largest number of fillers within a known phrase: `the hair is a red one`

/** All phrases that have a meaning under a schema. */
export class Lexicon {
  /** @param {import("./schema.js").Schema} schema @param {Written} written */
  constructor(schema, written) {
    this.schema = schema;
    this.written = written;
    this.known = written.known;
    this.roles = Object.fromEntries(Object.entries(written.roles).map(([kind, words]) => [kind, new Set(words)]));
    this.entries = new Map(written.entries.map(([key, entries]) => [key, entries.map((each) => this.#entry(each))]));
    this.units = new Map(Object.entries(written.units));
    this.comparisons = new Map(Object.entries(written.comparisons).map(([key, several]) =>
      [key, several.map(([more, attributes]) => ({ more, attributes }))]));
    const keys = [...this.entries.keys(), ...this.units.keys(), ...this.comparisons.keys()];
    this.unambiguous = /** @type {string[] | null} */ (null);
    this.longest = Math.max(0, ...keys.map((key) => key.split(" ").length));
  }

  /** @param {[string, number, string, import("./constraints.js").Stored | null]} written @returns {Entry} */
  #entry([phrase, layer, name, constraint]) {
    return { phrase, layer, meaning: { attribute: this.schema.get(name), constraint: constraint && constraintOf(constraint) } };
  }

  /** The meanings of the longest known phrase at a position, and its length. Empty if none is known.
   * @param {string[]} words @param {number} start @returns {[Meaning[], number]} */
  find(words, start) {
    for (let length = Math.min(this.longest + SLACK, words.length - start); length > 0; length--) {
      const span = words.slice(start, start + length);
      const key = this.stems(span);
      let entries = this.entries.get(key.join(" "));
      if (!entries && !this.isFiller(key[0]) && !this.isFiller(key[length - 1])) {
        entries = this.entries.get(key.filter((word) => !this.isFiller(word)).join(" "));
      }
      if (entries) return [best(entries, span), length];
    }
    return [[], 0];
  }

  /** All phrases with exactly one meaning that is a value, for finding near ones. @returns {string[]} */
  get phrases() {
    return (this.unambiguous ??= this.#unambiguous());
  }

  #unambiguous() {
    const single = [...this.entries.values()].filter((entries) => {
      const meanings = best(entries, []);
      return meanings.length === 1 && meanings[0].constraint;
    });
    return [...new Set(single.flatMap((entries) => entries.map((each) => each.phrase)))];
  }

  /** @param {string[]} words */
  stems(words) {
    return words.map((word) => stem(word, this.written));
  }

  /** Whether a stem, or a few, have a role in phrases: negations, alternatives, degrees, function or nouns.
   * @param {string} kind @param {string} key */
  hasRole(kind, key) {
    return this.roles[kind].has(key);
  }

  /** Whether a word's stem adds nothing to a request, such as an article. @param {string} key */
  isFiller(key) {
    return this.hasRole("function", key) || this.hasRole("nouns", key);
  }
}

/** The meaning as a precise request: `color=red`. @param {Meaning} meaning */
export const textOf = ({ attribute, constraint }) => (constraint ? constraint.text(attribute) : attribute.name);

/** The meanings of the best entries: exact before inflected, the schema's own before the vocabulary's.
 * @param {Entry[]} entries @param {string[]} span @returns {Meaning[]} */
function best(entries, span) {
  const rank = (/** @type {Entry} */ each) => 2 * Number(tokens(each.phrase).join(" ") !== span.join(" ")) + each.layer;
  const first = Math.min(...entries.map(rank));
  return [...new Map(entries.filter((each) => rank(each) === first).map(({ meaning }) => [textOf(meaning), meaning])).values()];
}
