// Phrases such as `an old man without glasses` as constraints, by the rules of condgen's requests/phrase.py.
// The longest known phrase wins, a negation reverses the next meaning, `or` joins values, fillers are skipped.

import { closeMatches, RequestError, unknown } from "./errors.js";
import { textOf } from "./lexicon.js";
import { bounds, casefold, tokens } from "./text.js";

/** @typedef {import("./lexicon.js").Lexicon} Lexicon */
/** @typedef {import("./lexicon.js").Meaning} Meaning */
/** @typedef {import("./constraints.js").Constraint} Constraint */
/** @typedef {{length: number, readings: [string, number, number][], certain: boolean}} Reading A number among words: its
 *   length in words, the range that it may mean of each attribute, and whether words beside it confirm that. */

const SPELLING = 0.8; // smallest similarity at which an unknown word counts as misspelt

/** The constraints that a phrase stands for, and notes on words that were left out.
 * @param {string} text @param {Lexicon} lexicon @param {boolean} [extrapolate] */
export function understand(text, lexicon, extrapolate = false) {
  const reader = new Reader(text, lexicon, extrapolate);
  reader.read();
  return { constraints: reader.constraints, notes: reader.notes };
}

/** The state of parsing a phrase: the position, and the constraints found so far. */
class Reader {
  /** @param {string} text @param {Lexicon} lexicon @param {boolean} extrapolate */
  constructor(text, lexicon, extrapolate) {
    this.text = text;
    this.words = tokens(text);
    this.lexicon = lexicon;
    this.extrapolate = extrapolate;
    this.at = 0;
    this.negated = false; // whether the next meaning is negated
    this.joined = false; // whether the next meaning is an alternative to the last
    this.last = /** @type {{name: string, negated: boolean} | null} */ (null);
    this.constraints = /** @type {Map<string, Constraint>} */ (new Map());
    this.notes = /** @type {string[]} */ ([]);
    this.unknown = /** @type {string[]} */ ([]);
  }

  read() {
    while (this.at < this.words.length) this.#next();
    if (this.unknown.length) throw this.#notUnderstood();
    if (this.negated) throw new RequestError(`In '${this.text}', the negation has nothing to negate. Name the unwanted value after it.`);
    if (!this.constraints.size) throw new RequestError(`'${this.text}' asks for nothing. Valid: ${this.lexicon.known}.`);
  }

  /** Read the phrase at the current position and move behind it. */
  #next() {
    const [meanings, length] = this.lexicon.find(this.words, this.at);
    const number = numberAt(this.words, this.at, this.lexicon);
    if (number && (number.length > length || number.certain)) {
      this.#take(this.#of(number));
      this.at += number.length;
    } else if (meanings.length) {
      this.#take(this.#only(meanings, length));
      this.at += length;
    } else {
      this.at += this.#withoutMeaning();
    }
  }

  /** Skip words without a meaning of their own, and return their number. */
  #withoutMeaning() {
    const { lexicon } = this;
    const [word, second] = lexicon.stems(this.words.slice(this.at, this.at + 2));
    const pair = second === undefined ? word : `${word} ${second}`;
    if (lexicon.hasRole("negations", word) || lexicon.hasRole("alternatives", word)) {
      this.negated ||= lexicon.hasRole("negations", word);
      this.joined ||= lexicon.hasRole("alternatives", word);
    } else if (lexicon.hasRole("degrees", pair) || lexicon.hasRole("degrees", word)) {
      const length = second !== undefined && lexicon.hasRole("degrees", pair) ? 2 : 1;
      this.notes.push(`'${this.#said(length)}' is a word of degree, which cannot be asked for`);
      return length;
    } else if (!lexicon.isFiller(word)) {
      return this.#unknownWords();
    }
    return 1;
  }

  /** Record the unknown words from here on. Returns their number. */
  #unknownWords() {
    let end = this.at + 1;
    while (end < this.words.length && meansNothing(this.words, end, this.lexicon)) end++;
    this.unknown.push(...this.words.slice(this.at, end));
    return end - this.at;
  }

  /** @param {number} length */
  #said(length) {
    return this.words.slice(this.at, this.at + length).join(" ");
  }

  /** The single meaning of some words. @param {Meaning[]} meanings @param {number} length */
  #only(meanings, length) {
    const said = `In '${this.text}', '${this.#said(length)}'`;
    if (meanings.length > 1) throw new RequestError(`${said} could mean ${meanings.map(textOf).join(" or ")}; say which.`);
    if (!meanings[0].constraint) throw new RequestError(`${said} needs a value. Valid: ${this.lexicon.known}.`);
    return meanings[0];
  }

  /** The attribute of a number, and the range that it asks for. @param {Reading} number */
  #of(number) {
    const certain = number.certain && number.readings.length === 1;
    const meanings = number.readings.flatMap(([name, low, high]) => {
      const attribute = this.lexicon.schema.get(name);
      const constraint = attribute.between(low, high, this.extrapolate, certain);
      return constraint ? [{ attribute, constraint }] : [];
    });
    if (!meanings.length) {
      throw new RequestError(`In '${this.text}', '${this.#said(number.length)}' fits nothing. Valid: ${this.lexicon.known}.`);
    }
    return this.#only(meanings, number.length);
  }

  /** Add a meaning to the constraints, as an alternative or a further condition, reversed if it was negated. @param {Meaning} meaning */
  #take({ attribute: a, constraint }) {
    const { last } = this;
    const alternative = this.joined && last !== null;
    this.joined = false;
    const negated = this.negated || (alternative && last.negated);
    if (alternative && !negated && last.name !== a.name) {
      throw new RequestError(`In '${this.text}', 'or' must join values of one attribute, not ${last.name} and ${a.name}; ask for one after the other.`);
    }
    const turned = negated ? this.#opposite(a, constraint) : constraint;
    this.constraints.set(a.name, this.#joined(a.name, /** @type {Constraint} */ (turned), alternative && !negated));
    this.last = { name: a.name, negated };
    this.negated = false;
  }

  /** @param {string} name @param {Constraint} constraint @param {boolean} alternative */
  #joined(name, constraint, alternative) {
    const before = this.constraints.get(name);
    const joined = !before ? constraint : alternative ? before.either(constraint) : before.both(constraint);
    if (!joined) throw new RequestError(`'${this.text}' asks for two values of '${name}' at once; join alternatives with 'or'.`);
    return joined;
  }

  /** @param {import("./attributes.js").Attribute} a @param {Constraint | null} constraint */
  #opposite(a, constraint) {
    try {
      return a.opposite(/** @type {Constraint} */ (constraint));
    } catch (error) {
      throw new RequestError(`In '${this.text}', ${/** @type {Error} */ (error).message}`);
    }
  }

  /** The error that names every unknown word, with near ones and the known words. */
  #notUnderstood() {
    return Object.assign(this.#ofUnknown(), { words: [...new Set(this.unknown)] });
  }

  #ofUnknown() {
    const { phrases, known } = this.lexicon;
    if (this.unknown.length === 1 && this.unknown[0] === casefold(this.text.trim())) return unknown("request", this.text, phrases);
    const named = [...new Set(this.unknown)].map((word) => {
      const near = closeMatches(word, phrases.map(casefold), SPELLING);
      return near.length ? `'${word}' (did you mean ${near.join(" or ")}?)` : `'${word}'`;
    });
    return new RequestError(`Unknown in '${this.text}': ${named.join(", ")}. Valid: ${known}. Other words can be added to the schema as synonyms and aliases.`);
  }
}

