/** What an edit did, by what was read in the picture before and after it. */
import { chosen, ends } from "./terms.js";

/** @typedef {import("./backend.js").AttributeInfo} Attribute */
/** @typedef {Record<string, string | null>} Reading an attribute that could not be read is null */

const NOTICED = 0.05; // of a number's range; smaller differences are nobody's intention

/** @param {Attribute} attribute @param {number} a @param {number} b */
const far = ({ low = 0, high = 1 }, a, b) => Math.abs(a - b) > NOTICED * (high - low);

/** Whether two readings of an attribute differ. What was not read differs from nothing. @param {Attribute} attribute @param {string | null} a @param {string | null} b */
export function differ(attribute, a, b) {
  if (a == null || b == null) return false;
  return attribute.kind === "continuous" ? far(attribute, Number(a), Number(b)) : a !== b;
}

/** Whether a reading is as asked. @param {Attribute} attribute @param {import("./backend.js").Term} term @param {string} read */
export function fits(attribute, term, read) {
  const range = attribute.kind === "continuous" ? ends(term) : null;
  if (range) return !far(attribute, Number(read), Math.min(range[1], Math.max(range[0], Number(read))));
  const { values, not } = chosen(term);
  return values.includes(read) !== not;
}

/**
 * The attributes among those asked for that keep their values, since the picture shows already what is asked for.
 * @param {Attribute[]} attributes
 * @param {import("./backend.js").Terms} change
 * @param {import("./backend.js").Terms} source what the picture shows
 * @param {import("./backend.js").Terms} [made] the values that the edit gave; nothing is kept without an edit
 */
export const unchanged = (attributes, change, source, made = {}) =>
  attributes.filter(({ name }) => name in change && made[name] != null && String(made[name]) === String(source[name]));

/** Whether anything was read. @param {Reading} reading */
export const readable = (reading) => Object.values(reading).some((value) => value != null);

/**
 * What was asked for and is read now, or not; and what else is read otherwise than before. Nothing is told of vectors, which
 * are read as those of one example or another.
 * @param {Attribute[]} attributes
 * @param {import("./backend.js").Terms} change
 * @param {Reading} before
 * @param {Reading} after
 */
export function outcome(attributes, change, before, after) {
  const told = attributes.filter(({ kind }) => kind !== "vector");
  const [asked, others] = [told.filter(({ name }) => name in change), told.filter(({ name }) => !(name in change))];
  return {
    asked: asked.flatMap((attribute) => {
      const read = after[attribute.name];
      return read == null ? [] : [{ attribute, read, done: fits(attribute, change[attribute.name], read) }];
    }),
    also: others.filter((each) => differ(each, before[each.name], after[each.name]))
      .map((attribute) => ({ attribute, from: before[attribute.name], to: after[attribute.name] })),
  };
}
