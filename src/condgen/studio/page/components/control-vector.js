/** The control of a vector: its numbers as text. */
import { html } from "../ui.js";
import { said } from "../terms.js";

/** @param {import("./control.js").ControlProps} props */
export function VectorText({ attribute, term, ask }) {
  /** @param {any} event */
  const change = ({ target }) => ask(target.value.trim() || undefined);
  return html`<input type="text" class="vector" spellcheck=${false} aria-label=${attribute.label} placeholder=${`any · ${attribute.size} numbers`}
    value=${term === undefined ? "" : said(attribute, term)} onChange=${change} />`;
}
