/** A grid of samples in which two things vary and everything else stays the same. */
import { html, useEffect, useRef, useState, useStore } from "../../ui.js";
import { Icon } from "../../components/icon.js";
import { Picture } from "../../components/grid.js";
import { Words } from "../../components/words.js";
import { toast } from "../../components/toast.js";
import { picture } from "../../backend.js";
import { decoded, latest } from "../../live.js";
import { guides, newSeed, seedsFrom } from "../../state.js";
import { ofCondition, shown } from "../../terms.js";
import { axesOf, cellsOf, chosenAxes, together } from "./axes.js";

/** @typedef {import("../../main.js").ViewProps} ViewProps */
/** @typedef {import("../../backend.js").Sample} Sample */
/** @typedef {import("./axes.js").Axis} Axis */
/** @typedef {import("./axes.js").Cell} Cell */

/** Whatever is not varied, as a sample of each seed has it. @param {ViewProps} props @param {Cell[]} cells @param {AbortSignal} signal @returns {Promise<Cell[]>} */
async function fixed({ backend, model, about, store }, cells, signal) {
  if (!about.conditional) return cells;
  const { terms: request, free } = store.get();
  const seeds = [...new Set(cells.map(({ seed }) => seed))];
  const own = free ? { request, free } : { request };
  const answers = await Promise.all(seeds.map((seed) => backend.sample(model, { ...own, seed, n: 1 }, signal)));
  const drawn = new Map(answers.map(({ samples: [one] }) => [one.seed, ofCondition(about, one.condition)]));
  return cells.map((cell) => ({ ...cell, terms: { ...drawn.get(cell.seed), ...cell.terms } }));
}

/** The samples of cells. @param {ViewProps} props @param {Cell[]} cells @param {AbortSignal} signal */
async function sampled(props, cells, signal) {
  const { backend, model, store } = props;
  const { interval, sampler } = store.get();
  /** @type {Sample[]} */ const found = [];
  await Promise.all(together(await fixed(props, cells, signal)).map(async ({ indices, cells: some }) => {
    const { guidance, steps, seed } = some[0];
    const settings = { guidance, interval: guides(guidance ?? null) ? interval : null, steps, sampler };
    const given = Object.entries(settings).filter(([, value]) => value !== null && value !== undefined);
    const how = Object.fromEntries(given);
    const moved = some.map(({ terms: request, seed: own, along }) => ({ request, seed: own, along }));
    const { samples } = Object.keys(some[0].along).length > 0 && backend.along
      ? await backend.along(model, { cells: moved, how }, signal)
      : await backend.sample(model, { request: some.map(({ terms }) => terms), n: 1, seed, ...how }, signal);
    samples.forEach((/** @type {Sample} */ sample, /** @type {number} */ k) => (found[indices[k]] = sample));
  }));
  await decoded(found.flatMap(({ image }) => (image ? [picture(image)] : [])));
  return found;
}

