/** The map of the latents of held-out data, encoded with and without its condition. */
import { html, names, useState, useStore } from "../../ui.js";
import { useAsked } from "../../components/asked.js";
import { measured } from "../../terms.js";
import { heldOf, paints } from "./latents.js";

/** @typedef {import("../../main.js").ViewProps} ViewProps */
/** @typedef {{points: [number, number][], reads: number, chance: number, overlap: number | null}} Map_ */
/** @typedef {{image: string, columns: number, side: number}} Sheet */
/**
 * @typedef {{attribute: string, values: string[], places: number[], examples: number[], maps: Record<string, Map_>, untold: string,
 *   pictures: Sheet | null}} Found
 */

/** @param {ViewProps} props */
export function LatentMap({ backend, model, about, store }) {
  const { more } = useStore(store);
  const name = about.attributes.find((each) => each.name === more["explore.colour"])?.name ?? about.attributes[0]?.name;
  const telling = more["explore.axes"] === "telling";
  const { found, problem, busy } = useAsked(
    (/** @type {any} */ wanted, signal) => /** @type {any} */ (backend).latents(model, wanted, signal),
    { attribute: name, telling }, [model],
  );
  const [at, point] = useState(/** @type {number | null} */ (null));
  /** @param {string} key @param {string} value */
  const set = (key, value) => store.set({ more: { ...more, [`explore.${key}`]: value } });
  const attribute = about.attributes.find((each) => each.name === found?.attribute);
  return html`<section class=${names("latents", busy && "busy")} aria-label="Latent map">
    <div class="toolbar tools">
      <label class="axis-choice"><span class="soft">Colour by</span><select value=${name} onChange=${(/** @type {any} */ event) => set("colour", event.target.value)}>
        ${about.attributes.map((each) => html`<option key=${each.name} value=${each.name}>${each.label}</option>`)}</select></label>
      <label class="axis-choice"><span class="soft">Axes</span><select value=${telling ? "telling" : "principal"} onChange=${(/** @type {any} */ event) => set("axes", event.target.value)}>
        <option value="principal">of most variance</option><option value="telling">that tell values apart best</option></select></label>
    </div>
    ${problem && html`<p class="problem" role="alert">${problem}</p>`}
    ${!found && !problem && html`<p class="waiting">Encoding held-out data …</p>`}
    ${found && attribute && html`<${Legend} ...${{ found, attribute }} />
      <div class="maps">${Object.entries(found.maps).map(([told, map]) => html`<${Plane} key=${told} ...${{ found, map, at, point, attribute }}
        title=${!about.conditional ? "This model takes no condition" : told === "told" ? "The encoder is told the condition" : found.untold === "free" ? "The encoder is told nothing" : "The encoder is told the same for all"} />`)}</div>
      <p class="soft">${about.conditional ? heldOf(attribute.label, found.maps.told, found.maps.untold) : UNCONDITIONAL} Each point is one of ${found.values.length} held-out examples. A linear reader of their latents says what each one’s ${attribute.label} is.</p>`}
  </section>`;
}

const UNCONDITIONAL = "Nothing tells this model what a picture shows, so the latent has to hold it, and similar examples gather.";

/** How each point is painted. @param {Found} found @param {import("../../backend.js").AttributeInfo} attribute @returns {import("./latents.js").Paint[]} */
function painted(found, attribute) {
  if (attribute.values) {
    const own = paints(names_(attribute));
    return found.values.map((value) => own[Math.max(0, names_(attribute).indexOf(value))]);
  }
  const [low, high] = [Math.min(...found.places), Math.max(...found.places)];
  return found.places.map((place) => ({ fill: `color-mix(in oklab, var(--c1) ${Math.round((100 * (place - low)) / (high - low || 1))}%, var(--c0))`, outline: false }));
}

/** @param {import("../../backend.js").AttributeInfo} attribute */
const names_ = ({ values = [] }) => values.map(({ value }) => String(value));

/** @param {{fill: string, outline?: boolean, label: string}} props */
const Key = ({ fill, outline, label }) => html`<li><i class=${names("dot", outline && "outlined")} style=${{ background: fill }}></i>${label}</li>`;

/** @param {{found: Found, attribute: import("../../backend.js").AttributeInfo}} props */
function Legend({ found, attribute }) {
  if (!attribute.values) {
    const [low, high] = [Math.min(...found.places), Math.max(...found.places)];
    return html`<ul class="legend"><${Key} fill="var(--c0)" label=${measured(attribute, low)} /><${Key} fill="var(--c1)" label=${measured(attribute, high)} /></ul>`;
  }
  const own = paints(names_(attribute));
  const shown = attribute.values.map(({ value, label }, k) => ({ value: String(value), label, ...own[k] }));
  return html`<ul class="legend">${shown.filter(({ value }) => found.values.includes(value)).map((each) => html`<${Key} key=${each.label} ...${each} />`)}</ul>`;
}

/** @param {{found: Found, map: Map_, title: string, at: number | null, point: (k: number | null) => void, attribute: import("../../backend.js").AttributeInfo}} props */
function Plane({ found, map, title, at, point, attribute }) {
  const scale = 46 / Math.max(...map.points.flat().map(Math.abs), 1e-9);
  const place = (/** @type {number} */ k) => ({ x: 50 + scale * map.points[k][0], y: 50 - scale * map.points[k][1] });
  const share = (/** @type {number} */ x) => `${Math.round(100 * x)}\u202f%`;
  const paint = painted(found, attribute);
  /** The point that is nearest to the pointer. @param {any} event */
  const near = (event) => {
    const box = event.currentTarget.getBoundingClientRect();
    const [x, y] = [(100 * (event.clientX - box.left)) / box.width, (100 * (event.clientY - box.top)) / box.height];
    const far = map.points.map((_, k) => Math.hypot(place(k).x - x, place(k).y - y));
    const k = far.indexOf(Math.min(...far));
    point(far[k] < 6 ? k : null);
  };
  return html`<figure class="plane">
    <figcaption><h2>${title}</h2>
      <p><strong>${share(map.reads)}</strong> ${attribute.values ? "read right" : "of the variance read"}<span class="soft">${map.chance > 0 && ` · ${share(map.chance)} by chance`}${map.overlap !== null && ` · ${share(Math.min(1, map.overlap))} mixed`}</span></p></figcaption>
    <div class="plot">
      <svg viewBox="0 0 100 100" role="img" aria-label=${`${title}: a reader tells ${attribute.label} for ${share(map.reads)}`} onPointerMove=${near} onPointerLeave=${() => point(null)}>
        ${map.points.map((_, k) => html`<circle key=${k} cx=${place(k).x} cy=${place(k).y} r=${k === at ? 2 : 1} style=${{ fill: paint[k].fill }} class=${names(paint[k].outline && "outlined", k === at && "on")} />`)}
      </svg>
      ${at !== null && found.pictures && html`<${Thumbnail} ...${{ found, at }} x=${place(at).x} y=${place(at).y} />`}
    </div>
  </figure>`;
}

/** @param {{found: Found, at: number, x: number, y: number}} props */
function Thumbnail({ found, at, x, y }) {
  const { image, columns } = /** @type {{image: string, columns: number, side: number}} */ (found.pictures);
  const k = found.examples[at];
  const [column, row] = [k % columns, Math.floor(k / columns)];
  return html`<span class="thumbnail" style=${{ left: `${x}%`, top: `${y}%`, "background-image": `url(${image})`, "background-size": `${100 * columns}% auto`,
    "--column": column, "--row": row }}><span class="hidden">${found.values[at]}</span></span>`;
}
