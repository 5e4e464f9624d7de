/** Curves of a training, drawn by hand. */
import { html, names } from "../ui.js";
import { count, short, span } from "../training.js";

/** @typedef {import("../training.js").Chart} Chart */

const [WIDTH, HEIGHT] = [400, 140];
/** @type {Record<string, string>} */
const MEANINGS = {
  loss: "Lower is better",
  "generator/loss": "Each player against the other",
};

/** @param {{chart: Chart, total: number | null, unit: string, small?: boolean}} props total: images at the end of the training */
export function Curves({ chart, total, unit, small }) {
  const [low, high] = span(chart.lines);
  const end = Math.max(total ?? 0, ...chart.lines.flatMap(({ points }) => points.map(([x]) => x)), 1);
  const place = (/** @type {[number, number]} */ [x, y]) =>
    `${((x / end) * WIDTH).toFixed(1)},${(HEIGHT - ((Math.min(y, high) - low) / (high - low)) * HEIGHT).toFixed(1)}`;
  const said = chart.lines.map(({ name, points }) => `${name} ${short(points.at(-1)?.[1] ?? 0)}`).join(", ");
  const title = chart.title.replaceAll("_", " ").replaceAll("/", ": ");
  return html`<figure class=${names("curves", small && "small-curves")}>
    <figcaption><b>${title}</b>${chart.lines.map(({ name, points }) => html`<span key=${name} class=${`of-${name}`}>
      ${chart.lines.length > 1 && !small && `${name} `}<output>${short(points.at(-1)?.[1] ?? 0)}</output></span>`)}</figcaption>
    <div class="curve-plot">
      <span class="high" aria-hidden="true">${short(high)}</span><span class="low" aria-hidden="true">${short(low)}</span>
      <svg viewBox=${`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label=${`${title}: ${said}`}>
        ${chart.lines.map(({ name, points }) => html`<polyline key=${name} class=${`of-${name}`} points=${points.map(place).join(" ")} />`)}
      </svg>
    </div>
    ${!small && html`<p class="axis small soft"><span>${MEANINGS[chart.title] ?? ""}</span><span>${count(end)} ${unit}</span></p>`}
  </figure>`;
}