/** @param {ViewProps} props */
export function Variations(props) {
  const { backend, model, about, store } = props;
  const state = useStore(store);
  const [shares, setShares] = useState(/** @type {number[]} */ ([]));
  const [grid, show] = useState(/** @type {{samples: Sample[], across: Axis, down: Axis} | null} */ (null));
  const [problem, setProblem] = useState("");
  const ask = useRef(/** @type {any} */ (null));
  useEffect(() => {
    backend.directions?.(model).then((found) => setShares(found.shares), () => undefined);
    const asking = latest(
      (/** @type {any} */ wanted, signal) => sampled(props, wanted.cells, signal),
      (samples, { across, down }) => {
        show({ samples, across, down });
        setProblem("");
      },
      (error) => setProblem(error.message),
    );
    ask.current = asking;
    return asking.stop;
  }, [backend, model]);
  const axes = axesOf(about, state.seeds.length > 1 ? state.seeds : seedsFrom(state.seeds[0] ?? 0, 6), shares);
  const [across, down] = chosenAxes(axes, state.more["explore.x"], state.more["explore.y"]);
  const cell = { terms: {}, seed: state.seeds[0] ?? 0, guidance: state.guidance, steps: state.steps, along: {} };
  const { terms, free, interval, sampler } = state;
  useEffect(() => {
    ask.current?.({ cells: cellsOf(cell, across, down), across, down });
  }, [JSON.stringify([terms, free, interval, sampler, cell, across, down])]);

  /** @param {string} x @param {string} y */
  const choose = (x, y) => store.set({ more: { ...state.more, "explore.x": x, "explore.y": y } });
  /** @param {number} index */
  const open = (index) => {
    const sample = /** @type {{samples: Sample[]}} */ (grid).samples[index];
    const [one] = cellsOf(cell, across, down).slice(index);
    if (Object.keys(one.along).length) toast("Ask moves nothing along directions: this is the sample that it started from.");
    store.set({ terms: ofCondition(about, sample.condition), guidance: one.guidance ?? null, steps: one.steps ?? null,
      seeds: [sample.seed, ...state.seeds.filter((seed) => seed !== sample.seed)].slice(0, state.seeds.length) });
    props.go("ask");
  };
  return html`<section aria-labelledby="variations">
    <h2 id="variations" class="hidden">Grid</h2>
    <${Words} ...${{ backend, about, store }} />
    <div class="toolbar tools">
      <${AxisChoice} label="Across" axis=${across} axes=${axes.filter(({ values }) => values.length > 1)} set=${(/** @type {string} */ id) => choose(id, id === down.id ? across.id : down.id)} />
      ${down.values.length > 1 && html`<${AxisChoice} label="Down" axis=${down} axes=${axes.filter(({ values, id }) => values.length > 1 && id !== across.id)} set=${(/** @type {string} */ id) => choose(across.id, id)} />`}
      <span class="space"></span>
      <button title="The same grid from another seed" onClick=${() => store.set({ seeds: seedsFrom(newSeed(), state.seeds.length), kept: [] })}><${Icon} name="again" />New seed</button>
    </div>
    ${problem && html`<p class="problem" role="alert">${problem}</p>`}
    ${!grid && !problem && html`<p class="waiting">Making the samples of the grid …</p>`}
    ${grid && html`<${Table} ...${grid} about=${about} open=${open} />`}
  </section>`;
}

/** @param {{label: string, axis: Axis, axes: Axis[], set: (id: string) => void}} props */
const AxisChoice = ({ label, axis, axes, set }) => html`<label class="axis-choice"><span class="soft">${label}</span>
  <select value=${axis.id} onChange=${(/** @type {any} */ event) => set(event.target.value)}>${axes.map(({ id, label: text }) => html`<option key=${id} value=${id}>${text}</option>`)}</select></label>`;

/** @param {{samples: Sample[], across: Axis, down: Axis, about: import("../../backend.js").About, open: (index: number) => void}} props */
function Table({ samples, across, down, about, open }) {
  const [focus, setFocus] = useState(0);
  const table = useRef(/** @type {HTMLElement | null} */ (null));
  const n = across.values.length;
  /** @param {KeyboardEvent} event @param {number} k */
  const pressed = (event, k) => {
    /** @type {Record<string, number>} */ const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -n, ArrowDown: n };
    const next = k + (steps[event.key] ?? NaN);
    if (!(next in samples)) return;
    event.preventDefault();
    /** @type {HTMLElement | undefined} */ (table.current?.querySelectorAll("button.face")[next])?.focus();
  };
  /** @param {number} k */
  const spoken = (k) => `${[[across, k % n], [down, Math.floor(k / n)]].map(said).filter(Boolean).join(", ")}. Open in Ask`;
  return html`<div class="across"><table class="variations" ref=${table} style=${{ "--columns": n, "--rows": down.values.length }}>
    <thead><tr><td></td>${across.values.map(({ label }) => html`<th key=${label} scope="col">${label}</th>`)}</tr></thead>
    <tbody>${down.values.map((row, r) => html`<tr key=${row.label}><th scope="row">${row.label}</th>
      ${across.values.map((column, c) => {
        const [k, sample] = [r * n + c, samples[r * n + c]];
        return html`<td key=${column.label}>${sample && html`<button class="face" title=${tip(about, sample)} tabindex=${k === Math.min(focus, samples.length - 1) ? 0 : -1}
          onFocus=${() => setFocus(k)} onKeyDown=${(/** @type {KeyboardEvent} */ event) => pressed(event, k)} onClick=${() => open(k)}>
          <span class="hidden">${spoken(k)}</span><${Picture} sample=${sample} shape=${about.shape} /></button>`}</td>`;
      })}</tr>`)}</tbody>
  </table></div>`;
}

/** @param {any} of an axis, and the index of its value */
const said = ([{ label, values }, index]) => `${label} ${values[index].label}`.trim();

/** @param {import("../../backend.js").About} about @param {Sample} sample */
const tip = (about, sample) => [...about.attributes.map((each) => `${each.label} ${shown(each, sample.condition[each.name])}`), `seed ${sample.seed}`].join("\n");
