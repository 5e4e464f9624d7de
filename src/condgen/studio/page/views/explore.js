/** Samples along two axes, between two samples, and the model's insides. */
import { html } from "../ui.js";

/** @param {import("../main.js").ViewProps} props */
function Explore({ model }) {
  return html`<h1>Explore</h1><p class="soft">${model}</p>`;
}

/** @type {import("../main.js").View} */
export const view = { id: "explore", title: "Explore", key: "x", needs: (about) => about !== null, component: Explore };
