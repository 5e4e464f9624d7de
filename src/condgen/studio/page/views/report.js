/** Report: how well the model does what it is asked, what is wrong with it, and what to try first. */
import { html, useEffect, useOnce, useRef, useState } from "../ui.js";
import { can } from "../backend.js";
import { capital, count, duration, over, task } from "../training.js";
import { Said, useJob } from "../components/following.js";
import { Progress } from "../components/watch.js";
import { failed } from "../components/toast.js";

/** @typedef {import("../training.js").Job} Job */
/** @typedef {{name: string, evidence: string, advice: string, grave: boolean}} Finding */
/**
 * @typedef {object} Kept
 * @property {string} headline
 * @property {boolean} well
 * @property {Finding[]} findings
 * @property {string[]} warnings
 * @property {{title: string, lines: string[]}[]} results
 * @property {Record<string, string>} skipped
 * @property {number} seconds
 * @property {number} samples
 * @property {boolean} current whether it is of the model's present weights
 */
/** @typedef {{report: Kept | null, page: boolean}} Answer */

const FEW = 4; // lines of a metric
const MEASURES = ["evaluate", "doctor"];

/** @param {import("../main.js").ViewProps} props */
function Report({ backend, model, about }) {
  const [answer, setAnswer] = useState(/** @type {Answer | null} */ (null));
  const [id, setId] = useState(/** @type {string | null} */ (null));
  const [found, setFound] = useState(/** @type {Finding[] | null} */ (null)); // by a short check, without a report
  const read = () => backend.report?.(model).then(setAnswer, failed);
  useEffect(() => {
    read();
    backend.jobs?.().then(({ jobs }) => {
      const latest = jobs.find((/** @type {Job} */ job) => job.model === model && MEASURES.includes(job.kind));
      if (latest) setId(latest.id);
    }, failed);
  }, [model]);
  const [sending, send] = useOnce();
  const { job } = useJob(backend, id);
  const ended = over(job);
  useEffect(() => {
    if (!job || job.state !== "done") return;
    if (job.kind === "evaluate") read();
    else backend.job?.(job.id).then(({ result }) => setFound(result), failed);
  }, [ended, job?.id]);
  /** @param {string} kind */
  const measure = (kind) => send(() => backend.start?.(kind, { model }).then((started) => setId(started.id), failed));

  if (!answer) return html`<p class="waiting">Reading the report …</p>`;
  const { report, page } = answer;
  const busy = job !== null && !ended;
  const waits = sending || (id !== null && job === null); // for the first news of a job
  return html`<div class="report">
    <h1>${model}</h1>
    <p class="headline">${report ? report.headline : "Nothing has been measured of this model yet."}</p>
    ${report && !report.current && html`<p class="notice">The model was trained on since this was measured. Measure it again.</p>`}
    ${can(about, "evaluate") ? html`<${Measuring} ...${{ backend, job, busy, waits, again: report !== null, measure }} />`
      : html`<p class="notice">Its training data has no labels, which measuring needs to tell what samples show.</p>`}
    ${report ? html`<${Whole} ...${{ backend, model, report, page }} />` : found && html`<${Findings} all=${found} />`}
  </div>`;
}

/** @param {{backend: import("../backend.js").Backend, job: Job | null, busy: boolean, waits: boolean, again: boolean, measure: (kind: string) => void}} props */
function Measuring({ backend, job, busy, waits, again, measure }) {
  if (!busy || !job) {
    return html`<div class="measuring">
      <p class="actions"><button class=${again ? "" : "main"} disabled=${waits} onClick=${() => measure("evaluate")}>${again ? "Measure again" : "Measure it"}</button>
        ${!again && html`<button disabled=${waits} onClick=${() => measure("doctor")}>Short check</button>`}
        <span class="small soft">${again ? "It takes minutes. The report stays until there is another." : "Measuring takes minutes; a short check looks for faults alone."}</span></p>
      ${job?.error && html`<p class="notice bad" role="alert"><${Said} text=${job.error} /></p>`}
      ${job?.state === "stopped" && html`<p class="notice">Measuring was stopped. It goes on where it was.</p>`}
    </div>`;
  }
  const part = job.tasks.at(-1);
  const last = job.notes.at(-1);
  return html`<div class="measuring">
    <p class="status" role="status">${job.state === "queued" ? "Waiting for the measurement before it" : job.stopping ? "Stopping …" : (last ?? "Starting …")}</p>
    <${Progress} job=${job} label="Progress of measuring" />
    <p class="small soft facts">${part && `${capital(part.task)}: ${count(part.done)}${part.total ? ` of ${count(part.total)}` : ""} ${part.unit}${part.left === null || part === task(job, "measuring") ? "" : `, ${duration(part.left)} left`}`}</p>
    <p class="actions"><button disabled=${job.stopping} onClick=${() => backend.stop?.(job.id).catch(failed)}>Stop</button></p>
  </div>`;
}

