/** The bar on top: views, models, theme, help. */
import { html, useLayoutEffect, useRef, useState } from "../ui.js";
import { Icon } from "./icon.js";
import { openHelp } from "./help.js";

/** @param {{views: import("../main.js").View[], view?: import("../main.js").View, models: import("../backend.js").ModelInfo[], model: string, go: (view: string, model?: string) => void}} props */
export function Bar({ views, view, models, model, go }) {
  const tabs = useRef(/** @type {HTMLElement | null} */ (null));
  useLayoutEffect(() => {
    if (tabs.current) centre(tabs.current);
  }, [view, views.length]);
  return html`<header class="bar">
    <a class="skip" href="#view" onClick=${(/** @type {Event} */ event) => { event.preventDefault(); document.getElementById("view")?.focus(); }}>Skip to the pictures</a>
    <span class="brand">condgen</span>
    <nav ref=${tabs} aria-label="Views">
      ${views.map((each) => html`<a key=${each.id} href=${`#/${each.id}`} aria-current=${each === view ? "page" : null}
        onClick=${(/** @type {Event} */ event) => { event.preventDefault(); go(each.id); }}>${each.title}</a>`)}
    </nav>
    <div class="bar-end">
      ${models.length > 1 && html`<label class="chooser"><span class="hidden">Model</span>
        <select value=${model} onChange=${(/** @type {any} */ event) => go(view?.id ?? "ask", event.target.value)}>
          ${models.map(({ name }) => html`<option key=${name} value=${name}>${name}</option>`)}
        </select></label>`}
      ${models.length === 1 && html`<span class="soft">${model}</span>`}
      <${Theme} />
      <button class="quiet icon-only" aria-label="Help and keys" title="Help and keys (?)" onClick=${openHelp}><${Icon} name="help" /></button>
    </div>
  </header>`;
}

/** Scroll the current tab to the middle, where not all have room. @param {HTMLElement} tabs */
function centre(tabs) {
  const [all, one] = [tabs, tabs.querySelector("[aria-current]")].map((each) => each?.getBoundingClientRect());
  if (all && one) tabs.scrollLeft += one.left + one.width / 2 - all.left - all.width / 2;
}

const dark = () => {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
};

function Theme() {
  const [is, setIs] = useState(dark);
  const turn = () => {
    const theme = is ? "light" : "dark";
    document.documentElement.dataset.theme = theme;
    try {
      localStorage.setItem("condgen.theme", theme);
    } catch {
      // it lasts as long as the page, then
    }
    setIs(!is);
  };
  return html`<button class="quiet icon-only" aria-label=${is ? "Light colours" : "Dark colours"} title=${is ? "Light colours" : "Dark colours"} onClick=${turn}>
    <${Icon} name=${is ? "sun" : "moon"} /></button>`;
}
