/** What the keys do. Opened by `?`. Views add theirs with `keysOf`. */
import { html, useEffect, useState, writes } from "../ui.js";
import { Dialog } from "./dialog.js";

export const openHelp = () => dispatchEvent(new Event("condgen-help"));

const EVERYWHERE = [
  ["?", "This help"],
  ["Ctrl Z", "Undo"],
  ["Ctrl ⇧ Z", "Redo"],
];
/** @type {Record<string, string[][]>} keys of each view, by its title */
const KEYS = {};

/** Tell the keys of a view. @param {string} title @param {string[][]} keys pairs of key and meaning */
export const keysOf = (title, keys) => void (KEYS[title] = keys);

/** @param {{views: import("../main.js").View[]}} props */
export function Help({ views }) {
  const [open, setOpen] = useState(false);
  useEffect(() => {
    const show = () => setOpen(true);
    /** @param {KeyboardEvent} event */
    const pressed = (event) => {
      if (event.key === "?" && !writes(event.target)) show();
    };
    addEventListener("condgen-help", show);
    addEventListener("keydown", pressed);
    return () => {
      removeEventListener("condgen-help", show);
      removeEventListener("keydown", pressed);
    };
  }, []);
  const groups = [
    ["Everywhere", [...EVERYWHERE, ...views.map((view) => [view.key.toUpperCase(), view.title])]],
    ...views.filter((view) => KEYS[view.title]).map((view) => [view.title, KEYS[view.title]]),
  ];
  return html`<${Dialog} title="Keys" open=${open} close=${() => setOpen(false)}>
    ${groups.map(([title, keys]) => html`<section key=${title}><h3>${title}</h3>
      <dl class="keys">${/** @type {string[][]} */ (keys).map(([key, meaning]) => html`<div key=${key}><dt><kbd>${key}</kbd></dt><dd>${meaning}</dd></div>`)}</dl>
    </section>`)}
  <//>`;
}
