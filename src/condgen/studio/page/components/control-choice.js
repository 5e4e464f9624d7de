/** Controls of choices: pictures of the values, and switches between two. */
import { html, names, useState } from "../ui.js";
import { choice, chosen } from "../terms.js";
import { toggled } from "../state.js";

const MANY = 20; // more values than this scroll, and can be searched

/** A switch with a free position. @param {import("./control.js").ControlProps} props */
export function Switch({ attribute, term, ask, free = "Any" }) {
  const { values: [value], not } = chosen(term);
  const values = (attribute.values ?? []).map((each) => ({ ...each, value: String(each.value) }));
  if (attribute.kind === "flag") values.sort((a, b) => Number(b.value === "yes") - Number(a.value === "yes"));
  const on = not ? values.find((each) => each.value !== value)?.value : value;
  const positions = [{ value: undefined, label: free, count: null }, ...values];
  return html`<div class="segments">
    ${positions.map((each) => html`<label key=${each.label} class=${names(on === each.value && "on")} title=${each.count === null ? null : `${each.count} in the data`}>
      <input type="radio" name=${`control.${attribute.name}`} checked=${on === each.value} onChange=${() => ask(each.value)} />
      <span>${each.label}</span></label>`)}
  </div>`;
}

/** Values with pictures. A click asks for one; with Shift or Ctrl, or excluding, for several. @param {import("./control.js").ControlProps} props */
export function Choice({ attribute, term, ask, not = false }) {
  const [wanted, search] = useState("");
  const { values: on } = chosen(term);
  const all = attribute.values ?? [];
  const found = all.filter((each) => each.label.toLowerCase().includes(wanted.toLowerCase()));
  const pictured = all.some((each) => each.picture);
  /** @param {string} value @param {MouseEvent} event */
  const click = (value, event) => {
    const several = not || event.shiftKey || event.ctrlKey || event.metaKey;
    const next = several ? toggled(on, value) : on.length === 1 && on[0] === value ? [] : [value];
    ask(choice(/** @type {string[]} */ (next), not));
  };
  return html`
    ${all.length > MANY && html`<input type="search" placeholder=${`Search ${all.length} values`} aria-label=${`Search values of ${attribute.label}`}
      value=${wanted} onInput=${(/** @type {any} */ event) => search(event.target.value)} />`}
    <div class=${names("choices", pictured && "pictured", all.length > MANY && "many", not && "excluding")}>
      ${found.map(({ value, label, count, picture }) => html`<button key=${value} class="choice" aria-pressed=${on.includes(String(value))}
          onClick=${(/** @type {MouseEvent} */ event) => click(String(value), event)}>
        ${picture && html`<img src=${picture} alt="" loading="lazy" />`}
        ${not && html`<span class="hidden">not </span>`}<span class="choice-label">${label}</span>
        ${count !== null && html`<span class="hidden">, </span><span class="choice-count">${count}</span><span class="hidden"> examples</span>`}
      </button>`)}
    </div>`;
}
