/** What is asked of attributes: read, written, and said in words. */

/** @typedef {import("./backend.js").AttributeInfo} Attribute */
/** @typedef {import("./backend.js").Term} Term */
/** @typedef {import("./backend.js").Terms} Terms */

const RARE = 50; // fewer examples than this are rare

/** @param {Term | undefined} term @returns {term is {not: any}} */
const negated = (term) => typeof term === "object" && term !== null && !Array.isArray(term);

/** @param {any} value @returns {any[]} */
const listed = (value) => (Array.isArray(value) ? value : [value]);

/** @param {any} value */
const named = (value) => (value === true ? "yes" : value === false ? "no" : String(value));

/**
 * The values that a term of a choice names, and whether it excludes them. A free attribute names none.
 * @param {Term | undefined} term
 */
export function chosen(term) {
  if (term === undefined || term === null) return { values: [], not: false };
  return { values: listed(negated(term) ? term.not : term).map(named), not: negated(term) };
}

/** The term that names these values of a choice. undefined is free. @param {string[]} values @param {boolean} not @returns {Term | undefined} */
export function choice(values, not) {
  if (!values.length) return undefined;
  const term = values.length === 1 ? values[0] : values;
  return not ? { not: term } : term;
}

/** The ends of a term of a number. A free attribute has none. @param {Term | undefined} term @returns {[number, number] | null} */
export function ends(term) {
  if (term === undefined || term === null || negated(term)) return null;
  const parts = listed(typeof term === "string" ? term.split("..") : term).map(Number);
  const [low, high = low] = parts;
  return parts.every(Number.isFinite) ? [low, high] : null;
}

/** Whether a term of a number is a range, also one that is as narrow as a number. @param {Term | undefined} term */
export function ranged(term) {
  const [low, high] = ends(term) ?? [0, 0];
  return low !== high || (Array.isArray(term) && term.length > 1);
}

/** The term of the numbers from `low` to `high`. @param {number} low @param {number} high @returns {Term} */
export const between = (low, high) => (low === high ? low : [low, high]);

/** A number with as many digits as its attribute's range makes sensible. @param {Attribute} attribute @param {number} value */
export function rounded({ low = 0, high = 1, whole, log }, value) {
  if (whole) return Math.round(value);
  const size = log ? Math.abs(value) || 1 : high - low;
  const digits = Math.max(0, 2 - Math.floor(Math.log10(size)));
  return Number(value.toFixed(Math.min(digits, 12)));
}

/** A number as a term: rounded, and in the attribute's range, whose ends may be no round numbers. @param {Attribute} attribute @param {number} value */
export const near = (attribute, value) => Math.min(attribute.high ?? 1, Math.max(attribute.low ?? 0, rounded(attribute, value)));

/** @param {number} value */
function grouped(value) {
  const text = Math.abs(value) >= 10000 ? value.toLocaleString("en").replaceAll(",", "\u202f") : String(value);
  return text.replace("-", "−");
}

/** A number of an attribute with its unit. @param {Attribute} attribute @param {number} value */
export const measured = (attribute, value) => grouped(rounded(attribute, value)) + (attribute.unit ? `\u202f${attribute.unit}` : "");

/** @param {Attribute} attribute @param {string} value */
const label = (attribute, value) => attribute.values?.find((each) => String(each.value) === value)?.label ?? value;

/** A term in words: "not red or blond", "20 to 30 years". @param {Attribute} attribute @param {Term | undefined} term */
export function said(attribute, term) {
  if (term === undefined || term === null) return "any";
  const range = attribute.kind === "continuous" ? ends(term) : null;
  if (range) {
    const [low, high] = range;
    return low === high ? measured(attribute, low) : `${grouped(rounded(attribute, low))} to ${measured(attribute, high)}`;
  }
  if (attribute.kind === "vector") return Array.isArray(term) ? term.map((each) => Number(each).toPrecision(3)).join(" ") : String(term);
  const { values, not } = chosen(term);
  return (not ? "not " : "") + values.map((value) => label(attribute, value)).join(" or ");
}

/** A request in words. @param {{attributes: Attribute[]}} about @param {Terms} terms */
export function sentence({ attributes }, terms) {
  const parts = attributes.filter(({ name }) => name in terms).map((each) => `${each.label} ${said(each, terms[each.name])}`);
  return parts.join(", ") || "Anything";
}

/** Terms as controls write them: one value bare, one number bare. @param {{attributes: Attribute[]}} about @param {Terms} terms @returns {Terms} */
export function simplified({ attributes }, terms) {
  const found = attributes.map(({ name, kind }) => {
    const term = terms[name];
    if (term === undefined || term === null) return [name, undefined];
    if (kind === "vector" || kind === "image") return [name, term];
    const range = kind === "continuous" ? ends(term) : null;
    if (range) return [name, between(...range)];
    const { values, not } = chosen(term);
    return [name, choice(values, not)];
  });
  return Object.fromEntries(found.filter(([, term]) => term !== undefined));
}

/**
 * The terms that ask for exactly a sample's condition.
 * @param {{attributes: Attribute[]}} about
 * @param {Record<string, string | null>} condition
 * @returns {Terms}
 */
export function ofCondition({ attributes }, condition) {
  const found = attributes.map(({ name, kind }) => {
    const text = condition[name];
    if (text === null || text === undefined) return [name, null];
    return [name, kind === "continuous" && Number.isFinite(Number(text)) ? Number(text) : text];
  });
  return Object.fromEntries(found.filter(([, term]) => term !== null));
}

/** A sample's value of an attribute, for people. @param {Attribute} attribute @param {string | null | undefined} text */
export function shown(attribute, text) {
  if (text === null || text === undefined) return "left to the model";
  const number = Number(text);
  return attribute.kind === "continuous" && Number.isFinite(number) ? measured(attribute, number) : label(attribute, text);
}

/**
 * A note on how many training examples a request fits. null without a count.
 * @param {number | null | undefined} examples
 * @param {number | null} of
 * @returns {{text: string, rare: boolean} | null}
 */
export function frequency(examples, of) {
  if (examples === null || examples === undefined) return null;
  if (examples === 0) return { text: "Never seen in the data", rare: true };
  const rare = examples < RARE && examples !== of;
  const text = `${grouped(examples)} example${examples === 1 ? "" : "s"} in the data`;
  return { text: rare ? `Rare: ${text}` : text, rare };
}

/** A text without some of its words, whatever their case and accents. @param {string} text @param {string[]} words */
export function without(text, words) {
  const fold = (/** @type {string} */ word) => word.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  return text.replace(/[\p{L}\p{N}\p{M}]+/gu, (word) => (words.includes(fold(word)) ? "" : word)).replace(/\s+/g, " ").trim();
}
