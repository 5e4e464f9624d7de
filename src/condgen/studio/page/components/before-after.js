/** Two pictures in one place: left of a line the one before, right of it the one after. The line is a slider. */
import { html, useState } from "../ui.js";

/** @param {{before: string, after: string, title: string, children?: any}} props addresses of pictures of one size, and marks on both */
export function BeforeAfter({ before, after, title, children }) {
  const [share, setShare] = useState(50);
  return html`<figure class="before-after" style=${{ "--share": `${share}%` }}>
    <img src=${after} alt=${`${title}, after`} />
    <img class="before" src=${before} alt=${`${title}, before`} />
    ${children}
    <figcaption><span>before</span><span>after</span></figcaption>
    <input type="range" min="0" max="100" value=${share} aria-label="Share of the picture that is shown as it was before"
      aria-valuetext=${`${share} % before`} onInput=${(/** @type {any} */ event) => setShare(Number(event.target.value))} />
  </figure>`;
}
