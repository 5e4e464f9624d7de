/** What the map of latents shows: the colours of an attribute's values, and a sentence on what was read. */

/** @typedef {{reads: number, chance: number}} Read by a linear reader, and by one without the latents */
/** @typedef {{fill: string, outline: boolean}} Paint */
const COLOURS = 10;
const MOST = 2 / 3; // of an attribute's values are names of colours, if these are shown in their own
const LITTLE = 0.1; // of what there is to know beyond chance

/** @param {string} name */
const ofBrowser = (name) => CSS.supports("color", name);

/** A colour as a browser knows it, if it knows it: "Light blue" is lightblue. @param {string} value @param {(name: string) => boolean} known */
function named(value, known) {
  const name = value.toLowerCase().replace(/[\s_-]/g, "");
  return /^[a-z]+$/.test(name) && known(name) ? name : null;
}

/**
 * How values are painted. Names of colours have their own colour, with an outline, since it may be that of the page;
 * a value among them that is none is a mere outline.
 * @param {string[]} values @param {(name: string) => boolean} [known] whether a name is that of a colour
 * @returns {Paint[]}
 */
export function paints(values, known = ofBrowser) {
  const own = values.map((value) => named(value, known));
  if (!values.length || own.filter(Boolean).length < MOST * values.length) return values.map((_, k) => ({ fill: `var(--c${k % COLOURS})`, outline: false }));
  return own.map((fill) => ({ fill: fill ?? "transparent", outline: true }));
}

/** How much of what there is to know beyond chance was read. @param {Read} read */
const gained = ({ reads, chance }) => (reads - chance) / Math.max(1 - chance, 1e-9);

/**
 * What the latents hold of a condition that the encoder is told, and without it, as it was measured.
 * @param {string} label the attribute's @param {Read} told @param {Read} [untold]
 */
export function heldOf(label, told, untold) {
  const little = gained(told) < LITTLE;
  const first = little ? "colours mix, and a reader of the latents knows little more than chance"
    : `these hold some of it all the same, so a reader of the latents tells ${label} better than chance`;
  return [`What the encoder is told, the latent need not hold: ${first}.`, ...(untold ? [without(gained(untold) - gained(told))] : [])].join(" ");
}

/** @param {number} more that is read without the condition */
function without(more) {
  if (more > LITTLE) return "Take the condition away, and the latent tells more of it.";
  return more < -LITTLE ? "Without the condition, the latent tells less of it." : "Without the condition, the latent tells about as much.";
}
