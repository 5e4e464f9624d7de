/** Ask for samples by controls or words: a live grid. */
import { html, useEffect, useState, useStore, writes } from "../ui.js";
import { Control } from "../components/control.js";
import { Grid } from "../components/grid.js";
import { History, useHistory } from "../components/history.js";
import { keysOf } from "../components/help.js";
import { Icon } from "../components/icon.js";
import { Inspector } from "../components/inspector.js";
import { JudgeButton, useJudge } from "../components/judging.js";
import { Menu } from "../components/menu.js";
import { Recall } from "../components/recall.js";
import { Scatter } from "../components/plot.js";
import { useSamples } from "../components/samples.js";
import { OwnGuidance, Settings } from "../components/settings.js";
import { failed, toast } from "../components/toast.js";
import { Words } from "../components/words.js";
import { imaging } from "../backend.js";
import { saveDataset, saveImage, saveSheet } from "../download.js";
import { asked, initial, newSeed, reseeded, resized, toQuery, toggled } from "../state.js";
import { ofCondition } from "../terms.js";

/** @typedef {import("../main.js").ViewProps} ViewProps */
/** @typedef {import("../backend.js").Sample} Sample */
const MANY = 12; // more attributes than this can be searched
const COUNTS = { images: [1, 4, 9, 16, 25, 36, 64], vectors: [16, 64, 256, 1000] };

keysOf("Ask", [
  ["/", "Ask in words"], ["S", "Surprise me"], ["N", "New seeds"], ["J", "Judge"],
  ["← ↑ → ↓", "Move around"], ["Enter", "Choose a sample"], ["Shift click", "Choose several values"], ["K", "Keep the sample in focus"],

  ["M", "Mark it for download"], ["D", "Save it as PNG"], ["Esc", "Choose none"],
]);

/** Values drawn from the data for all attributes that are not locked. @param {ViewProps} props */
async function surprise({ backend, model, about, store }) {
  const state = store.get();
  const fixed = Object.fromEntries(Object.entries(state.terms).filter(([name]) => state.locked.includes(name)));
  const { samples: [one] } = await backend.sample(model, { request: fixed, n: 1, seed: newSeed() });
  const drawn = Object.entries(ofCondition(about, one.condition)).filter(([name]) => !state.locked.includes(name));
  store.set({ terms: { ...fixed, ...Object.fromEntries(drawn) }, ...reseeded(state, newSeed()) });
}

/** All that can be done with samples. @param {ViewProps} props @param {import("../components/samples.js").Shown} shown */
function actions({ about, model, store }, { samples, state }) {
  /** @param {number} index */
  const seed = (index) => store.get().seeds[index];
  return {
    /** @param {number} index */
    reseed: (index) => store.set({ seeds: store.get().seeds.map((each, k) => (k === index ? newSeed() : each)) }),
    /** @param {number} index */
    keep: (index) => store.set({ kept: /** @type {number[]} */ (toggled(store.get().kept, seed(index))) }),
    /** @param {number} index */
    save: (index) => samples[index]?.image && saveImage(model, /** @type {Sample} */ (samples[index])),
    /** @param {Sample} sample */
    more: (sample) => {
      const kept = [...new Set([...store.get().kept, sample.seed])];
      store.set({ terms: ofCondition(about, sample.condition), kept, ...reseeded({ ...store.get(), kept }, newSeed()) });
    },
    /** @param {Sample} sample */
    link: (sample) => {
      const query = toQuery(initial({ ...state, locked: [], kept: [], more: {}, seeds: [sample.seed] }));
      const address = `${location.href.split("#")[0]}#/ask?${new URLSearchParams({ model })}&${query}`;
      navigator.clipboard.writeText(address).then(() => toast("The link is copied."), () => toast(address));
    },
  };
}

/** Moves of a slider are one step of undo, clicks are not. @param {import("../backend.js").AttributeInfo} attribute */
const moving = ({ kind, name }) => (kind === "continuous" ? `is.${name}` : undefined);

/** @param {Record<string, () => void>} keys */
function useKeys(keys) {
  useEffect(() => {
    /** @param {KeyboardEvent} event */
    const pressed = (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || writes(event.target)) return;
      const act = keys[event.key.toLowerCase()];
      if (!act) return;
      event.preventDefault();
      act();
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  });
}

