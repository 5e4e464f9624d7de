// Requests in words or terms, as condgen's requests/request.py: parsed into constraints, with helpful errors.

import { RequestError } from "./errors.js";
import { understand } from "./phrase.js";
import { casefold, fold } from "./text.js";

/** @typedef {import("./constraints.js").Constraint} Constraint */
/** @typedef {import("./lexicon.js").Lexicon} Lexicon */
/** @typedef {string | Record<string, any>} Requestable */

const MOST = 10_000; // requests that one text may stand for
const ANYTHING = "anything"; // the text of a request that asks for nothing
const LONGEST = 1_000_000; // characters of a text
const MOST_WORDS = 12; // of a value in which a missing comma is looked for
const IN_NAMES = "[\\s_\\-./'’]+"; // what may stand between the words of a name, any of it for any other
const COMPARISON = /[<>≤≥]/;
const OPERATOR = "!?=|[<>]=?|[≤≥]";
const IN_QUOTES = '"(?:[^"]|""){1,500}"';
const END = "(?=\\s*(?:$|[,;\\n|])|\\s+[^\\s,;|]+\\s*[=!<>≤≥])"; // a separator, another value or another term
const QUOTED = new RegExp(`(?<=[=|])\\s*${IN_QUOTES}${END}`, "gu");
const VALUE = new RegExp(`\\s*(?:(?<quoted>${IN_QUOTES})|(?<plain>[^|]*?))\\s*(?:\\||$)`, "gu");
const EXAMPLE = /\.(?:csv|tsv|jsonl|ndjson|parquet)#\d/i;

/** The names of values in a text, each exactly as it is written. @extends {Array<string>} */
class Literal extends Array {}

/** Constraints by attribute name. Attributes without one are free. */
export class Request {
  /** @param {Map<string, Constraint>} constraints @param {string} text @param {string} [asked] @param {string[]} [notes] */
  constructor(constraints, text, asked = "", notes = []) {
    this.constraints = constraints;
    this.text = text;
    this.asked = asked; // the original words, if it was asked in words
    this.notes = notes; // on words that were left out
  }

  /** The request as a mapping that stands for exactly this request, as controls show it. @param {import("./schema.js").Schema} schema */
  terms(schema) {
    return Object.fromEntries([...this.constraints].map(([name, constraint]) => [name, constraint.term(schema.get(name))]));
  }
}

/** The requests that a text or a mapping of names to values stands for. A value of `*` gives several.
 * @param {Requestable} asked @param {Lexicon} lexicon @param {boolean} [extrapolate] @returns {Request[]} */
export function parseRequests(asked, lexicon, extrapolate = false) {
  const { schema } = lexicon;
  const alternatives = /** @type {Map<string, Constraint[]>} */ (new Map());
  const notes = /** @type {string[]} */ ([]);
  const terms = termsOf(asked, lexicon);
  for (const [name, operator, value] of terms) {
    const { meant, said } = advised(asked, name, operator, value, lexicon, extrapolate);
    notes.push(...said);
    for (const [attribute, constraints] of meant) {
      const once = schema.get(attribute).choices.length ? "join values with |, as in a|b" : "give one number or range";
      if (alternatives.has(attribute)) throw new RequestError(`'${attribute}' is asked for twice in '${shown(asked).slice(0, 200)}'; ${once}.`);
      alternatives.set(attribute, constraints);
    }
  }
  const words = typeof asked === "string" && terms.some(([, operator]) => !operator) ? asked : "";
  return combinations(alternatives, shown(asked)).map((chosen) => new Request(chosen, textOf(chosen, schema), words, notes));
}

/** @param {Requestable} asked */
const shown = (asked) => (typeof asked === "string" ? asked : JSON.stringify(asked));

/** @param {Map<string, Constraint[]>} alternatives @param {string} asked @returns {Map<string, Constraint>[]} */
function combinations(alternatives, asked) {
  const count = [...alternatives.values()].reduce((n, several) => n * several.length, 1);
  if (count > MOST) throw new RequestError(`'${asked.slice(0, 200)}' stands for ${count} requests; condgen takes at most ${MOST} at once.`);
  return [...alternatives].reduce((found, [name, several]) =>
    found.flatMap((chosen) => several.map((constraint) => new Map([...chosen, [name, constraint]]))), [new Map()]);
}

