/** The axes of the grid: what can be varied, and the values that are shown of it. */
import { measured, near } from "../../terms.js";

/** @typedef {import("../../backend.js").About} About */
/** @typedef {import("../../backend.js").AttributeInfo} Attribute */
/** @typedef {{terms: import("../../backend.js").Terms, seed: number, guidance?: any, steps?: number | null, along: Record<string, number>}} Cell */
/** @typedef {{id: string, label: string, values: {label: string, apply: (cell: Cell) => Cell}[]}} Axis */

const MOST = 10; // values on an axis
const NUMBERS = 6;
const SEEDS = 6;
const GUIDANCE = [0, 1, 2, 4, 8];
const STEPS = [1, 2, 4, 8, 16, 32, 64];
const ALONG = [-3, -2, -1, 0, 1, 2, 3]; // standard deviations
/** The second axis of a model in which one thing alone can be varied. @type {Axis} */
const NOTHING = { id: "nothing", label: "", values: [{ label: "", apply: (cell) => cell }] };

/** Numbers from one to another, evenly spread, also on a logarithmic scale. @param {number} low @param {number} high @param {number} n @param {boolean} [log] */
export function spread(low, high, n, log = false) {
  const [a, b] = log ? [Math.log(low), Math.log(high)] : [low, high];
  return Array.from({ length: n }, (_, k) => a + ((b - a) * k) / (n - 1)).map((x) => (log ? Math.exp(x) : x));
}

/** The range that holds almost all of a number's data. @param {Attribute} attribute @returns {[number, number]} */
export function usual({ low = 0, high = 1, histogram }) {
  if (!histogram) return [low, high];
  const total = histogram.counts.reduce((sum, count) => sum + count, 0);
  let below = 0;
  const within = histogram.counts.map((count) => {
    const [before, after] = [below, (below += count)];
    return after > 0.01 * total && before < 0.99 * total;
  });
  return [histogram.edges[within.indexOf(true)] ?? low, histogram.edges[within.lastIndexOf(true) + 1] ?? high];
}

/** @param {Attribute} attribute @returns {{label: string, term: any}[]} */
function valuesOf(attribute) {
  if (attribute.kind !== "continuous") return (attribute.values ?? []).slice(0, MOST).map(({ value, label }) => ({ term: value, label }));
  const [low, high] = usual(attribute);
  const terms = spread(low, high, NUMBERS, attribute.log && low > 0).map((number) => near(attribute, number));
  return [...new Set(terms)].map((term) => ({ term, label: measured(attribute, term) }));
}

/**
 * All that can be varied.
 * @param {About} about
 * @param {number[]} seeds
 * @param {number[]} shares of the directions of noise in all that noise changes
 * @returns {Axis[]}
 */
export function axesOf(about, seeds, shares) {
  const attributes = about.conditional ? about.attributes.filter(({ values, kind }) => values?.length || kind === "continuous") : [];
  const found = attributes.map((attribute) => ({
    id: `is.${attribute.name}`,
    label: attribute.label,
    values: valuesOf(attribute).map(({ label, term }) => ({
      label, apply: (/** @type {Cell} */ cell) => ({ ...cell, terms: { ...cell.terms, [attribute.name]: term } }),
    })),
  }));
  /** @param {string} id @param {string} label @param {number[]} values @param {(cell: Cell, value: number) => Partial<Cell>} change */
  const numbers = (id, label, values, change) => found.push({
    id, label, values: values.map((value) => ({ label: signed(id, value), apply: (cell) => ({ ...cell, ...change(cell, value) }) })),
  });
  if (about.guided) numbers("guidance", "Guidance", GUIDANCE, (_, guidance) => ({ guidance }));
  if (about.steps !== null) numbers("steps", "Steps", STEPS, (_, steps) => ({ steps }));
  numbers("seed", "Seed", seeds.slice(0, SEEDS), (_, seed) => ({ seed }));
  shares.forEach((share, k) => numbers(`along.${k}`, `Noise direction ${k + 1} · ${Math.round(100 * share)} %`, ALONG,
    ({ along }, amount) => ({ along: { ...along, [k]: amount } })));
  return found;
}

/** @param {string} id @param {number} value */
function signed(id, value) {
  if (!id.startsWith("along")) return String(value);
  return `${value > 0 ? "+" : ""}${value}`.replace("-", "−") + (value ? "\u202fσ" : "");
}

/**
 * The axes that are chosen. By default those of the attributes with most values, then guidance, then seeds. If one alone
 * can be varied, the second is a row that changes nothing.
 * @param {Axis[]} axes
 * @param {string | undefined} across
 * @param {string | undefined} down
 * @returns {[Axis, Axis]}
 */
export function chosenAxes(axes, across, down) {
  /** @param {Axis} axis */
  const rank = ({ id, values }) => (id.startsWith("is.") ? values.length : ["steps", "seed", "guidance"].indexOf(id) - 2);
  const usable = axes.filter(({ values }) => values.length > 1);
  const x = usable.find(({ id }) => id === across);
  const [first, second] = usable.filter((axis) => axis !== x).sort((a, b) => rank(b) - rank(a));
  return [x ?? first, usable.find((axis) => axis.id === down && axis !== (x ?? first)) ?? (x ? first : second) ?? NOTHING];
}

/** The cells of a grid, row by row. @param {Cell} cell @param {Axis} across @param {Axis} down */
export const cellsOf = (cell, across, down) => down.values.flatMap((row) => across.values.map((column) => column.apply(row.apply(cell))));

/**
 * Cells that one request to the model answers, with their indices.
 * @param {Cell[]} cells
 * @returns {{indices: number[], cells: Cell[]}[]}
 */
export function together(cells) {
  /** @type {Map<string, {indices: number[], cells: Cell[]}>} */ const found = new Map();
  cells.forEach((cell, index) => {
    const moved = Object.keys(cell.along).length > 0;
    const key = JSON.stringify([cell.guidance ?? null, cell.steps ?? null, moved || cell.seed]);
    const group = found.get(key) ?? { indices: [], cells: [] };
    group.indices.push(index);
    group.cells.push(cell);
    found.set(key, group);
  });
  return [...found.values()];
}