/** Whether the word at a position is neither known nor has a role in a phrase. @param {string[]} words @param {number} at @param {Lexicon} lexicon */
function meansNothing(words, at, lexicon) {
  const [word] = lexicon.stems([words[at]]);
  const useful = Object.keys(lexicon.roles).some((kind) => lexicon.hasRole(kind, word));
  return !useful && !lexicon.find(words, at)[1] && numberAt(words, at, lexicon) === null;
}

/** The number at a position with its units and comparison, such as `aged over 30` and `30 years old`.
 * @param {string[]} words @param {number} start @param {Lexicon} lexicon @returns {Reading | null} */
function numberAt(words, start, lexicon) {
  let [at, end] = [start, start];
  let ends = /** @type {[number, number] | null} */ (null);
  let names = new Set([...lexicon.units.values()].flat());
  let comparisons = /** @type {import("./lexicon.js").Comparison[]} */ ([]);
  while (at < words.length) {
    const [unit, wide] = longest(words, at, lexicon, lexicon.units);
    const [compared, wider] = longest(words, at, lexicon, lexicon.comparisons);
    if (ends === null && compared && !comparisons.length) {
      comparisons = compared;
      at += wider;
    } else if (unit) {
      names = new Set([...names].filter((name) => unit.includes(name)));
      at += wide;
    } else if (ends === null && bounds(words[at])) {
      ends = bounds(words[at]);
      at += 1;
    } else if (at > start && lexicon.isFiller(lexicon.stems([words[at]])[0])) {
      at += 1;
      continue;
    } else {
      break;
    }
    end = at;
  }
  const readings = ends ? readingsOf([...names].sort(), ends, comparisons) : [];
  return readings.length ? { length: end - start, readings, certain: end - start > 1 } : null;
}

/** The entry of the longest phrase at a position, and its length.
 * @template T @param {string[]} words @param {number} at @param {Lexicon} lexicon @param {Map<string, T>} known @returns {[T | null, number]} */
function longest(words, at, lexicon, known) {
  for (let length = Math.min(4, words.length - at); length > 0; length--) {
    const entry = known.get(lexicon.stems(words.slice(at, at + length)).join(" "));
    if (entry) return [entry, length];
  }
  return [null, 0];
}

/** The range that a number means for each attribute, after words such as `over`.
 * @param {string[]} names @param {[number, number]} ends @param {import("./lexicon.js").Comparison[]} comparisons
 * @returns {[string, number, number][]} */
function readingsOf(names, [low, high], comparisons) {
  if (!comparisons.length) return names.map((name) => [name, low, high]);
  return names.flatMap((name) => comparisons.filter((c) => c.attributes === null || c.attributes.includes(name)).map((c) =>
    /** @type {[string, number, number]} */ (c.more ? [name, low, Infinity] : [name, -Infinity, high])));
}
