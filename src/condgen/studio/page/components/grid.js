/** The grid of samples: pictures, or rows of numbers. Arrow keys move, Enter selects, letters act on the one in focus. */
import { html, names, useRef, useState } from "../ui.js";
import { Icon } from "./icon.js";
import { picture } from "../backend.js";
import { shown } from "../terms.js";

/** @typedef {import("../backend.js").Sample} Sample */
/** @typedef {import("../backend.js").About} About */
/**
 * @typedef {object} Acts
 * @property {(index: number) => void} select
 * @property {(index: number) => void} reseed
 * @property {(index: number) => void} keep
 * @property {(index: number) => void} mark
 * @property {(index: number) => void} save
 */

/** A sample in words, for those who do not see it. @param {About} about @param {Sample} sample @param {number} index */
const spoken = (about, sample, index) =>
  `Sample ${index + 1}: ${about.attributes.map((each) => `${each.label} ${shown(each, sample.condition[each.name])}`).join(", ")}`;

/**
 * @param {{about: About, samples: (Sample | null)[], columns: number, selected: number | null, marked: number[], kept: number[],
 *   verdicts: (import("./judging.js").Verdicts | null)[], busy: boolean, acts: Acts}} props
 */
export function Grid({ about, samples, columns, selected, marked, kept, verdicts, busy, acts }) {
  const [focus, setFocus] = useState(0);
  const list = useRef(/** @type {HTMLElement | null} */ (null));
  const here = Math.min(focus, samples.length - 1);
  /** @param {number} index */
  const move = (index) => {
    const next = Math.max(0, Math.min(samples.length - 1, index));
    setFocus(next);
    /** @type {HTMLElement | undefined} */ (list.current?.querySelectorAll("button.face")[next])?.focus();
  };
  /** @param {KeyboardEvent} event @param {number} index */
  const pressed = (event, index) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    /** @type {Record<string, () => void>} */
    const meaning = {
      ArrowLeft: () => move(index - 1), ArrowRight: () => move(index + 1),
      ArrowUp: () => move(index - columns), ArrowDown: () => move(index + columns),
      Home: () => move(0), End: () => move(samples.length - 1),
      n: () => acts.reseed(index), k: () => acts.keep(index), m: () => acts.mark(index), d: () => acts.save(index),
    };
    const act = meaning[event.key];
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  };
  return html`<ul class=${names("grid", busy && "busy")} ref=${list} style=${{ "--columns": columns }} aria-label="Samples" aria-busy=${busy}>
    ${samples.map((sample, index) => sample === null
      ? html`<li key=${index} class="tile empty"></li>`
      : html`<${Tile} key=${index} ...${{ about, sample, index, acts }} current=${index === here} chosen=${index === selected} marked=${marked.includes(index)}
          kept=${kept.includes(sample.seed)} verdict=${verdicts[index]} focused=${() => setFocus(index)} pressed=${pressed} />`)}
  </ul>`;
}

/**
 * @param {{about: About, sample: Sample, index: number, current: boolean, chosen: boolean, marked: boolean, kept: boolean, acts: Acts,
 *   verdict: import("./judging.js").Verdicts | null | undefined, focused: () => void, pressed: (event: KeyboardEvent, index: number) => void}} props
 */
function Tile({ about, sample, index, current, chosen, marked, kept, acts, verdict, focused, pressed }) {
  /** @param {MouseEvent} event */
  const click = (event) => (event.ctrlKey || event.metaKey || event.shiftKey ? acts.mark(index) : acts.select(index));
  return html`<li class=${names("tile", chosen && "chosen", marked && "marked", kept && "kept")}>
    <button class="face" aria-pressed=${chosen} tabindex=${current ? 0 : -1} onFocus=${focused}
      onClick=${click} onKeyDown=${(/** @type {KeyboardEvent} */ event) => pressed(event, index)}>
      <${Picture} sample=${sample} shape=${about.shape} /><span class="hidden">${spoken(about, sample, index)}${kept && ", kept"}${marked && ", marked"}</span></button>
    ${verdict && html`<${Mark} verdict=${verdict} />`}
    <div class="tile-tools">
      <button class="quiet" tabindex="-1" aria-label="Mark for download" title="Mark (M)" aria-pressed=${marked} onClick=${() => acts.mark(index)}><${Icon} name="check" /></button>
      <button class="quiet" tabindex="-1" aria-label="Keep this one" title="Keep it when others change their seeds (K)" aria-pressed=${kept} onClick=${() => acts.keep(index)}><${Icon} name="pin" /></button>
      <button class="quiet" tabindex="-1" aria-label="Another seed" title="Another seed (N)" onClick=${() => acts.reseed(index)}><${Icon} name="again" /></button>
    </div>
  </li>`;
}

/** Whether the judge read all that was asked. @param {{verdict: import("./judging.js").Verdicts}} props */
function Mark({ verdict }) {
  const wrong = Object.values(verdict).filter((each) => !each.obeyed).length;
  return html`<span class=${names("verdict", wrong && "bad")} title=${wrong ? `${wrong} not as asked, by the judge` : "As asked, by the judge"}><${Icon} name=${wrong ? "cross" : "check"} />
    <span class="hidden">${wrong ? `${wrong} not as asked` : "as asked"}</span></span>`;
}

/** A sample: its image, or its numbers. Small images are enlarged without smoothing. @param {{sample: Sample, shape: number[]}} props */
export function Picture({ sample, shape }) {
  if (sample.image) return html`<img class=${names(Math.max(...shape.slice(1)) < 48 && "tiny")} src=${picture(sample.image)} alt="" draggable=${false} />`;
  return html`<span class="values">${(sample.values ?? []).slice(0, 8).map((value, k) => html`<span key=${k}>${value === null ? "–" : value.toPrecision(3)}</span>`)}</span>`;
}
