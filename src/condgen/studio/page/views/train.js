/** Train: choose data, see what is in it, accept the recommendation or change it, and watch. */
import { html, useEffect, useOnce, useRef, useState } from "../ui.js";
import { aborted } from "../backend.js";
import { broken, count, over, trains } from "../training.js";
import { ChooseData, useChoices } from "../components/choose-data.js";
import { Inspected } from "../components/inspection.js";
import { RecipeForm, asRecommended, order } from "../components/recipe.js";
import { Said } from "../components/following.js";
import { Watch } from "../components/watch.js";
import { failed } from "../components/toast.js";

/** @typedef {import("../training.js").Job} Job */
/** @typedef {{run: string, model: string | null, images: number | null, total: number | null, data: string | null, served: string | null}} Run what a run's header does not say is null */
/** @typedef {import("../components/inspection.js").Inspection} Inspection */

/** What is watched and chosen outlives the view, which is made anew when another model is opened. */
const kept = { job: /** @type {string | null} */ (null), data: "", found: /** @type {Inspection | null} */ (null) };

/** @param {import("../main.js").ViewProps} props */
function Train({ backend, go, reload }) {
  const [job, setJob] = useState(kept.job);
  const [known, setKnown] = useState(/** @type {{jobs: Job[], runs: Run[]}} */ ({ jobs: [], runs: [] }));
  const look = () => backend.jobs?.().then(setKnown, failed);
  useEffect(() => void look(), [job]);
  /** @param {string | null} id */
  const follow = (id) => {
    kept.job = id;
    setJob(id);
    scrollTo({ top: 0 });
  };
  if (job) {
    return html`<${Watch} key=${job} backend=${backend} id=${job} go=${go} follow=${follow} back=${() => follow(null)} ended=${() => void reload()} />`;
  }
  return html`<div class="train">
    <h1>Train a model</h1>
    <${Running} jobs=${known.jobs.filter((each) => trains(each) && !over(each))} follow=${follow} />
    <${Setup} backend=${backend} follow=${follow} />
    <${Ended} jobs=${broken(known.jobs)} follow=${follow} />
    <${Runs} runs=${known.runs} ...${{ backend, go, follow, reload }} />
  </div>`;
}

/** @param {{backend: import("../backend.js").Backend, follow: (id: string) => void}} props */
function Setup({ backend, follow }) {
  const choices = useChoices(backend);
  const [data, setData] = useState(kept.data);
  const [found, setFound] = useState(kept.found);
  const [error, setError] = useState("");
  const [recipe, setRecipe] = useState(asRecommended);
  const [chosen, setChosen] = useState(/** @type {string[]} */ (names(kept.found)));
  const [busy, setBusy] = useState(false);
  const looking = useRef(/** @type {AbortController | null} */ (null));
  const result = useRef(/** @type {HTMLDivElement | null} */ (null));

  /** @param {Inspection | null} inspection */
  const show = (inspection) => {
    kept.found = inspection;
    setFound(inspection);
    setChosen(names(inspection));
    setRecipe(asRecommended());
  };
  /** @param {string} wanted */
  const look = async (wanted) => {
    looking.current?.abort();
    const control = (looking.current = new AbortController());
    kept.data = wanted;
    setData(wanted);
    setError("");
    show(null);
    try {
      show(await backend.inspect?.(wanted, control.signal));
    } catch (/** @type {any} */ problem) {
      if (!aborted(problem)) setError(problem.message);
    } finally {
      if (looking.current === control) looking.current = null;
    }
  };
  const cancel = () => {
    looking.current?.abort();
    looking.current = null;
    setData("");
  };
  useEffect(() => void (found && result.current?.scrollIntoView({ behavior: "smooth", block: "start" })), [found]);
  const start = () => {
    if (!found?.recommendation) return;
    setBusy(true);
    const attributes = chosen.length < found.attributes.length ? chosen : null;
    const settings = order(recipe, { data, attributes, recommendation: found.recommendation });
    backend.start?.("train", settings).then((job) => follow(job.id), failed).finally(() => setBusy(false));
  };
  const waits = Boolean(data) && !found && !error;
  /** @param {string} name */
  const choose = (name) => setChosen((before) => (before.includes(name) ? before.filter((each) => each !== name) : [...before, name]));
  return html`
    <${ChooseData} choices=${choices} data=${data} busy=${waits} error=${error} look=${look} cancel=${cancel} />
    <div class="result" ref=${result} aria-live="polite">
      ${waits && html`<p class="looking"><progress aria-label="Looking at the data"></progress> Looking at ${data} …</p>`}
      ${found && html`<${Inspected} found=${found} chosen=${chosen} choose=${choose} />`}
    </div>
    ${found?.recommendation && html`<${RecipeForm} backend=${backend} advised=${found.recommendation} models=${offered(choices, found)} recipe=${recipe}
      change=${(/** @type {any} */ part) => setRecipe((before) => ({ ...before, ...part }))} start=${start} busy=${busy} none=${found.attributes.length > 0 && !chosen.length} />`}`;
}