/** @param {{backend: import("../backend.js").Backend, model: string, report: Kept, page: boolean}} props */
function Whole({ backend, model, report, page }) {
  const [open, setOpen] = useState(false);
  return html`
    <${Findings} all=${report.findings} well=${report.well} />
    <section aria-labelledby="numbers"><h2 id="numbers">Numbers</h2>
      ${report.results.map(({ title, lines }) => html`<div class="numbers" key=${title}><h3>${title}</h3>
        <ul>${lines.slice(0, FEW).map((line) => html`<li key=${line}>${line}</li>`)}
          ${lines.length > FEW && html`<li class="soft">and ${lines.length - FEW} more in the whole report</li>`}</ul></div>`)}
      ${report.warnings.length > 0 && html`<details class="notice"><summary>How far to trust them</summary>
        <ul>${report.warnings.map((text) => html`<li key=${text}><${Said} text=${text} /></li>`)}</ul></details>`}
      <p class="small soft">From ${count(report.samples)} samples, in ${duration(report.seconds)}.</p>
    </section>
    ${page && backend.reportPage && html`<details onToggle=${(/** @type {any} */ event) => setOpen(event.target.open)}><summary>The whole report, with pictures</summary>
      ${open && html`<${Frame} backend=${backend} model=${model} />`}</details>`}`;
}

/** The page of the report, as tall as it is. Nothing in it can run. @param {{backend: import("../backend.js").Backend, model: string}} props */
function Frame({ backend, model }) {
  const frame = useRef(/** @type {HTMLIFrameElement | null} */ (null));
  const shown = backend.reportPage?.(model);
  const grow = () => {
    const inner = frame.current?.contentDocument?.documentElement;
    if (!frame.current || !inner) return;
    Object.assign(inner.dataset, document.documentElement.dataset); // light or dark, as chosen here
    frame.current.style.setProperty("--tall", `${inner.scrollHeight}px`);
  };
  useEffect(() => {
    addEventListener("resize", grow);
    return () => removeEventListener("resize", grow);
  }, []);
  if (!shown) return html`<p class="small soft">It is in the run's folder, as report.html.</p>`;
  return html`<iframe ref=${frame} src=${shown} title=${`Report of ${model}`} sandbox="allow-same-origin" onLoad=${grow}></iframe>`;
}

/** @param {{all: Finding[], well?: boolean}} props */
function Findings({ all, well }) {
  const sorted = all.toSorted((a, b) => Number(b.grave) - Number(a.grave));
  return html`<section aria-labelledby="findings"><h2 id="findings">${all.some(({ grave }) => grave) ? "What is wrong, and what to try first" : "Findings"}</h2>
    ${!all.length && html`<p>${well === false ? "Nothing that explains it was found." : "Nothing is wrong, as far as can be measured."}</p>`}
    <ul class="findings">${sorted.map((each) => html`<li key=${each.name + each.evidence} class=${each.grave ? "grave" : ""}>
      <h3>${each.name}</h3><p><${Said} text=${each.evidence} /></p><p class="advice"><${Said} text=${each.advice} /></p></li>`)}</ul>
  </section>`;
}

/** @type {import("../main.js").View["needs"]} */
const needs = (about, _, backend) => Boolean(about?.features.includes("report") && backend.report);

/** @type {import("../main.js").View} */
export const view = { id: "report", title: "Report", key: "r", needs, component: Report };
