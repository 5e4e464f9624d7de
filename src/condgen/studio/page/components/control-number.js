/** The control of a number: a slider, or two for a range, before the histogram of the data. */
import { html, names } from "../ui.js";
import { ends, measured, near } from "../terms.js";

const FINE = 400; // positions of a slider

/** @typedef {import("../backend.js").AttributeInfo} Attribute */

/** The place of a value on the slider, from 0 to 1. @param {Attribute} attribute @param {number} value */
function place({ low = 0, high = 1, log }, value) {
  const by = log ? Math.log : Number;
  return Math.min(1, Math.max(0, (by(value) - by(low)) / (by(high) - by(low))));
}

/** @param {Attribute} attribute @param {number} share */
function valueAt(attribute, share) {
  const { low = 0, high = 1, log } = attribute;
  const value = log ? low * (high / low) ** share : low + share * (high - low);
  return near(attribute, value);
}

/** @param {{attribute: Attribute, from: number, to: number}} props */
function Histogram({ attribute, from, to }) {
  const { edges, counts } = attribute.histogram ?? { edges: [], counts: [] };
  const most = Math.max(1, ...counts);
  return html`<svg class="histogram" viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true">
    ${counts.map((count, k) => {
      const [x, end] = [100 * place(attribute, edges[k]), 100 * place(attribute, edges[k + 1])];
      const within = place(attribute, edges[k + 1]) >= from && place(attribute, edges[k]) <= to;
      const height = count && Math.max(3, (100 * count) / most);
      return html`<rect key=${k} class=${names(within && "on")} x=${x + 0.3} width=${Math.max(0.3, end - x - 0.6)} y=${100 - height} height=${height} />`;
    })}
  </svg>`;
}

/** @param {import("./control.js").ControlProps} props */
export function Number_({ attribute, term, ask, range = false, free = "Any" }) {
  const { low = 0, high = 1 } = attribute;
  const asked = ends(term);
  const [first, last] = asked ?? (range ? [low, high] : [valueAt(attribute, 0.5), valueAt(attribute, 0.5)]);
  const step = attribute.whole && high - low < FINE ? 1 / (high - low) : 1 / FINE;
  /** @param {string} name @param {number} value @param {(value: number) => import("../backend.js").Term} term_ */
  const slider = (name, value, term_) => html`<input type="range" min="0" max="1" step=${step} value=${place(attribute, value)} aria-label=${name}
    aria-valuetext=${asked ? measured(attribute, value) : free} onInput=${(/** @type {any} */ event) => ask(term_(valueAt(attribute, Number(event.target.value))))} />`;
  const [from, to] = asked ? [place(attribute, first), place(attribute, last)] : [0, 1];
  return html`<div class=${names("number", range && "ranged")} style=${{ "--from": from, "--to": to }}>
    <${Histogram} ...${{ attribute, from, to }} />
    <div class="sliders">${range
      ? [
        slider(`${attribute.label} from`, first, (value) => [Math.min(value, last), last]),
        slider(`${attribute.label} to`, last, (value) => [first, Math.max(value, first)]),
      ]
      : slider(attribute.label, first, (value) => value)}</div>
    <div class="scale"><span>${measured({ ...attribute, unit: "" }, low)}</span>
      <output>${!asked ? free : first === last ? measured(attribute, first) : `${measured({ ...attribute, unit: "" }, first)} to ${measured(attribute, last)}`}</output>
      <span>${measured({ ...attribute, unit: "" }, high)}</span></div>
  </div>`;
}

/**
 * Turns a number into a range around it, and back into its middle.
 * @param {{attribute: Attribute, term: import("../backend.js").Term | undefined, ask: (term: any) => void, range: boolean, setRange: (range: boolean) => void}} props
 */
export function RangeToggle({ attribute, term, ask, range, setRange }) {
  const turn = () => {
    setRange(!range);
    const asked = ends(term);
    if (!asked) return;
    const middle = (place(attribute, asked[0]) + place(attribute, asked[1])) / 2;
    const [low, high] = [middle - 0.1, middle + 0.1].map((share) => valueAt(attribute, Math.min(1, Math.max(0, share))));
    ask(range ? valueAt(attribute, middle) : [low, high]);
  };
  return html`<button class="quiet word" aria-pressed=${range} title="From one number to another" onClick=${turn}>range</button>`;
}