/** The kinds of model that can learn from this data, with a sentence on each. @param {import("../components/choose-data.js").Choices | null} choices @param {Inspection} found */
function offered(choices, found) {
  const labelled = found.attributes.length > 0;
  return Object.fromEntries(Object.entries(choices?.models ?? {}).filter(([name]) => labelled || choices?.without_labels.includes(name)));
}

/** @param {Inspection | null} found */
const names = (found) => found?.attributes.map(({ name }) => name) ?? [];

/** @param {{jobs: Job[], follow: (id: string) => void}} props */
function Running({ jobs, follow }) {
  if (!jobs.length) return null;
  return html`<ul class="running">${jobs.map((job) => html`<li key=${job.id}><span><b>${job.model}</b> ${job.state === "queued" ? "is waiting" : "is being trained"}</span>
    <button onClick=${() => follow(job.id)}>Watch</button></li>`)}</ul>`;
}

/** Trainings without a finished model, and why. @param {{jobs: Job[], follow: (id: string) => void}} props */
function Ended({ jobs, follow }) {
  if (!jobs.length) return null;
  return html`<section class="trained" aria-labelledby="ended-title">
    <h2 id="ended-title">Failed or stopped</h2>
    <ul>${jobs.map((job) => html`<li key=${job.id}>
      <span><b>${job.model}</b> <span class="small soft">${job.state}${job.error && html`: <${Said} text=${job.error} />`}</span></span>
      <span class="actions"><button class="quiet" onClick=${() => follow(job.id)}>Watch</button></span></li>`)}</ul>
  </section>`;
}

/** @param {{runs: Run[], backend: import("../backend.js").Backend, go: (view: string, model?: string) => void, follow: (id: string) => void}} props */
function Runs({ runs, backend, go, follow }) {
  const [sending, send] = useOnce();
  if (!runs.length) return null;
  /** @param {Run} run */
  const resume = (run) => send(() => backend.start?.("resume", { run: run.run }).then((job) => follow(job.id), failed));
  return html`<section class="trained" aria-labelledby="runs-title">
    <h2 id="runs-title">Trained here</h2>
    <ul>${runs.map((run) => html`<li key=${run.run}>
      <span><b>${run.run}</b> <span class="small soft">${run.model ?? "–"}${run.data && ` on ${run.data}`} · ${count(run.images)} images${part(run) ? ` of ${count(run.total)}` : ""}</span></span>
      <span class="actions">${part(run) && html`<button class="quiet" disabled=${sending} onClick=${() => resume(run)}>Resume</button>`}
        ${run.served && html`<button class="quiet" onClick=${() => go("ask", run.served ?? "")}>Ask it</button>`}</span></li>`)}</ul>
  </section>`;
}

/** Whether a run was interrupted, as far as is known. @param {Run} run */
const part = ({ images, total }) => images === null || total === null || images < total;

/** @type {import("../main.js").View["needs"]} */
const needs = (_, all, backend) => all.trains && Boolean(backend.start);

/** @type {import("../main.js").View} */
export const view = { id: "train", title: "Train", key: "t", needs, component: Train };
