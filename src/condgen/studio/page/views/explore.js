/** What a model can do between and around requests: a grid of two axes, ways, the map of its latents, FiLM. */
import { html, names, useStore } from "../ui.js";
import { can } from "../backend.js";
import { keysOf } from "../components/help.js";
import { Between } from "./explore/between.js";
import { Film } from "./explore/film.js";
import { Variations } from "./explore/grid.js";
import { LatentMap } from "./explore/map.js";

/** @typedef {import("../main.js").ViewProps} ViewProps */
/** @type {{id: string, title: string, feature: string | null, component: (props: ViewProps) => any}[]} */
const PARTS = [
  { id: "grid", title: "Grid", feature: null, component: Variations },
  { id: "between", title: "Between two", feature: "interpolate", component: Between },
  { id: "latents", title: "Latent map", feature: "latents", component: LatentMap },
  { id: "film", title: "FiLM", feature: "film", component: Film },
];

keysOf("Explore", [["← ↑ → ↓", "Move in the grid"], ["Enter", "Open a sample in Ask"]]);

/** @param {ViewProps} props */
function Explore(props) {
  const { about, model, store } = props;
  const { more } = useStore(store);
  const parts = PARTS.filter(({ feature }) => feature === null || can(about, feature));
  const part = parts.find(({ id }) => id === more["explore.part"]) ?? parts[0];
  return html`<div class="explore">
    <h1 class="hidden">Explore ${model}</h1>
    ${parts.length > 1 && html`<div class="segments parts" role="group" aria-label="Part">
      ${parts.map(({ id, title }) => html`<label key=${id} class=${names(part.id === id && "on")}>
        <input type="radio" name="explore.part" checked=${part.id === id} onChange=${() => store.set({ more: { ...more, "explore.part": id } })} /><span>${title}</span></label>`)}
    </div>`}
    <${part.component} key=${part.id} ...${props} />
  </div>`;
}

/** @type {import("../main.js").View} */
export const view = { id: "explore", title: "Explore", key: "x", needs: (about) => about !== null, component: Explore };
