/** What was shown before: one picture per request, which brings it back. */
import { html, useEffect, useState } from "../ui.js";
import { picture } from "../backend.js";
import { sentence } from "../terms.js";

/** @typedef {{state: import("../state.js").State, sample: import("../backend.js").Sample}} Entry */
const MOST = 48;
const SETTLED = 900; // milliseconds without a change after which a request is remembered
/** @type {Map<unknown, Entry[]>} by store, for as long as the page is open */
const remembered = new Map();

/** @param {import("../state.js").State} state */
const key = ({ terms, seeds, guidance, interval, steps, sampler, free }) =>
  JSON.stringify([terms, seeds, guidance, interval, steps, sampler, free]);

/**
 * Remembers a request when it has stood for a while.
 * @param {import("../state.js").Store} store
 * @param {import("../state.js").State} state of the samples
 * @param {import("../backend.js").Sample | null} sample
 * @returns {Entry[]}
 */
export function useHistory(store, state, sample) {
  const [, redraw] = useState({});
  const entries = remembered.get(store) ?? [];
  useEffect(() => {
    if (!sample) return undefined;
    const timer = setTimeout(() => {
      const others = (remembered.get(store) ?? []).filter((each) => key(each.state) !== key(state));
      remembered.set(store, [{ state, sample }, ...others].slice(0, MOST));
      redraw({});
    }, SETTLED);
    return () => clearTimeout(timer);
  }, [store, sample]);
  return entries;
}

/** @param {{about: import("../backend.js").About, entries: Entry[], recall: (state: import("../state.js").State) => void}} props */
export function History({ about, entries, recall }) {
  if (entries.length < 2) return null;
  return html`<section class="history" aria-label="History">
    <h2>Before</h2>
    <ul>${entries.slice(1).map(({ state, sample }) => {
      const text = sentence(about, state.terms);
      return html`<li key=${key(state)}><button class="face" title=${text} aria-label=${`Back to: ${text}, seed ${state.seeds[0]}`} onClick=${() => recall(state)}>
        ${sample.image ? html`<img class=${Math.max(...about.shape.slice(1)) < 48 ? "tiny" : ""} src=${picture(sample.image)} alt="" />` : html`<span>${text}</span>`}</button></li>`;
    })}</ul>
  </section>`;
}
