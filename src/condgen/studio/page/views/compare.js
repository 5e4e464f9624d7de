/** The same requests and seeds through several models. */
import { html } from "../ui.js";

/** @param {import("../main.js").ViewProps} props */
function Compare({ model }) {
  return html`<h1>Compare</h1><p class="soft">${model}</p>`;
}

/** @type {import("../main.js").View} */
export const view = { id: "compare", title: "Compare", key: "c", needs: (_, all) => all.models.length > 1, component: Compare };
