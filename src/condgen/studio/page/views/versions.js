/** Versions of photographs: as they were given, and the edits that somebody went on from. */

/** @typedef {import("./photos.js").Photo} Photo */
/** The version of a photograph that is shown, by its id: the first unless somebody went on. @typedef {Record<string, number>} Versions */

/** Whether two are the same version of a photograph. @param {Photo} one @param {Photo} other */
export const same = (one, other) => one.id === other.id && one.version === other.version;

/** A photograph without its edit. @param {Photo} photo @returns {Photo} */
export const bare = (photo) => ({ ...photo, edited: undefined, made: undefined, after: undefined });

/** The shown version of each photograph, or the latest that there is. @param {Photo[]} all @param {Versions} versions @returns {Photo[]} */
export const present = (all, versions) => all.filter(({ id, version }) => {
  const own = all.filter((other) => other.id === id);
  const shown = own.findLast((other) => other.version <= (versions[id] ?? 0)) ?? own[0];
  return shown.version === version;
});

/**
 * All versions, with a photograph's edit as its next one. The photograph stays, so that undo shows it again.
 * @param {Photo[]} all
 * @param {Photo} photo
 */
export function goneOn(all, photo) {
  const { edited, after, made } = photo;
  if (!edited) return all;
  const shows = { image: edited, read: after ?? photo.read, source: { ...photo.source, ...made } };
  const next = { ...bare(photo), ...shows, version: photo.version + 1 };
  const others = all.filter(({ id, version }) => id !== photo.id || version <= photo.version);
  return others.flatMap((each) => (same(each, photo) ? [each, next] : [each]));
}
