/** What was measured of the model, and what is wrong with it. */
import { html } from "../ui.js";

/** @param {import("../main.js").ViewProps} props */
function Report({ model }) {
  return html`<h1>Report</h1><p class="soft">${model}</p>`;
}

/** @type {import("../main.js").View} */
export const view = {
  id: "report", title: "Report", key: "r",
  needs: (about, _all, backend) => Boolean(about?.features.includes("report") && backend.report),
  component: Report,
};