/** The meaning of a term. An error about a text says where a comma may be missing.
 * @param {Requestable} asked @param {string} name @param {string} operator @param {unknown} value @param {Lexicon} lexicon
 * @param {boolean} extrapolate */
function advised(asked, name, operator, value, lexicon, extrapolate) {
  try {
    return meaning(name, operator, value, lexicon, extrapolate);
  } catch (error) {
    const advice = error instanceof RequestError && typeof asked === "string" ? missingComma(name, operator, value, lexicon) : "";
    throw advice ? new RequestError(`${/** @type {Error} */ (error).message}${advice}`) : error;
  }
}

/** Advice on a refused term whose value begins with one that its attribute takes. Empty for any other. Every beginning
 * is tried, so values of many words get none.
 * @param {string} name @param {string} operator @param {unknown} value @param {Lexicon} lexicon */
function missingComma(name, operator, value, lexicon) {
  const words = operator && typeof value === "string" ? value.split(/\s+/u) : [];
  if (words.length > MOST_WORDS) return "";
  for (let end = words.length - 1; end > 0; end--) {
    const [begin, rest] = [words.slice(0, end).join(" "), words.slice(end).join(" ")];
    if (isTaken(name, operator, begin, lexicon)) return ` If another term begins with '${rest}', a comma is missing: ${name}${operator}${begin}, ${rest}…`;
  }
  return "";
}

/** The constraints of a term by attribute, one per request, and notes. A value of null gives no constraint.
 * @param {string} name @param {string} operator @param {unknown} value @param {Lexicon} lexicon @param {boolean} extrapolate
 * @returns {{meant: [string, Constraint[]][], said: string[]}} */
function meaning(name, operator, value, lexicon, extrapolate) {
  const { schema } = lexicon;
  const term = operator ? { attribute: schema.get(name), value } : resolved(name, schema);
  if (!term && fold(name) === ANYTHING) return { meant: [], said: [] };
  if (!term) {
    mustCompareNothing(name, schema);
    const { constraints, notes } = understand(name, lexicon, extrapolate);
    return { meant: [...constraints].map(([n, constraint]) => [n, [constraint]]), said: notes };
  }
  if (term.value == null) return { meant: [], said: [] };
  if (typeof term.value === "string" && EXAMPLE.test(term.value)) {
    throw new RequestError("A browser reads no files for a request by example. Give the numbers themselves.");
  }
  const given = term.value instanceof Literal && !term.attribute.choices.length ? term.value.join("|") : term.value;
  return { meant: [[term.attribute.name, term.attribute.constraints(operator || "=", given, extrapolate)]], said: [] };
}

/** The parts [name, operator, value] of a request. A bare word has the empty operator.
 * @param {Requestable} asked @param {Lexicon} lexicon @returns {[string, string, unknown][]} */
function termsOf(asked, lexicon) {
  if (typeof asked !== "string") return Object.entries(asked).map(([name, value]) => [name, ...operated(value)]);
  if (asked.length > LONGEST) throw new RequestError(`A request of ${asked.length} characters is too long; condgen reads at most ${LONGEST}.`);
  const term = termPattern(lexicon.schema);
  return partsOf(asked.replace(/[^\S\n]+/gu, " ")).flatMap((part) => termsIn(part, term, lexicon));
}

/** The parts of a text between separators outside of quotes. @param {string} text */
function partsOf(text) {
  const ends = [0, ...[...hidden(text).matchAll(/[,;\n]+/g)].flatMap((m) => [m.index, m.index + m[0].length]), text.length];
  return Array.from({ length: ends.length / 2 }, (_, k) => text.slice(ends[2 * k], ends[2 * k + 1]));
}

/** The text with every value in quotes replaced by as many letters, which separate nothing. @param {string} text */
const hidden = (text) => text.replace(QUOTED, (found) => "q".repeat(found.length));

/** The names in a term's value, if any of them is in quotes. Else the value itself. @param {string} value @returns {string | Literal} */
function literal(value) {
  if (hidden(`=${value}`) === `=${value}`) return value;
  const found = [...value.matchAll(VALUE)].filter((m) => m[0]).map((m) => /** @type {Record<string, string>} */ (m.groups));
  return Literal.from(found, ({ quoted, plain }) => (quoted ? quoted.slice(1, -1).replaceAll('""', '"') : plain));
}

