/** How samples are made: guidance, steps, sampler, free attributes. */
import { html } from "../ui.js";
import { Slider } from "./slider.js";
import { guides } from "../state.js";

/** @typedef {import("../state.js").Store} Store */
/** @typedef {import("../backend.js").About} About */
const STRONGEST = 8; // guidance of sliders
const [PART, FINE] = [[0.2, 0.8], 0.05]; // a usual interval of guidance, and the step of its sliders

/** @param {number} weight */
export const weighed = (weight) => (weight === 1 ? "1 (none)" : String(weight));

/** The guidance of one attribute, under its control. @param {{store: Store, name: string, label: string}} props */
export function OwnGuidance({ store, name, label }) {
  const { guidance } = store.get();
  if (typeof guidance !== "object" || guidance === null) return null;
  return html`<${Slider} label="guidance" hint=${`How strongly ${label} is followed`} low=${0} high=${STRONGEST} step=${0.25} value=${guidance[name] ?? 1}
    says=${weighed(guidance[name] ?? 1)} set=${(/** @type {number} */ weight) => store.set({ guidance: { ...guidance, [name]: weight } }, `guidance.${name}`)} />`;
}

/** @param {{about: About, store: Store}} props */
export function Settings({ about, store }) {
  const state = store.get();
  if (!about.guided && !about.can_leave_free && !about.samplers.length) return null;
  return html`<details class="how">
    <summary>How they are made</summary>
    ${about.guided && html`<${Guidance} ...${{ about, store }} />`}
    ${about.steps !== null && html`<${Slider} label="Steps" hint="More steps take longer and are more exact" low=${1} high=${100} value=${state.steps ?? about.steps}
      set=${(/** @type {number} */ steps) => store.set({ steps }, "steps")} />`}
    ${about.samplers.length > 1 && html`<label class="option"><span>Sampler</span>
      <select value=${state.sampler ?? ""} onChange=${(/** @type {any} */ event) => store.set({ sampler: event.target.value || null })}>
        <option value="">as trained</option>${about.samplers.map((each) => html`<option key=${each} value=${each}>${each}</option>`)}
      </select></label>`}
    ${about.can_leave_free && html`<label class="option"><input type="checkbox" checked=${state.free} onChange=${() => store.set({ free: !state.free })} />
      <span>Let the model choose what is free <small class="soft">otherwise it is drawn from the data</small></span></label>`}
  </details>`;
}

/** @param {{about: About, store: Store}} props */
function Guidance({ about, store }) {
  const { guidance } = store.get();
  const own = typeof guidance === "object" && guidance !== null;
  const overall = own ? 1 : guidance ?? about.guidance ?? 1;
  const split = () => store.set({ guidance: own ? null : Object.fromEntries(about.attributes.map(({ name }) => [name, overall])) });
  return html`
    ${!own && html`<${Slider} label="Guidance" hint="How strongly the request is followed" low=${0} high=${STRONGEST} step=${0.25} value=${overall} says=${weighed(overall)}
      set=${(/** @type {number} */ weight) => store.set({ guidance: weight }, "guidance")} />`}
    ${about.attributes.length > 1 && html`<label class="option"><input type="checkbox" checked=${own} onChange=${split} /><span>Guidance of each attribute</span></label>`}
    ${guides(own ? guidance : overall) && html`<${Interval} store=${store} />`}`;
}

/** The times at which guidance acts, if not always. @param {{store: Store}} props */
function Interval({ store }) {
  const { interval } = store.get();
  const turn = () => store.set({ interval: interval ? null : /** @type {[number, number]} */ (PART) });
  return html`
    <label class="option"><input type="checkbox" checked=${interval !== null} onChange=${turn} />
      <span>Guide only part of the way <small class="soft">from noise, at 0, to the picture, at 1</small></span></label>
    ${interval && html`<${Ends} interval=${interval} set=${(/** @type {[number, number]} */ next) => store.set({ interval: next }, "interval")} />`}`;
}

/** Two sliders on one line. @param {{interval: [number, number], set: (interval: [number, number]) => void}} props */
function Ends({ interval: [low, high], set }) {
  /** @param {string} name @param {number} value @param {(value: number) => [number, number]} moved */
  const slider = (name, value, moved) => html`<input type="range" min="0" max="1" step=${FINE} value=${value} aria-label=${name}
    onInput=${(/** @type {any} */ event) => set(moved(Number(event.target.value)))} />`;
  const near = (/** @type {number} */ value) => Number(value.toFixed(2));
  return html`<div class="ranged" style=${{ "--from": low, "--to": high }}>
    <div class="sliders">
      ${slider("Guidance from", low, (value) => [Math.min(value, near(high - FINE)), high])}
      ${slider("Guidance to", high, (value) => [low, Math.max(value, near(low + FINE))])}</div>
    <div class="scale"><span>0</span><output>${low} to ${high}</output><span>1</span></div>
  </div>`;
}
