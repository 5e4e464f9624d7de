// Requirements of a request on one attribute, as condgen's schema/constraints.py.

/** @typedef {import("./attributes.js").Attribute} Attribute */
/** @typedef {OneOf | Between | Exactly} Constraint */
/** @typedef {{codes: number[], negated?: boolean} | {low: number | null, high: number | null} | {code: number[]}} Stored */

export const MISMATCH = 30; // nats by which a row that contradicts one asked attribute is less likely than one that agrees
const NEAR = 0.05; // share of an attribute's span up to which other values count as examples of a single one
export const BANDWIDTH = 0.02; // share of an attribute's span within which rows count as agreeing
const round = Math.fround;

/** The name of a value as a request has it: in quotes if it would stand for something else there. @param {string} name */
const quoted = (name) => (/^\*$|^"|[,;|\n]|(?<![<>])=/u.test(name) ? `"${name.replaceAll('"', '""')}"` : name);

/** A discrete attribute must take one of these codes. `negated` records that it was asked for as `!=`. */
export class OneOf {
  /** @param {number[]} codes @param {boolean} negated */
  constructor(codes, negated = false) {
    this.codes = codes;
    this.negated = negated;
  }

  /** `color=red|green`, or `color!=blue` if it was asked for that way. @param {Attribute} a */
  text(a) {
    const codes = this.negated ? this.others(a) : this.codes;
    return `${a.name}${this.negated ? "!" : ""}=${codes.map((code) => quoted(a.format(code))).join("|")}`;
  }

  /** The value with which a mapping asks for exactly this, in its shortest form. @param {Attribute} a */
  term(a) {
    const names = (this.negated ? this.others(a) : this.codes).map((code) => a.format(code));
    const term = names.length === 1 ? names[0] : names;
    return this.negated ? { not: term } : term;
  }

  /** @param {ArrayLike<number>} code */
  allows(code) {
    return this.codes.includes(code[0]);
  }

  /** Whether a person would call a code an example of it. @param {Attribute} _a @param {ArrayLike<number>} code */
  fits(_a, code) {
    return this.allows(code);
  }

  /** Each of the codes with equal probability. @param {number} u */
  draw(u) {
    const codes = [...this.codes].sort((x, y) => x - y);
    return [codes[Math.min(Math.floor(u * codes.length), codes.length - 1)]];
  }

  /** The log-weight, in nats, that each row loses: the same for every other code. @param {Attribute} _a @param {Float32Array} rows */
  mismatch(_a, rows) {
    return rows.map((code) => (this.codes.includes(code) ? 0 : MISMATCH));
  }

  /** Whether any value is excluded. @param {Attribute} a */
  binds(a) {
    return this.others(a).length > 0;
  }

  /** @param {Constraint} other */
  either(other) {
    return other instanceof OneOf ? new OneOf([...new Set([...this.codes, ...other.codes])]) : null;
  }

  /** @param {Constraint} other */
  both(other) {
    const common = other instanceof OneOf ? this.codes.filter((code) => other.codes.includes(code)) : [];
    return common.length ? new OneOf(common, this.negated && /** @type {OneOf} */ (other).negated) : null;
  }

  /** The constraint on the unwanted values, if it was asked for as `!=`. @param {Attribute} a */
  excluded(a) {
    return this.negated ? new OneOf(this.others(a)) : null;
  }

  /** The codes that are not allowed. @param {Attribute} a */
  others(a) {
    return a.choices.map((_, code) => code).filter((code) => !this.codes.includes(code));
  }
}

/** A number must lie in [low, high]. Equal ends ask for a single number. */
export class Between {
  /** @param {number} low @param {number} high */
  constructor(low, high) {
    this.low = low;
    this.high = high;
  }

  /** `age=20..30`, or `age=20`. @param {Attribute} a */
  text(a) {
    return `${a.name}=${[...new Set([a.format(this.low), a.format(this.high)])].join("..")}`;
  }

  /** A number, or the two ends. @param {Attribute} _a */
  term(_a) {
    return this.low === this.high ? this.low : [this.low, this.high];
  }

  /** Whether a number is within the range, or near a single one. @param {Attribute} a @param {ArrayLike<number>} code */
  fits(a, code) {
    if (this.low < this.high) return this.allows(code);
    return Math.abs(round(a.placed(code[0]) - a.placed(round(this.low)))) <= round(NEAR * a.reach);
  }

  /** @param {ArrayLike<number>} code */
  allows(code) {
    return round(this.low) <= code[0] && code[0] <= round(this.high);
  }

  /** Uniform in the range. @param {number} u */
  draw(u) {
    const [low, high] = [round(this.low), round(this.high)];
    return [round(low + round(u * round(high - low)))];
  }

  /** A loss by the distance to the range. If no row is within it, the nearest rows stand in.
   * @param {Attribute} a @param {Float32Array} rows @param {Uint8Array} given */
  mismatch(a, rows, given) {
    const [low, high] = [a.placed(round(this.low)), a.placed(round(this.high))];
    const outside = rows.map((code) => {
      const place = a.placed(code);
      return round(Math.max(round(low - place), 0) + Math.max(round(place - high), 0));
    });
    return nearest(outside, given, BANDWIDTH * a.reach, this.low < this.high);
  }

  /** False if an end is infinite, since there is nothing to draw from. */
  binds() {
    return Number.isFinite(this.low) && Number.isFinite(this.high);
  }

  either() {
    return null;
  }

  /** The intersection of two ranges. @param {Constraint} other */
  both(other) {
    if (!(other instanceof Between)) return null;
    const [low, high] = [Math.max(this.low, other.low), Math.min(this.high, other.high)];
    return low <= high ? new Between(low, high) : null;
  }

  excluded() {
    return null;
  }
}

/** A vector must equal this row of numbers. */
export class Exactly {
  /** @param {number[]} code */
  constructor(code) {
    this.code = code;
  }

  /** `emb=[0.1 0.2 0.3 …]`. @param {Attribute} a */
  text(a) {
    return `${a.name}=${a.show(this.code)}`;
  }

  /** The numbers. @param {Attribute} _a */
  term(_a) {
    return this.code;
  }

  /** Whether a row is within a twentieth of the typical distance. @param {Attribute} a @param {ArrayLike<number>} code */
  fits(a, code) {
    return a.apart(code, this.code) <= NEAR;
  }

  /** @param {ArrayLike<number>} code */
  allows(code) {
    return this.code.every((each, k) => round(each) === code[k]);
  }

  draw() {
    return this.code;
  }

  /** A loss by the distance. @param {Attribute} a @param {Float32Array} rows @param {Uint8Array} given */
  mismatch(a, rows, given) {
    return a.mismatch(Float32Array.from(this.code), rows, given);
  }

  binds() {
    return true;
  }

  either() {
    return null;
  }

  /** @param {Constraint} other */
  both(other) {
    return other instanceof Exactly && other.code.every((each, k) => each === this.code[k]) ? this : null;
  }

  excluded() {
    return null;
  }
}

/** The constraint that a file holds. An infinite end is null there. @param {Stored} stored @returns {Constraint} */
export function constraintOf(stored) {
  if ("codes" in stored) return new OneOf(stored.codes, stored.negated);
  return "code" in stored ? new Exactly(stored.code) : new Between(stored.low ?? -Infinity, stored.high ?? Infinity);
}

/** The log-weight, in nats, that rows lose by their distance: a Gaussian in the distance beyond the nearest row's.
 * step: subtract a constant as well from rows farther than the nearest, as for rows outside a range.
 * @param {Float32Array} outside @param {Uint8Array} given @param {number} bandwidth @param {boolean} [step] */
export function nearest(outside, given, bandwidth, step = false) {
  let least = Infinity;
  outside.forEach((each, row) => {
    if (given[row]) least = Math.min(least, each);
  });
  const width = round(bandwidth);
  return outside.map((each) => {
    const beyond = round(each - least);
    const share = round(beyond / width);
    const lost = round(0.5 * round(share * share));
    return Math.min(step && beyond > 0 ? round(lost + MISMATCH / 2) : lost, MISMATCH);
  });
}