/** @param {ViewProps} props */
function Ask(props) {
  const { backend, model, about, store } = props;
  const state = useStore(store);
  const { shown, busy, problem } = useSamples(backend, model, store);
  const [selected, select] = useState(/** @type {number | null} */ (null));
  const [marked, mark] = useState(/** @type {number[]} */ ([]));
  const judge = useJudge({ backend, about, samples: shown.samples });
  const entries = useHistory(store, shown.state, shown.samples[0]);
  const columns = Math.ceil(Math.sqrt(shown.samples.length));
  const sample = selected === null ? null : shown.samples[selected];
  const acts = actions(props, shown);
  const moves = {
    surprise: () => surprise(props).catch(failed),
    reseed: () => store.set(reseeded(store.get(), newSeed())),
  };
  const write = () => document.getElementById("words")?.focus();
  useKeys({ s: moves.surprise, n: moves.reseed, j: judge.turn, escape: () => select(null), "/": write });
  const grid = {
    ...acts,
    select: (/** @type {number} */ index) => select(index === selected ? null : index),
    mark: (/** @type {number} */ index) => mark(/** @type {number[]} */ (toggled(marked, index))),
  };
  return html`<div class="ask">
    <h1 class="hidden">Ask ${model}</h1>
    <div class="stage">
      <${Words} ...${{ backend, about, store }} />
      <${Toolbar} ...${{ props, shown, judge, moves, marked, columns }} />
      ${problem && html`<p class="problem" role="alert">${problem}</p>`}
      ${!imaging(about) && about.shape[0] > 1 && html`<${Scatter} samples=${shown.samples} size=${about.shape[0]} selected=${selected} select=${grid.select} />`}
      <${Grid} ...${{ about, columns, selected, marked, busy }} samples=${shown.samples} kept=${state.kept} verdicts=${judge.verdicts} acts=${grid} />
    </div>
    <${Controls} ...${{ about, store }} />
    <div class="rail">
      ${sample && selected !== null && html`<${Inspector} ...${{ backend, about, sample }} asked=${shown.state.terms} kept=${state.kept.includes(sample.seed)}
        verdict=${judge.verdicts[selected]} close=${() => select(null)} acts=${{
          more: () => acts.more(sample), link: () => acts.link(sample), keep: () => acts.keep(selected),
          reseed: () => acts.reseed(selected), save: () => acts.save(selected),
        }} />`}
      <${History} about=${about} entries=${entries} recall=${(/** @type {any} */ before) => store.set(before)} />
      ${imaging(about) && html`<${Recall} props=${props} done=${() => select(0)} />`}
    </div>
  </div>`;
}

/** All controls; where there are many, those whose names hold some letters. @param {{about: import("../backend.js").About, store: import("../state.js").Store}} props */
function Controls({ about, store }) {
  const { terms, locked } = store.get();
  const [wanted, search] = useState("");
  const found = about.attributes.filter(({ label }) => label.toLowerCase().includes(wanted.trim().toLowerCase()));
  return html`<aside class="controls" aria-label="What to ask for">
    ${about.attributes.length > MANY && html`<input type="search" placeholder=${`Find one of ${about.attributes.length} attributes`}
      aria-label="Find an attribute" value=${wanted} onInput=${(/** @type {any} */ event) => search(event.target.value)} />`}
    ${found.map((attribute) => html`<${Control} key=${attribute.name} attribute=${attribute} term=${terms[attribute.name]}
      ask=${(/** @type {any} */ term) => store.set(asked(store.get(), attribute.name, term), moving(attribute))}
      locked=${locked.includes(attribute.name)} lock=${() => store.set({ locked: /** @type {string[]} */ (toggled(store.get().locked, attribute.name)) })}>
      <${OwnGuidance} store=${store} name=${attribute.name} label=${attribute.label} />
    <//>`)}
    <${Settings} ...${{ about, store }} />
  </aside>`;
}

/**
 * @param {{props: ViewProps, shown: import("../components/samples.js").Shown, judge: ReturnType<typeof useJudge>,
 *   moves: {surprise: () => void, reseed: () => void}, marked: number[], columns: number}} options
 */
function Toolbar({ props: { backend, about, model, store }, shown, judge, moves, marked, columns }) {
  const state = store.get();
  const all = /** @type {Sample[]} */ (shown.samples.filter(Boolean));
  const picked = marked.length ? all.filter((_, index) => marked.includes(index)) : all;
  const which = marked.length ? `the ${marked.length} marked` : `all ${all.length}`;
  const usual = COUNTS[imaging(about) ? "images" : "vectors"].filter((n) => n <= about.most);
  const counts = [...new Set([...usual, state.seeds.length])].sort((a, b) => a - b);
  return html`<div class="toolbar" role="toolbar" aria-label="Samples">
    <button class="main" onClick=${moves.surprise} title="Vary everything that is not locked (S)"><${Icon} name="spark" />Surprise me</button>
    <button class="shrinks" onClick=${moves.reseed} title="Other samples of the same request (N)"><${Icon} name="again" /><span>New seeds</span></button>
    <label class="count"><span class="hidden">Number of samples</span>
      <select value=${state.seeds.length} title="Number of samples" onChange=${(/** @type {any} */ event) => store.set(resized(store.get(), Number(event.target.value)))}>
        ${counts.map((n) => html`<option key=${n} value=${n}>${n}</option>`)}
      </select></label>
    <span class="space"></span>
    <${JudgeButton} judge=${judge} />
    <span class="group">
    <button class="quiet icon-only" aria-label="Undo" title="Undo (Ctrl Z)" disabled=${!store.undoable()} onClick=${store.undo}><${Icon} name="undo" /></button>
    <button class="quiet icon-only" aria-label="Redo" title="Redo (Ctrl Shift Z)" disabled=${!store.redoable()} onClick=${store.redo}><${Icon} name="redo" /></button>
    <${Menu} title="Download" label=${html`<${Icon} name="down" /><span class="hidden">Download</span>`} items=${[
      ...(imaging(about) ? [{ label: `Picture of ${which} (PNG)`, act: () => saveSheet(model, picked, Math.min(columns, picked.length)).catch(failed) }] : []),
      { label: `Data set folder of ${which} (ZIP)`, act: () => saveDataset(backend, about, picked).catch(failed) },
    ]} />
    </span>
  </div>`;
}

/** @type {import("../main.js").View} */
export const view = { id: "ask", title: "Ask", key: "a", needs: (about) => about !== null, component: Ask };
