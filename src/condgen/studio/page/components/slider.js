/** A labelled slider of a plain number. */
import { html, useId } from "../ui.js";

/**
 * @param {{label: string, value: number, low: number, high: number, step?: number, says?: string, hint?: string, set: (value: number) => void}} props
 */
export function Slider({ label, value, low, high, step = 1, says = String(value), hint, set }) {
  const id = useId(); // otherwise the label would be the output's
  return html`<label class="slider" title=${hint} for=${id}>
    <span>${label}</span><output>${says}</output>
    <input id=${id} type="range" min=${low} max=${high} step=${step} value=${value} aria-valuetext=${says} onInput=${(/** @type {any} */ event) => set(Number(event.target.value))} />
  </label>`;
}
