/** The chosen sample: large, with its request, seed and model, and what can be done with it. */
import { html, names, useEffect, useState } from "../ui.js";
import { Icon } from "./icon.js";
import { Picture } from "./grid.js";
import { can, picture } from "../backend.js";
import { failed } from "./toast.js";
import { shown } from "../terms.js";

/** @typedef {import("../backend.js").Sample} Sample */
/** @typedef {import("../backend.js").About} About */

/**
 * @param {{backend: import("../backend.js").Backend, about: About, sample: Sample, asked: import("../backend.js").Terms, kept: boolean, close: () => void,
 *   verdict?: import("./judging.js").Verdicts, acts: {more: () => void, link: () => void, keep: () => void, reseed: () => void, save: () => void}}} props
 */
export function Inspector({ backend, about, sample, asked, kept, close, verdict, acts }) {
  return html`<section class="inspector" aria-label="Chosen sample">
    <header><h2>Seed ${sample.seed}</h2><button class="quiet icon-only" aria-label="Close" title="Close (Esc)" onClick=${close}><${Icon} name="cross" /></button></header>
    <div class="large"><${Picture} sample=${sample} shape=${about.shape} /></div>
    <dl class="condition">
      ${about.attributes.map((each) => html`<div key=${each.name} class=${names(each.name in asked && "asked")}>
        <dt>${each.label}</dt><dd>${shown(each, sample.condition[each.name])} <${Read} verdict=${verdict?.[each.name]} /></dd></div>`)}
      <div><dt>Model</dt><dd>${about.name}</dd></div>
    </dl>
    <div class="inspector-acts">
      <button onClick=${acts.more} title="Ask for exactly these values, with other seeds"><${Icon} name="spark" />More like this</button>
      <button onClick=${acts.reseed} title="Another seed (N)"><${Icon} name="again" />Another seed</button>
      <button onClick=${acts.keep} aria-pressed=${kept} title="Keep it when others change their seeds (K)"><${Icon} name="pin" />Keep</button>
      ${sample.image && html`<button onClick=${acts.save} title="A PNG that carries its request (D)"><${Icon} name="down" />Save</button>`}
      <button onClick=${acts.link} title="An address that shows exactly this sample"><${Icon} name="link" />Copy link</button>
    </div>
    ${backend.nearest && can(about, "nearest") && sample.image && html`<${Nearest} ...${{ backend, about, sample }} />`}
  </section>`;
}

/** What the judge read, where it is another value. @param {{verdict?: import("../backend.js").Verdict}} props */
function Read({ verdict }) {
  if (!verdict) return null;
  const certainty = verdict.certainty ? `, ${Math.round(100 * verdict.certainty)}\u202f% certain` : "";
  return html`<small class=${verdict.obeyed ? "soft" : "bad"} title=${`The judge reads ${verdict.read}${certainty}`}>${verdict.obeyed ? "✓" : `judge: ${verdict.read}`}</small>`;
}

/** The training image that is most like a sample. @param {{backend: import("../backend.js").Backend, about: About, sample: Sample}} props */
function Nearest({ backend, about, sample }) {
  const [found, setFound] = useState(/** @type {any} */ (null));
  const [asked, ask] = useState(false);
  useEffect(() => {
    setFound(null);
    if (!asked) return undefined;
    const control = new AbortController();
    backend.nearest?.(about.name, [sample.image ?? ""], control.signal).then(
      ({ nearest, usual }) => setFound({ ...nearest[0], usual }),
      (error) => control.signal.aborted || failed(error),
    );
    return () => control.abort();
  }, [asked, sample.image]);
  if (!asked) return html`<button class="quiet wide" onClick=${() => ask(true)}><${Icon} name="near" />Nearest training image</button>`;
  return html`<figure class="nearest" aria-live="polite">
    <div class="large">${found && html`<img class=${names(Math.max(...about.shape.slice(1)) < 48 && "tiny")} src=${picture(found.image)} alt="The nearest training image" />`}</div>
    <figcaption class="soft">${found ? distance(found) : "Looking through the training data …"}</figcaption>
  </figure>`;
}

/** @param {{row: number, distance: number, usual?: number}} found */
function distance({ row, distance: far, usual }) {
  const real = usual === undefined ? "" : `; real images it never saw have theirs at ${usual.toPrecision(2)}`;
  return `Nearest training image, row ${row}. Distance ${far.toPrecision(2)}${real}.`;
}