/** @param {string} part @param {RegExp} term @param {Lexicon} lexicon @returns {[string, string, unknown][]} */
function termsIn(part, term, lexicon) {
  const starts = [...hidden(part).matchAll(term)];
  const word = part.slice(0, starts[0]?.index ?? part.length).trim();
  const named = starts.map((start, k) => {
    const end = starts[k + 1]?.index ?? part.length;
    const { name, operator } = /** @type {{name: string, operator: string}} */ (start.groups);
    return /** @type {[string, string, unknown]} */ ([name, operator, literal(part.slice(start.index + start[0].length, end).trim())]);
  });
  if (!word) return named;
  if (!named.length || isName(named[0][0], lexicon.schema) || isTaken(word, "", null, lexicon)) return [[word, "", null], ...named];
  const [[name, operator, value], ...others] = named;
  return [[`${word} ${name}`, operator, value], ...others]; // a misspelt name of several words
}

/** @param {string} name @param {import("./schema.js").Schema} schema */
const isName = (name, schema) => schema.attributes.some((a) => a.names.some((known) => fold(known) === fold(name)));

/** @param {string} name @param {string} operator @param {unknown} value @param {Lexicon} lexicon */
function isTaken(name, operator, value, lexicon) {
  try {
    meaning(name, operator, value, lexicon, true);
  } catch (error) {
    if (error instanceof RequestError) return false;
    throw error;
  }
  return true;
}

/** The operator and the value that a mapping's value stands for. `{not: value}` excludes it. @param {any} value @returns {[string, unknown]} */
function operated(value) {
  const excludes = value && typeof value === "object" && Object.keys(value).join() === "not";
  return excludes ? ["!=", value.not] : ["=", value];
}

/** A pattern for the start of a term: a name of the schema, which may contain spaces, or any single word, and an
 * operator. No names or values of the schema are taken apart.
 * @param {import("./schema.js").Schema} schema */
function termPattern(schema) {
  const names = schema.attributes.flatMap((a) => a.names).sort((a, b) => b.length - a.length);
  const known = names.map((name) => name.split(new RegExp(IN_NAMES, "u")).map(escaped).join(IN_NAMES) + "|").join("");
  const whole = likeComparisons(schema).map(escaped).join("|");
  const apart = whole ? `(?!(?:${whole})(?:$|\\s(?!${OPERATOR})))` : "";
  return new RegExp(`(?:^|(?<=\\s))\\s*${apart}(?<name>${known}[^\\s=!<>≤≥]+)\\s*(?<operator>${OPERATOR})`, "giu");
}

/** @param {string} text */
const escaped = (text) => text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");

/** The names and values of a schema that contain signs of comparison. @param {import("./schema.js").Schema} schema */
const likeComparisons = (schema) =>
  schema.attributes.flatMap((a) => [...a.names, ...a.choices, ...Object.keys(a.aliases)]).filter((word) => COMPARISON.test(word));

/** Refuse a sign of comparison among words, which would pass it over. @param {string} phrase @param {import("./schema.js").Schema} schema */
function mustCompareNothing(phrase, schema) {
  const rest = likeComparisons(schema).reduce((left, word) => left.replaceAll(casefold(word), ""), casefold(phrase));
  const sign = COMPARISON.exec(rest);
  if (sign) throw new RequestError(`In '${phrase}', ${sign[0]} must stand between the name of a number and a number, as in age>30.`);
}

/** The attribute and value of a bare word, such as a flag's name or a value of exactly one attribute.
 * null for words that the schema does not contain. @param {string} word @param {import("./schema.js").Schema} schema */
function resolved(word, schema) {
  const meanings = schema.attributes.map((attribute) => ({ attribute, value: attribute.bare(word) })).filter(({ value }) => value !== null);
  if (meanings.length === 1) return meanings[0];
  if (meanings.length) throw new RequestError(`'${word}' could mean ${meanings.map(({ attribute, value }) => `${attribute.name}=${value}`).join(" or ")}; say which.`);
  const named = schema.attributes.find((a) => a.names.some((name) => fold(name) === fold(word)));
  if (named) throw new RequestError(`'${word}' needs a value, as in ${named.example}.`);
  return null;
}

/** The constraints as precise requests. @param {Map<string, Constraint>} constraints @param {import("./schema.js").Schema} schema */
const textOf = (constraints, schema) => [...constraints].map(([name, c]) => c.text(schema.get(name))).join(", ") || ANYTHING;
