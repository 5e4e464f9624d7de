/** Ask for samples by controls or words. */
import { html } from "../ui.js";

/** @param {import("../main.js").ViewProps} props */
function Ask({ model }) {
  return html`<h1>Ask</h1><p class="soft">${model}</p>`;
}

/** @type {import("../main.js").View} */
export const view = { id: "ask", title: "Ask", key: "a", needs: (about) => about !== null, component: Ask };
