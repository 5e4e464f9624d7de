// Errors that the user can act on, as condgen's errors.py: they name the nearest valid names.

/** A wrong request or option. Its message says what to do. `words`: those of a phrase that are unknown. */
export class RequestError extends Error {
  name = "RequestError";
  /** @type {string[]} */ words = [];
}

/** The error for an unknown name. @param {string} what @param {unknown} given @param {string[]} valid */
export function unknown(what, given, valid) {
  const near = closeMatches(String(given).toLowerCase(), valid.map((v) => v.toLowerCase()), 0.55);
  const named = near.map((each) => valid.find((v) => v.toLowerCase() === each));
  const shown = valid.slice(0, 20).join(", ") + (valid.length > 20 ? `, … (${valid.length} in all)` : "");
  const hint = named.length ? `Did you mean ${named.join(" or ")}?` : `Valid: ${shown || "none"}.`;
  return new RequestError(`Unknown ${what} '${String(given).slice(0, 200)}'. ${hint}`);
}

/** The three known words that are spelt most alike, best first. @param {string} word @param {string[]} known @param {number} cutoff */
export function closeMatches(word, known, cutoff) {
  const rated = [...new Set(known)].map((each) => /** @type {[number, string]} */ ([likeness(each, word), each]));
  return rated.filter(([rate]) => rate >= cutoff).sort((a, b) => b[0] - a[0] || (a[1] < b[1] ? 1 : -1)).slice(0, 3).map(([, each]) => each);
}

/** Ratcliff and Obershelp's likeness of two words: twice the share of letters in common blocks. @param {string} a @param {string} b */
const likeness = (a, b) => (a.length + b.length ? (2 * common(a, b)) / (a.length + b.length) : 1);

/** @param {string} a @param {string} b @returns {number} */
function common(a, b) {
  let [size, i, j] = [0, 0, 0];
  for (let k = 0; k < a.length; k++) {
    for (let m = 0; m < b.length; m++) {
      let n = 0;
      while (k + n < a.length && a[k + n] === b[m + n]) n++;
      if (n > size) [size, i, j] = [n, k, m];
    }
  }
  return size && size + common(a.slice(0, i), b.slice(0, j)) + common(a.slice(i + size), b.slice(j + size));
}
