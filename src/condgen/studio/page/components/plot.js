/** Vectors as points: any two of their coordinates. */
import { html, names, useState } from "../ui.js";

/** @typedef {import("../backend.js").Sample} Sample */

/** @param {number[]} values @returns {[number, number]} */
function span(values) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const margin = (high - low || 1) * 0.08;
  return [low - margin, high + margin];
}

/**
 * @param {{samples: (Sample | null)[], size: number, coordinates?: string[], selected: number | null, select: (index: number) => void}} props
 */
export function Scatter({ samples, size, coordinates = [], selected, select }) {
  const [axes, setAxes] = useState([0, Math.min(1, size - 1)]);
  const points = samples.flatMap((sample, index) => {
    const [x, y] = axes.map((axis) => sample?.values?.[axis] ?? NaN);
    return Number.isFinite(x) && Number.isFinite(y) ? [{ x, y, index }] : [];
  });
  const [[left, right], [low, high]] = [span(points.map(({ x }) => x)), span(points.map(({ y }) => y))];
  const name = (/** @type {number} */ axis) => coordinates[axis] ?? `coordinate ${axis + 1}`;
  const choose = (/** @type {number} */ which) => html`<label class="axis"><span class="hidden">${which ? "Upwards" : "Across"}</span>
    <select value=${axes[which]} onChange=${(/** @type {any} */ event) => setAxes(axes.map((axis, k) => (k === which ? Number(event.target.value) : axis)))}>
      ${Array.from({ length: size }, (_, axis) => html`<option key=${axis} value=${axis}>${name(axis)}</option>`)}
    </select></label>`;
  return html`<figure class="scatter">
    <svg viewBox="0 0 100 100" role="img" aria-label=${`${points.length} samples by ${name(axes[0])} and ${name(axes[1])}`}>
      ${points.map(({ x, y, index }) => html`<circle key=${index} class=${names(index === selected && "on")} r="1.4" onClick=${() => select(index)}
        cx=${(100 * (x - left)) / (right - left)} cy=${100 - (100 * (y - low)) / (high - low)}><title>${x.toPrecision(3)}, ${y.toPrecision(3)}</title></circle>`)}
    </svg>
    <figcaption>${choose(0)} against ${choose(1)}</figcaption>
  </figure>`;
}
