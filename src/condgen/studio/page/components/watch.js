/** Watching a training: how far it is, its losses, the same seeds evolving; stop, go on, ask. */
import { html, useEffect, useOnce, useState } from "../ui.js";
import { capital, charts, count, duration, holding, isLoss, ofRows, over, share, task, unit } from "../training.js";
import { Said, useJob } from "./following.js";
import { Curves } from "./curves.js";
import { Evolution } from "./evolution.js";
import { failed } from "./toast.js";

/** @typedef {import("../training.js").Job} Job */

/** @param {Job} job */
function status(job) {
  const training = task(job, "training");
  switch (job.state) {
    case "queued":
      return "Waiting for the training before it";
    case "done":
      return `Done: ${count(job.images ?? 0)} ${unit(job)} seen`;
    case "stopped":
      return job.images ? `Stopped after ${count(job.images)} ${unit(job)}; everything is saved` : "Stopped before it began";
    case "failed":
      return "It failed";
    default:
      if (job.stopping) return "Saving …";
      if (!training) return task(job) ? `${capital(task(job)?.task ?? "")} …` : "Starting …";
      return training.left === null ? "Training …" : `Training, ${duration(training.left)} left`;
  }
}

/** A bar that shows how far a job is. @param {{job: Job, label: string}} props */
export function Progress({ job, label }) {
  const part = share(job);
  const known = part !== null || over(job);
  return html`<progress class=${job.state} aria-label=${label} max="1" value=${known ? (part ?? 0) : null}></progress>`;
}

/** @param {{backend: import("../backend.js").Backend, id: string, go: (view: string, model?: string) => void, ended: (job: Job) => void, follow: (id: string) => void, back: () => void}} props */
export function Watch({ backend, id, go, ended, follow, back }) {
  const { job, log, pictures } = useJob(backend, id);
  const finished = over(job);
  useEffect(() => void (finished && job && ended(job)), [finished]);
  if (!job) return html`<p class="waiting">Opening the training …</p>`;

  const drawn = charts(log);
  const training = task(job, "training");
  const total = training?.total ?? job.total;
  const warnings = [...new Set(holding(log))];
  return html`<div class="watch">
    <header>
      <button class="quiet" onClick=${back}>‹ All trainings</button>
      <h1>${job.model}</h1>
      <p class="status" role="status">${status(job)}</p>
      <${Progress} job=${job} label="Progress of the training" />
      ${!finished && html`<p class="small soft facts">${training ? `${count(training.done)} of ${total ? count(total) : "…"} ${unit(job)}` : ""}</p>`}
    </header>
    ${job.error && html`<p class="notice bad" role="alert"><${Said} text=${job.error} /></p>`}
    ${warnings.map((text) => html`<p key=${text} class="notice"><${Said} text=${text} /></p>`)}
    <${Actions} ...${{ backend, job, go, follow }} />
    <div class=${ofRows(job) ? "" : "halves"}>
      ${!ofRows(job) && html`<${Evolution} key=${id} backend=${backend} id=${id} names=${pictures} live=${!finished} />`}
      <section aria-label="Curves">
        ${drawn.filter(({ title }) => isLoss(title)).map((chart) => html`<${Curves} key=${chart.title} chart=${chart} total=${total} unit=${unit(job)} />`)}
        ${!drawn.length && !finished && html`<p class="soft">Curves begin with the first steps.</p>`}
        ${drawn.some(({ title }) => !isLoss(title)) && html`<details><summary>All curves</summary><div class="many">
          ${drawn.filter(({ title }) => !isLoss(title)).map((chart) => html`<${Curves} key=${chart.title} chart=${chart} total=${total} unit=${unit(job)} small />`)}</div></details>`}
        <details class="told"><summary>Command and notes</summary>
          <p><code>${job.command}</code></p>
          ${job.notes.map((note) => html`<p key=${note} class="small"><${Said} text=${note} /></p>`)}
        </details>
      </section>
    </div>
  </div>`;
}

/** @param {{backend: import("../backend.js").Backend, job: Job, go: (view: string, model?: string) => void, follow: (id: string) => void}} props */
function Actions({ backend, job, go, follow }) {
  const [time, setTime] = useState("");
  const [sending, send] = useOnce();
  const stop = () => backend.stop?.(job.id).catch(failed);
  /** @param {string} [budget] */
  const resume = (budget) => send(() =>
    backend.start?.("resume", { run: job.run, ...(budget && { budget }) }).then((next) => follow(next.id), failed));
  if (!over(job)) return html`<p class="actions"><button onClick=${stop} disabled=${job.stopping}>Stop and save</button></p>`;
  if (!job.images) return null;
  const part = job.state !== "done" && job.images < (job.total ?? Infinity);
  return html`<div class="actions">
    <button class="main" onClick=${() => go("ask", job.model)}>Ask it</button>
    ${part && html`<button disabled=${sending} onClick=${() => resume()}>Resume</button>`}
    ${!part && html`<form onSubmit=${(/** @type {Event} */ event) => {
      event.preventDefault();
      resume(`+${time || "5m"}`);
    }}><label class="hidden" for="longer">Time to add</label>
      <input id="longer" type="text" size="5" placeholder="5m" value=${time} onInput=${(/** @type {any} */ event) => setTime(event.target.value.replace(/^\+/, ""))} />
      <button disabled=${sending}>Train longer</button></form>`}
    <button onClick=${() => go("report", job.model)}>Measure it</button>
  </div>`;
}
