/** Train a model on data, and watch. */
import { html } from "../ui.js";

/** @param {import("../main.js").ViewProps} props */
function Train({ model }) {
  return html`<h1>Train</h1><p class="soft">${model}</p>`;
}

/** @type {import("../main.js").View} */
export const view = { id: "train", title: "Train", key: "t", needs: (_, all) => all.trains, component: Train };
