/** Short messages at the edge of the page, read out by screen readers. */
import { html, useEffect, useState } from "../ui.js";
import { aborted } from "../backend.js";

/** @typedef {{id: number, text: string, bad: boolean}} Message */
const SECONDS = 6;
/** @type {Message[]} */ let messages = [];
/** @type {Set<() => void>} */ const listeners = new Set();
let count = 0;

/** @param {Message[]} next */
function show(next) {
  messages = next;
  listeners.forEach((listener) => listener());
}

/** Tell something. @param {string} text @param {boolean} [bad] */
export function toast(text, bad = false) {
  const id = (count += 1);
  show([...messages.filter((each) => each.text !== text), { id, text, bad }].slice(-3));
  setTimeout(() => show(messages.filter((each) => each.id !== id)), (bad ? 2 : 1) * SECONDS * 1000);
}

/** Tell an error. One that somebody caused by moving on is none. @param {any} error */
export function failed(error) {
  if (aborted(error)) return;
  toast(error?.message ?? String(error), true);
}

export function Toasts() {
  const [, redraw] = useState({});
  useEffect(() => {
    const listener = () => redraw({});
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }, []);
  return html`<div class="toasts" role="status" aria-live="polite">
    ${messages.map((each) => html`<p key=${each.id} class=${each.bad ? "toast bad" : "toast"}>
      ${each.text}
      <button class="quiet" aria-label="Close" onClick=${() => show(messages.filter((other) => other !== each))}>×</button>
    </p>`)}
  </div>`;
}
