/** The same requests and seeds through several runs, and where their pictures differ. */
import { html, names, useEffect, useRef, useState, useStore } from "../ui.js";
import { useAsked } from "../components/asked.js";
import { Icon } from "../components/icon.js";
import { Picture } from "../components/grid.js";
import { Words } from "../components/words.js";
import { imaging, picture, sampleSeeds } from "../backend.js";
import { decoded } from "../live.js";
import { body, newSeed, seedsFrom, toggled } from "../state.js";
import { differences } from "../heat.js";
import { sentence } from "../terms.js";

/** @typedef {import("../main.js").ViewProps} ViewProps */
/** @typedef {import("../backend.js").Sample} Sample */
/** @typedef {{name: string, samples: Sample[], problem: string}} Row */
const SEEDS = 8;
const RUNS = 3; // that are compared at first

/**
 * Runs that make pictures, the current one first, and those among them that can be asked for the same.
 * @param {ViewProps} props
 */
function comparable({ all, model, about }) {
  const runs = all.models.filter(imaging).sort((a, b) => Number(b.name === model) - Number(a.name === model));
  const alike = runs.filter(({ example }) => example === about.example);
  return { runs: runs.map(({ name }) => name), alike: alike.map(({ name }) => name) };
}

/** @param {ViewProps} props */
function Compare(props) {
  const { backend, model, about, store } = props;
  const state = useStore(store);
  const { runs, alike } = comparable(props);
  const given = state.more["compare.runs"]?.split(" ").filter((name) => runs.includes(name));
  const chosen = given?.length ? given : alike.slice(0, RUNS);
  const differ = state.more["compare.differ"] === "true";
  const seeds = state.seeds.slice(0, SEEDS);
  const asked = body(state);
  const { found, busy } = useAsked(async (/** @type {any} */ wanted, signal) => {
    const named = /** @type {string[]} */ (wanted.chosen);
    const rows = await Promise.all(named.map((name) => row(backend, name, wanted.asked, wanted.seeds, signal)));
    if (signal.aborted) throw new DOMException("", "AbortError");
    return rows;
  }, { chosen, asked, seeds }, [model]);
  /** @param {string} key @param {string} value */
  const set = (key, value) => store.set({ more: { ...store.get().more, [`compare.${key}`]: value } });
  const turn = (/** @type {string} */ name) => {
    const next = runs.filter((each) => toggled(chosen, name).includes(each));
    if (next.length) set("runs", next.join(" "));
  };
  const shapeOf = (/** @type {string} */ name) => props.all.models.find((each) => each.name === name)?.shape ?? about.shape;
  const reference = found?.find(({ name }) => name === chosen[0]) ?? null;
  return html`<div class="compare">
    <h1 class="hidden">Compare runs</h1>
    <${Words} ...${{ backend, about, store }} />
    <div class="toolbar tools">
      <fieldset class="runs"><legend class="hidden">Runs</legend>${runs.map((name) => html`<label key=${name} class=${names("pill", chosen.includes(name) && "on")}>
        <input type="checkbox" checked=${chosen.includes(name)} onChange=${() => turn(name)} /><span>${name}</span></label>`)}</fieldset>
      <span class="space"></span>
      <label class="field"><input type="checkbox" checked=${differ} onChange=${() => set("differ", String(!differ))} /><span>Show differences</span></label>
      <button title="The same request with other seeds" onClick=${() => store.set({ seeds: seedsFrom(newSeed(), state.seeds.length), kept: [] })}><${Icon} name="again" />New seeds</button>
    </div>
    ${alike.length === 1 && chosen.length === 1 && html`<p class="soft">No other run is asked for the same attributes as ${model}. Choose those to compare.</p>`}
    ${!found && html`<p class="waiting">Asking all of them …</p>`}
    <div class=${names("comparison", busy && "busy")} aria-busy=${busy}>
      ${found?.map((each) => html`<${Answers} key=${each.name} ...${{ row: each, differ, reference }} shape=${shapeOf(each.name)} open=${() => props.go("ask", each.name)} />`)}
    </div>
    <p class="soft small">${sentence(about, state.terms)}, seeds ${seeds.join(", ")}.
      ${chosen.length > 1 && ` Point at a picture, or focus it, to see where it differs from that of ${chosen[0]}.`}
      ${" "}Noise means something else to each family, so two families make different pictures of one seed.</p>
  </div>`;
}

/**
 * The samples of one run, or the reason why there are none.
 * @param {import("../backend.js").Backend} backend
 * @param {string} name
 * @param {any} asked
 * @param {number[]} seeds
 * @param {AbortSignal} signal
 * @returns {Promise<Row>}
 */
async function row(backend, name, asked, seeds, signal) {
  try {
    const { samples } = await sampleSeeds(backend, name, asked, seeds, signal);
    await decoded(samples.flatMap(({ image }) => (image ? [picture(image)] : [])));
    return { name, samples, problem: "" };
  } catch (error) {
    return { name, samples: [], problem: /** @type {Error} */ (error).message };
  }
}

/** @param {{row: Row, shape: number[], differ: boolean, reference: Row | null, open: () => void}} props */
function Answers({ row: { name, samples, problem }, shape, differ, reference, open }) {
  const others = reference && reference.name !== name ? reference.samples : [];
  return html`<section aria-label=${name}>
    <header><h2>${name}</h2><button class="quiet" onClick=${open}>Ask it</button></header>
    ${problem && html`<p class="problem">${problem}</p>`}
    <ul class="row">${samples.map((sample, k) => html`<${Cell} key=${k} ...${{ sample, shape, differ, name }} other=${others[k]?.image} />`)}</ul>
  </section>`;
}

/** @param {{sample: Sample, shape: number[], differ: boolean, other?: string, name: string}} props */
function Cell({ sample, shape, differ, other, name }) {
  const [pointed, point] = useState(false);
  const canvas = useRef(/** @type {HTMLCanvasElement | null} */ (null));
  const [apart, tell] = useState(/** @type {number | null} */ (null));
  const shows = Boolean(other && sample.image && (differ || pointed));
  useEffect(() => {
    const [mine, theirs] = [sample.image, other].map((image) => picture(image ?? ""));
    if (shows && canvas.current) differences(canvas.current, mine, theirs).then(tell, () => undefined);
  }, [shows, sample.image, other]);
  const [enter, leave] = [() => point(true), () => point(false)];
  const on = { onPointerEnter: enter, onPointerLeave: leave, onFocus: enter, onBlur: leave };
  const label = `${name}, seed ${sample.seed}${shows && apart !== null ? `: pixels differ by ${(100 * apart).toFixed(0)} %` : ""}`;
  return html`<li><div class="tile" ...${other ? { tabindex: 0, role: "img", "aria-label": label, title: label, ...on } : {}}>
    <${Picture} sample=${sample} shape=${shape} />${shows && html`<canvas ref=${canvas} class="heat" aria-hidden="true"></canvas>`}</div></li>`;
}

/** @type {import("../main.js").View["needs"]} */
const needs = (about, all) => about !== null && imaging(about) && all.models.filter(imaging).length > 1;

/** @type {import("../main.js").View} */
export const view = { id: "compare", title: "Compare", key: "c", needs, component: Compare };
