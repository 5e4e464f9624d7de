/** An inspection of data: what is wrong first, then its attributes and their counts. */
import { html } from "../ui.js";
import { count, short } from "../training.js";
import { Said } from "./following.js";

/**
 * @typedef {object} Balance
 * @property {string} name
 * @property {string} kind
 * @property {number} missing
 * @property {Record<string, number>} [counts]
 * @property {number} [low]
 * @property {number} [high]
 * @property {number[]} [quartiles]
 * @property {number[]} [histogram]
 */
/**
 * @typedef {object} Inspection
 * @property {string} source
 * @property {number[]} shape
 * @property {Record<string, number>} examples
 * @property {Balance[]} attributes
 * @property {{name: string, used: boolean, role: string, why: string}[]} columns
 * @property {{possible: number, present: number}} combinations
 * @property {string[]} problems
 * @property {string[]} advice the first is the command to train with
 * @property {string[]} notes
 * @property {Record<string, Record<string, string>>} [value_pictures] by attribute and value, or band of a number
 * @property {{model: string, arguments: Record<string, any>, shape: number[], size: number | null, images: number, reason: string, seconds: number | null} | null} recommendation
 */

const MOST = 10; // values of an attribute that are shown

/** @param {number[]} shape */
export const sized = (shape) =>
  shape.length === 3 ? `${shape[2]}×${shape[1]} ${shape[0] === 1 ? "grey" : "colour"} pictures` : `rows of ${shape[0]} numbers`;

/** @param {{found: Inspection, chosen: string[], choose: (name: string) => void}} props chosen: attributes to learn */
export function Inspected({ found, chosen, choose }) {
  const left = found.columns.filter(({ used }) => !used);
  const { possible, present } = found.combinations;
  return html`<section class="inspected" aria-labelledby="inspected-title">
    <h2 id="inspected-title">What is in it</h2>
    <p class="lead">${count(found.examples.train ?? 0)} ${sized(found.shape)} to learn from
      <span class="soft"> · ${count((found.examples.validation ?? 0) + (found.examples.test ?? 0))} kept aside for testing</span></p>
    <${Notices} found=${found} />
    <ul class="attributes">
      ${found.attributes.map((each) => html`<${Attribute} key=${each.name} of=${each} pictures=${found.value_pictures?.[each.name] ?? {}}
        on=${chosen.includes(each.name)} choose=${() => choose(each.name)} />`)}
    </ul>
    ${found.attributes.length > 1 && possible > 0 && html`<p class="small soft">${count(present)} of ${count(possible)} combinations of named values occur.</p>`}
    ${left.length > 0 && html`<details><summary>Columns that are left out (${left.length})</summary>
      <ul class="forms small">${left.map(({ name, role, why }) => html`<li key=${name}><b>${name}</b>: ${role}${why && ` (${why})`}</li>`)}</ul></details>`}
  </section>`;
}

/** @param {{found: Inspection}} props */
function Notices({ found }) {
  const notes = [...found.notes, ...found.advice.slice(1)];
  return html`
    ${found.problems.length > 0 && html`<div class="notice bad"><b>${found.problems.length === 1 ? "Something is wrong" : "Some things are wrong"}</b>
      <ul>${found.problems.map((text) => html`<li key=${text}><${Said} text=${text} /></li>`)}</ul></div>`}
    ${notes.length > 0 && html`<details class="notice"><summary>${notes.length === 1 ? "A note" : `${notes.length} notes`}</summary>
      <ul>${notes.map((text) => html`<li key=${text}><${Said} text=${text} /></li>`)}</ul></details>`}`;
}

/** @param {{of: Balance, pictures: Record<string, string>, on: boolean, choose: () => void}} props */
function Attribute({ of, pictures, on, choose }) {
  const numbers = of.histogram?.length ? of : null;
  return html`<li class=${on ? "attribute" : "attribute off"}>
    <label><input type="checkbox" checked=${on} onChange=${choose} /> <b>${of.name}</b> <span class="small soft">${of.kind}</span></label>
    ${of.counts && html`<${Counts} counts=${of.counts} pictures=${pictures} />`}
    ${numbers && html`<${Histogram} of=${numbers} bands=${Object.entries(pictures)} />`}
    ${of.missing > 0 && html`<p class="small soft">${count(of.missing)} without a value</p>`}
  </li>`;
}

/** Bars of values. @param {{counts: Record<string, number>, pictures: Record<string, string>}} props */
function Counts({ counts, pictures }) {
  const all = Object.entries(counts);
  const most = Math.max(...all.map(([, n]) => n), 1);
  const shown = all.length > MOST ? all.toSorted((a, b) => b[1] - a[1]).slice(0, MOST) : all;
  return html`<ul class=${Object.keys(pictures).length ? "bars pictured" : "bars"}>
    ${shown.map(([value, n]) => html`<li key=${value}>${pictures[value] && html`<img src=${pictures[value]} alt="" />`}<span class="value">${value}</span>
      <span class="bar-of" style=${{ "--share": n / most }}></span><span class="n">${count(n)}</span></li>`)}
    ${all.length > MOST && html`<li class="soft">and ${count(all.length - MOST)} more values</li>`}
  </ul>`;
}

/** @param {{of: Balance, bands: [string, string][]}} props bands: of equal count, from low to high, and a picture of each */
function Histogram({ of, bands }) {
  const bins = of.histogram ?? [];
  const most = Math.max(...bins, 1);
  const [low, high] = [of.quartiles?.[0] ?? of.low ?? 0, of.quartiles?.[4] ?? of.high ?? 1];
  return html`<div class="spread">
    <svg viewBox=${`0 0 ${bins.length} 20`} preserveAspectRatio="none" role="img" aria-label=${`From ${short(low)} to ${short(high)}, half below ${short(of.quartiles?.[2] ?? low)}`}>
      ${bins.map((n, k) => html`<rect key=${k} x=${k + 0.06} width=".88" y=${20 - (20 * n) / most} height=${(20 * n) / most} />`)}
    </svg>
    <p class="axis small soft"><span>${short(low)}</span><span>median ${short(of.quartiles?.[2] ?? low)}</span><span>${short(high)}</span></p>
    ${bands.length > 0 && html`<p class="bands">${bands.map(([band, picture]) => html`<img key=${band} src=${picture} alt=${band} title=${band} />`)}</p>`}
  </div>`;
}
