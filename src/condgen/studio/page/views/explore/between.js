/** The way from one sample to another: a slider, and a strip of what lies between. */
import { html, names, useState, useStore } from "../../ui.js";
import { useAsked } from "../../components/asked.js";
import { Control } from "../../components/control.js";
import { Icon } from "../../components/icon.js";
import { Picture } from "../../components/grid.js";
import { picture } from "../../backend.js";
import { decoded } from "../../live.js";
import { asked, body, newSeed } from "../../state.js";
import { ofCondition, sentence } from "../../terms.js";

/** @typedef {import("../../main.js").ViewProps} ViewProps */
/** @typedef {{request: import("../../backend.js").Terms, seed: number}} End */
/** @typedef {{from: End, to: End}} Ends */
const FRAMES = 33;
const SLOW_FRAMES = 13; // of a model that takes several steps
const STRIP = 7;

/** Two samples to begin with: of the request with two seeds and, where nothing is asked, of different values. @param {ViewProps} props @returns {Promise<Ends>} */
async function first({ backend, model, about, store }) {
  const { terms: request, seeds: [seed = 0, other = seed + 1] } = store.get();
  const [from, to] = await Promise.all([seed, other].map(async (each) => {
    const { samples: [one] } = await backend.sample(model, { request, n: 1, seed: each });
    return { request: about.conditional ? ofCondition(about, one.condition) : {}, seed: each };
  }));
  const free = about.attributes.find(({ name, values = [] }) => !(name in request) && values.length > 1);
  if (free && about.conditional && from.request[free.name] === to.request[free.name]) {
    const another = (free.values ?? []).find(({ value }) => String(value) !== String(from.request[free.name]));
    to.request[free.name] = another?.value ?? null;
  }
  return { from, to };
}

/** @param {ViewProps} props */
export function Between(props) {
  const { backend, model, about, store } = props;
  const state = useStore(store);
  const kept = state.more["explore.ends"];
  const start = useAsked(() => first(props), kept ? null : "first", [model]);
  const ends = /** @type {Ends | null} */ (kept ? JSON.parse(kept) : start.found);
  const n = about.steps === null || about.steps < 3 ? FRAMES : SLOW_FRAMES;
  const { request: _request, free: _free, ...how } = body(state);
  const { found, problem, busy } = useAsked(async (/** @type {any} */ wanted, signal) => {
    const { samples } = await /** @type {any} */ (backend).interpolate(model, wanted, signal);
    await decoded(samples.flatMap((/** @type {any} */ { image }) => (image ? [picture(image)] : [])));
    return samples;
  }, ends && { ...ends, steps: n, ...(Object.keys(how).length ? { how } : {}) }, [model]);
  const [at, move] = useState(0.5);
  /** @param {"from" | "to"} which @param {End} end */
  const change = (which, end) => store.set({ more: { ...store.get().more, "explore.ends": JSON.stringify({ ...ends, [which]: end }) } }, `ends.${which}`);
  const trouble = problem || start.problem;
  const told = trouble && html`<p class="problem" role="alert">${trouble}</p>`;
  if (!ends || (!found && !trouble)) return told || html`<p class="waiting">Finding the way …</p>`;
  return html`${told}
    <section class=${names("between", busy && "busy")} aria-label="Between two samples">
      <${Side} name="First" ...${{ about }} end=${ends.from} sample=${found?.[0]} set=${(/** @type {End} */ end) => change("from", end)} />
      <${Middle} ...${{ about, found, at, move }} />
      <${Side} name="Last" ...${{ about }} end=${ends.to} sample=${found?.at(-1)} set=${(/** @type {End} */ end) => change("to", end)} />
    </section>`;
}

/** The pictures from one sample to the other, if there are any yet.
 * @param {{about: import("../../backend.js").About, found: any[] | null, at: number, move: (at: number) => void}} props */
function Middle({ about, found, at, move }) {
  if (!found) return html`<div class="way"></div>`;
  const here = Math.round(at * (found.length - 1));
  return html`<div class="way">
    <div class="large"><${Picture} sample=${found[here]} shape=${about.shape} /></div>
    <label class="slider"><span class="hidden">Share of the way</span>
      <input type="range" min="0" max="1" step=${1 / (found.length - 1)} value=${at} aria-valuetext=${`${Math.round(100 * at)} % of the way`} onInput=${(/** @type {any} */ event) => move(Number(event.target.value))} /></label>
    <div class="strip">${Array.from({ length: STRIP }, (_, k) => k / (STRIP - 1)).map((share) => html`<button key=${share} class=${names("face", Math.abs(share - at) < 0.5 / (STRIP - 1) && "on")}
      aria-label=${`${Math.round(100 * share)} % of the way`} onClick=${() => move(share)}><${Picture} sample=${found[Math.round(share * (found.length - 1))]} shape=${about.shape} /></button>`)}</div>
    <p class="soft small">Every picture is generated, through the encoded requests and the noise. None is a blend of two.</p>
  </div>`;
}

/** @param {{name: string, about: import("../../backend.js").About, end: End, sample: any, set: (end: End) => void}} props */
function Side({ name, about, end, sample, set }) {
  return html`<div class="side">
    <header><h2>${name}</h2><button class="quiet" onClick=${() => set({ ...end, seed: newSeed() })}><${Icon} name="again" />New seed</button></header>
    <div class="tile">${sample && html`<${Picture} sample=${sample} shape=${about.shape} />`}</div>
    ${about.conditional && html`<details class="asks"><summary>${sentence(about, end.request)}</summary>
      <form onSubmit=${(/** @type {Event} */ event) => event.preventDefault()}>${about.attributes.map((attribute) => html`<${Control} key=${attribute.name} attribute=${attribute} term=${end.request[attribute.name]}
        ask=${(/** @type {any} */ term) => set({ ...end, request: asked(/** @type {any} */ ({ terms: end.request }), attribute.name, term).terms })} />`)}</form>
    </details>`}
  </div>`;
}
