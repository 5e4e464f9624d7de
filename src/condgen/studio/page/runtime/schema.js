// The schema of a dataset and batches of requests under it, as condgen's schema/schema.py and schema/condition.py.

import { KINDS } from "./attributes.js";
import { unknown } from "./errors.js";
import { fold } from "./text.js";

/** @typedef {import("./attributes.js").Attribute} Attribute */

/** The ordered, named attributes: everything that can be asked for. */
export class Schema {
  /** @param {import("./named.js").Described[]} attributes @param {Record<string, string>} [examples] a request of each */
  constructor(attributes, examples = {}) {
    this.attributes = attributes.map((each) => new KINDS[each.kind](each, examples[each.name] ?? ""));
    this.positions = new Map(this.attributes.flatMap((a, k) => a.names.map((name) => /** @type {[string, number]} */ ([fold(name), k]))));
  }

  get length() {
    return this.attributes.length;
  }

  get names() {
    return this.attributes.map((a) => a.name);
  }

  /** The attribute of that name or synonym. @param {string} name */
  get(name) {
    return this.attributes[this.position(name)];
  }

  /** @param {string} name */
  position(name) {
    const found = this.positions.get(fold(name));
    if (found === undefined) throw unknown("attribute", name, this.names);
    return found;
  }
}

/** A batch of requests: codes by attribute, [batch, size], and a mask of those given, [batch, attribute]. */
export class Condition {
  /** @param {Schema} schema @param {number} length @param {Float32Array[]} [codes] @param {Uint8Array} [present] */
  constructor(schema, length, codes, present) {
    this.schema = schema;
    this.length = length;
    this.codes = codes ?? schema.attributes.map((a) => new Float32Array(length * a.size));
    this.present = present ?? new Uint8Array(length * schema.length);
  }

  /** Several conditions of one schema, concatenated. @param {Condition[]} parts */
  static cat(parts) {
    const { schema } = parts[0];
    const whole = new Condition(schema, parts.reduce((n, part) => n + part.length, 0));
    let start = 0;
    for (const part of parts) {
      part.codes.forEach((codes, k) => whole.codes[k].set(codes, start * schema.attributes[k].size));
      whole.present.set(part.present, start * schema.length);
      start += part.length;
    }
    return whole;
  }

  /** Whether an attribute is given. @param {number} row @param {number} attribute */
  given(row, attribute) {
    return this.present[row * this.schema.length + attribute] === 1;
  }

  /** The code of an attribute, a view. @param {number} row @param {number} attribute */
  code(row, attribute) {
    const { size } = this.schema.attributes[attribute];
    return this.codes[attribute].subarray(row * size, (row + 1) * size);
  }

  /** Set an attribute. @param {number} row @param {number} attribute @param {ArrayLike<number>} code */
  set(row, attribute, code) {
    this.code(row, attribute).set(code);
    this.present[row * this.schema.length + attribute] = 1;
  }

  get complete() {
    return this.present.every(Boolean);
  }

  /** The same requests with other attributes given, by number. @param {(attribute: number, row: number) => boolean} keeps */
  keeping(keeps) {
    const { length } = this.schema;
    const present = this.present.map((given, k) => (given && keeps(k % length, Math.floor(k / length)) ? 1 : 0));
    return new Condition(this.schema, this.length, this.codes, present);
  }

  /** The attributes given in another condition, and this one's own for the rest. @param {Condition} other */
  update(other) {
    const changed = Condition.cat([this]);
    for (let row = 0; row < this.length; row++) {
      for (let k = 0; k < this.schema.length; k++) if (other.given(row, k)) changed.set(row, k, other.code(row, k));
    }
    return changed;
  }

  /** One mapping per request from attribute names to value names, with null for free attributes. */
  rows() {
    return Array.from({ length: this.length }, (_, row) => Object.fromEntries(
      this.schema.attributes.map((a, k) => [a.name, this.given(row, k) ? a.format(this.code(row, k)) : null])));
  }
}
