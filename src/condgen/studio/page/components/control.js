/** The controls of a request: one per attribute, made of the schema. */
import { html, names, useState } from "../ui.js";
import { Icon } from "./icon.js";
import { Choice, Switch } from "./control-choice.js";
import { Number_, RangeToggle } from "./control-number.js";
import { VectorText } from "./control-vector.js";
import { choice, chosen, ranged } from "../terms.js";

/** @typedef {import("../backend.js").AttributeInfo} Attribute */
/** @typedef {import("../backend.js").Term} Term */
/**
 * @typedef {object} ControlProps
 * @property {Attribute} attribute
 * @property {Term | undefined} term undefined is free
 * @property {(term: Term | undefined) => void} ask
 * @property {boolean} [not] whether chosen values are excluded
 * @property {boolean} [range] whether both ends of a number are asked for
 * @property {string} [free] the word for an attribute that is free
 */

/** Whether an attribute is a choice between two values. @param {Attribute} attribute */
const two = ({ kind, values }) => kind === "flag" || (kind === "categorical" && values?.length === 2);

/**
 * @param {{attribute: Attribute, term: Term | undefined, ask: (term: Term | undefined) => void,
 *   locked?: boolean, lock?: () => void, free?: string, children?: any}} props
 */
export function Control({ attribute, term, ask, locked = false, lock, free: word = "Any", children }) {
  const free = term === undefined;
  const [not, setNot] = useState(false); // as chosen for the next term; a term itself says whether it excludes, and is a range
  const [wide, setRange] = useState(false);
  const { values, not: excluded } = chosen(term);
  const [excludes, range] = free ? [not, wide] : [excluded, ranged(term)];
  const many = attribute.kind === "categorical" && !two(attribute);
  const turn = () => {
    setNot(!excludes);
    if (values.length) ask(choice(values, !excludes));
  };
  return html`<fieldset class=${names("control", `control-${attribute.kind}`, two(attribute) && "in-line", free && "free")} data-attribute=${attribute.name}>
    <legend>${attribute.label}</legend>
    <div class="control-tools">
      ${many && html`<button class="quiet word" aria-pressed=${excludes} title="Exclude values instead of choosing them" onClick=${turn}>not</button>`}
      ${attribute.kind === "continuous" && html`<${RangeToggle} ...${{ attribute, term, ask, range, setRange }} />`}
      ${!free && !two(attribute) && html`<button class="quiet word" title="Leave it free" onClick=${() => ask(undefined)}>${word}</button>`}
      ${lock && html`<button class="quiet lock" aria-pressed=${locked} aria-label=${`Lock ${attribute.label}`}
        title=${locked ? "Locked: “Surprise me” leaves it as it is" : "Lock it against “Surprise me”"} onClick=${lock}><${Icon} name=${locked ? "lock" : "unlock"} /></button>`}
    </div>
    <${kindOf(attribute)} ...${{ attribute, term, ask, not: excludes, range, free: word }} />
    ${children}
  </fieldset>`;
}

/** @param {Attribute} attribute */
function kindOf(attribute) {
  if (two(attribute)) return Switch;
  return { categorical: Choice, flag: Switch, continuous: Number_, vector: VectorText, image: VectorText }[attribute.kind];
}
