/** A button that opens a short list of buttons. */
import { html, useEffect, useRef } from "../ui.js";

/** @param {{label: any, title: string, items: {label: string, act: () => void}[]}} props */
export function Menu({ label, title, items }) {
  const ref = useRef(/** @type {HTMLDetailsElement | null} */ (null));
  const close = () => ref.current && (ref.current.open = false);
  useEffect(() => {
    const outside = (/** @type {Event} */ event) => !ref.current?.contains(/** @type {Node} */ (event.target)) && close();
    addEventListener("pointerdown", outside);
    return () => removeEventListener("pointerdown", outside);
  }, []);
  return html`<details class="menu" ref=${ref} onKeyDown=${(/** @type {KeyboardEvent} */ event) => event.key === "Escape" && close()}>
    <summary title=${title}>${label}</summary>
    <div class="menu-items">${items.map((each) => html`<button key=${each.label} class="quiet" onClick=${() => { close(); each.act(); }}>${each.label}</button>`)}</div>
  </details>`;
}
