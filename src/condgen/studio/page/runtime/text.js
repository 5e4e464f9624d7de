// Normalisation of text for comparison, as condgen's requests/text.py and `fold`: tokens and their stems.

import { number } from "./numbers.js";

/** @typedef {{spellings: Record<string, string>}} Spellings */

const W = "[\\p{L}\\p{N}_]";
const LETTER = "[\\p{L}\\p{Nl}\\p{No}_]"; // of a word, but no decimal digit
const BEGIN = `(?<!${W})`;
const NUMBER = `((?:${BEGIN}-)?${BEGIN}\\d+(?:\\.\\d+)?)`; // a hyphen behind a word or a number is no minus
const END = `(?!${W})`;
const BETWEEN_WORDS = new RegExp(
  `_|(?<=${W})-|-(?!\\p{Nd})|(?<=${LETTER})[./'’](?=${W})|(?<=${W})[./'’](?=${LETTER})`, "gu");
const TOKEN = new RegExp("-?\\d+(?:\\.\\d+)?(?:\\.\\.-?\\d+(?:\\.\\d+)?)?(?![\\p{L}\\p{N}])|[\\p{L}\\p{N}]+", "gu");
const TENS = ["twenties", "thirties", "forties", "fifties", "sixties", "seventies", "eighties", "nineties"];

/** @type {[RegExp, string][]} */
const REWRITTEN = [
  [new RegExp(`n['’]t${END}`, "gu"), " not"],
  [/\|/gu, " or "],
  [new RegExp(`${BEGIN}between\\s+${NUMBER}\\s+and\\s+${NUMBER}`, "gu"), "$1..$2"],
  [new RegExp(`${NUMBER}(?:-|\\s+-\\s+|\\s*–\\s*|\\s+to\\s+)${NUMBER}${END}`, "gu"), "$1..$2"],
  [new RegExp(`${BEGIN}(\\d*)0['’]?s${END}`, "gu"), "$10..$19"],
  ...TENS.map((word, k) => /** @type {[RegExp, string]} */ (
    [new RegExp(`${BEGIN}${word}${END}`, "gu"), `${k + 2}0..${k + 2}9`])),
];

/** A text without case, as Python's `casefold`. @param {string} text */
export const casefold = (text) => text.toLowerCase().replaceAll("ß", "ss").replaceAll("ς", "σ");

/** The form in which names and values are compared. @param {unknown} text */
export function fold(text) {
  const words = casefold(String(text).normalize("NFC")).replace(BETWEEN_WORDS, " ").split(/\s+/u).filter(Boolean);
  return words.join(" ") || String(text);
}

/** The words and numbers of a text, without case and accents. `in their thirties` contains the range `30..39`.
 * @param {string} text @returns {string[]} */
export function tokens(text) {
  let plain = [...casefold(text).normalize("NFKD")].filter((c) => !isAccent(c)).join("");
  for (const [pattern, replacement] of REWRITTEN) plain = plain.replace(pattern, replacement);
  return plain.match(TOKEN) ?? [];
}

/** Whether a sign combines with the letter before it, which shows as Unicode sorts it among others. @param {string} c */
const isAccent = (c) => c > "\u02ff" && (reorders(c + "\u0334") || reorders("\u0345" + c));

/** @param {string} pair */
const reorders = (pair) => [...pair.normalize("NFD")].reverse().join("") === pair && pair.normalize("NFD") !== pair;

/** The two ends of a number or range. null for a word. @param {string} token @returns {[number, number] | null} */
export function bounds(token) {
  const ends = token.split("..").map(number);
  if (ends.length > 2 || ends.some((end) => end === null)) return null;
  return [/** @type {number} */ (ends[0]), /** @type {number} */ (ends.at(-1))];
}

/** The common form of `smile`, `smiles` and `smiling`. In doubt a word is left as it is.
 * @param {string} word @param {Spellings} known */
export function stem(word, { spellings }) {
  const spelled = (/** @type {string} */ each) => (Object.hasOwn(spellings, each) ? spellings[each] : each);
  word = spelled(singular(spelled(word)));
  if (word.endsWith("ss")) return word;
  for (const ending of ["ing", "ed"]) {
    const root = word.slice(0, -ending.length);
    const doubled = root.at(-1) === root.at(-2) && !/[lsz]$/.test(root);
    if (word.endsWith(ending) && root.length >= 4) return doubled ? root.slice(0, -1) : root;
  }
  return word.length > 4 && word.endsWith("e") ? word.slice(0, -1) : word;
}

/** @param {string} word */
function singular(word) {
  if (word.endsWith("ies") && word.length > 4) return word.slice(0, -3) + "y";
  if (word.endsWith("sses")) return word.slice(0, -2);
  return word.length > 3 && word.endsWith("s") && !/(ss|us|is)$/.test(word) ? word.slice(0, -1) : word;
}
