/** FiLM layer by layer: γ and β of two requests, and what each layer does to the picture. */
import { html, names, useStore } from "../../ui.js";
import { useAsked } from "../../components/asked.js";
import { Icon } from "../../components/icon.js";
import { Picture } from "../../components/grid.js";
import { newSeed, seedsFrom } from "../../state.js";
import { measured, ofCondition } from "../../terms.js";
import { usual } from "./axes.js";

/** @typedef {import("../../main.js").ViewProps} ViewProps */
/** @typedef {import("../../backend.js").AttributeInfo} Attribute */
/** @typedef {{name: string, scale: number[][], shift: number[][], silent: string[], exchanged: string[], effect: number[]}} Layer */
const CHANNELS = 96; // of a chart, at most

/** The values that two requests may differ in. @param {Attribute} attribute @returns {{term: any, label: string}[]} */
function choices(attribute) {
  if (attribute.values) return attribute.values.map(({ value, label }) => ({ term: String(value), label }));
  return usual(attribute).map((term) => ({ term: String(term), label: measured(attribute, term) }));
}

/** @param {ViewProps} props */
export function Film({ backend, model, about, store }) {
  const { more, terms, seeds: [seed = 0], seeds } = useStore(store);
  const usable = about.attributes.filter(({ kind, values }) => values?.length || kind === "continuous");
  const categorical = usable.find(({ kind }) => kind === "categorical");
  const attribute = usable.find(({ name }) => name === more["explore.film"]) ?? categorical ?? usable[0];
  const values = choices(attribute);
  /** @param {string} key @param {number} k */
  const chosen = (key, k) => values.find(({ term }) => term === more[key]) ?? values.at(k) ?? values[0];
  const [one, other] = [chosen("explore.one", 0), chosen("explore.other", -1)];
  const input = { terms, seed, name: attribute.name, one: one.term, other: other.term };
  const { found, problem, busy } = useAsked(async (/** @type {typeof input} */ wanted, signal) => {
    const { samples: [{ condition }] } = await backend.sample(model, { request: wanted.terms, n: 1, seed: wanted.seed }, signal);
    const asked = [wanted.one, wanted.other].map((value) => ({ ...ofCondition(about, condition), [wanted.name]: value }));
    return /** @type {any} */ (backend).film(model, ...asked, wanted.seed, signal);
  }, input, [model]);
  /** @param {string} key @param {string} value */
  const set = (key, value) => store.set({ more: { ...store.get().more, [key]: value } });
  /** @param {string} label @param {string} key @param {string} value @param {{term: string, label: string}[]} options */
  const select = (label, key, value, options) => html`<label class="axis-choice"><span class="soft">${label}</span>
    <select value=${value} onChange=${(/** @type {any} */ event) => set(key, event.target.value)}>${options.map((each) => html`<option key=${each.term} value=${each.term}>${each.label}</option>`)}</select></label>`;
  return html`<section class=${names("film", busy && "busy")} aria-label="FiLM">
    <div class="toolbar tools">
      ${select("Vary", "explore.film", attribute.name, usable.map(({ name, label }) => ({ term: name, label })))}
      ${select("from", "explore.one", one.term, values)} ${select("to", "explore.other", other.term, values)}
      <span class="space"></span>
      <button title="The same from another seed" onClick=${() => store.set({ seeds: seedsFrom(newSeed(), seeds.length), kept: [] })}><${Icon} name="again" />New seed</button>
    </div>
    ${problem && html`<p class="problem" role="alert">${problem}</p>`}
    ${!found && !problem && html`<p class="waiting">Looking at the layers …</p>`}
    ${found && html`<${Layers} ...${{ found, about }} labels=${[one.label, other.label]} />`}
  </section>`;
}

/** @param {{found: {samples: any[], layers: Layer[]}, about: import("../../backend.js").About, labels: string[]}} props */
function Layers({ found, about, labels }) {
  const images = (/** @type {string[]} */ pair) => pair.map((image, k) => html`<span class="film-picture" key=${k}><${Picture} sample=${{ image }} shape=${about.shape} /></span>`);
  return html`
    <table class="layers">
      <thead><tr><th scope="col">Layer</th><th scope="col"><span class="key"><i class="line"></i>${labels[0]}</span> <span class="key"><i class="dot"></i>${labels[1]}</span></th>
        <th scope="col">γ = 1, β = 0</th><th scope="col">γ, β exchanged</th></tr></thead>
      <tbody>
        <tr><th scope="row">All layers as they are</th>
          <td><p>The condition scales every channel of a layer by γ and shifts it by β. Take both away from one layer, or give it those of the other request, to see what it is there for.${
            (about.steps ?? 1) > 1 && " The charts show means over all steps."}</p></td>
          <td colspan="2">${images(found.samples.map(({ image }) => image))}</td></tr>
        ${found.layers.map((layer, k) => html`<tr key=${layer.name}>
          <th scope="row">Layer ${k + 1}<small class="soft">${layer.scale[0].length} channels<br /><code>${layer.name}</code></small></th>
          <td><div class="charts"><${Profile} name="γ" pair=${layer.scale} none=${1} /><${Profile} name="β" pair=${layer.shift} none=${0} /></div></td>
          <td>${images(layer.silent)}<small class="soft">changes pixels by ${(100 * Math.max(...layer.effect)).toFixed(1)} %</small></td>
          <td>${images(layer.exchanged)}</td></tr>`)}
      </tbody>
    </table>`;
}

/** γ or β of all channels, in the order of the first request's: that one is a line, the other one dots. @param {{name: string, pair: number[][], none: number}} props */
function Profile({ name, pair, none }) {
  const order = pair[0].map((_, k) => k).sort((a, b) => pair[0][a] - pair[0][b]);
  const step = Math.max(1, order.length / CHANNELS);
  const channels = Array.from({ length: Math.floor(order.length / step) }, (_, k) => order[Math.floor(k * step)]);
  const values = [...channels.flatMap((c) => [pair[0][c], pair[1][c]]), none];
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const x = (/** @type {number} */ k) => 2 + (196 * k) / Math.max(1, channels.length - 1);
  const y = (/** @type {number} */ value) => 57 - (54 * (value - low)) / (high - low || 1);
  const range = `${low.toFixed(1)} to ${high.toFixed(1)}`.replaceAll("-", "−");
  const apart = Math.sqrt(pair[0].reduce((sum, value, k) => sum + (value - pair[1][k]) ** 2, 0) / pair[0].length);
  return html`<figure><figcaption>${name}<small class="soft">${range}</small></figcaption>
    <svg viewBox="0 0 200 60" role="img" aria-label=${`${name} of ${pair[0].length} channels, from ${range}; the two requests are ${apart.toFixed(2)} apart`}>
      <line class="none" x1="0" x2="200" y1=${y(none)} y2=${y(none)} />
      <polyline points=${channels.map((c, k) => `${x(k).toFixed(1)},${y(pair[0][c]).toFixed(1)}`).join(" ")} />
      ${channels.map((c, k) => html`<circle key=${c} r="1.7" cx=${x(k)} cy=${y(pair[1][c])} />`)}
    </svg></figure>`;
}
