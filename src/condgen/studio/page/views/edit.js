/** Change attributes of given images. */
import { html } from "../ui.js";

/** @param {import("../main.js").ViewProps} props */
function Edit({ model }) {
  return html`<h1>Edit</h1><p class="soft">${model}</p>`;
}

/** @type {import("../main.js").View} */
export const view = {
  id: "edit", title: "Edit", key: "e",
  needs: (about, _all, backend) => Boolean(about?.edits && backend.edit),
  component: Edit,
};
