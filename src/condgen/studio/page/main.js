/** The page: a bar with the views and the models, and the view that the address names. */
import { html, render, useEffect, useMemo, useState, writes } from "./ui.js";
import { createStore, fromQuery, toQuery } from "./state.js";
import { Bar } from "./components/bar.js";
import { Help } from "./components/help.js";
import { Toasts, failed, toast } from "./components/toast.js";
import { view as ask } from "./views/ask.js";
import { view as edit } from "./views/edit.js";
import { view as explore } from "./views/explore.js";
import { view as compare } from "./views/compare.js";
import { view as train } from "./views/train.js";
import { view as report } from "./views/report.js";

/** @typedef {import("./backend.js").Backend} Backend */
/** @typedef {import("./backend.js").About} About */
/** @typedef {import("./backend.js").ModelInfo} ModelInfo */
/** @typedef {{models: ModelInfo[], trains: boolean}} Models */
/**
 * @typedef {object} ViewProps
 * @property {Backend} backend
 * @property {Models} all all models that there are
 * @property {string} model the chosen one's name; "" without models
 * @property {About} about the chosen one; null without models, for views that need none
 * @property {import("./state.js").Store} store the chosen one's request
 * @property {(view: string, model?: string, change?: Partial<import("./state.js").State>) => void} go shows a view, of another model
 *   if one is named, whose request is changed if a change is given
 * @property {() => Promise<void>} reload looks again which models there are
 */
/** @typedef {{id: string, title: string, key: string, needs: (about: About | null, all: Models, backend: Backend) => boolean, component: (props: ViewProps) => any}} View */

/** @type {View[]} */
export const VIEWS = [ask, edit, explore, compare, train, report];

/** The parts of an address `#/view?model=name&…`. */
function place() {
  const [, id = "", query = ""] = /^#\/([a-z]*)\??(.*)$/.exec(location.hash) ?? [];
  return { id, query, model: new URLSearchParams(query).get("model") };
}

/** @type {Map<string, import("./state.js").Store>} */
const stores = new Map();

/** The store of a model: one for as long as the page is open. @param {string} model @param {string} [query] */
function storeOf(model, query = "") {
  const found = stores.get(model) ?? createStore(fromQuery(query));
  stores.set(model, found);
  return found;
}

/** @param {string} id @param {string} model @param {import("./state.js").Store} store */
function address(id, model, store) {
  const query = toQuery(store.get());
  return `#/${id}?${model ? new URLSearchParams({ model }) : ""}${query && `&${query}`}`;
}

/** @param {{backend: Backend}} props */
function Studio({ backend }) {
  const [all, setAll] = useState(/** @type {Models | null} */ (null));
  const [about, setAbout] = useState(/** @type {About | null} */ (null));
  const [here, setHere] = useState(place);
  const model = all?.models.find((each) => each.name === here.model)?.name ?? all?.models[0]?.name ?? "";
  const stranger = all !== null && here.model !== null && here.model !== model ? here.model : null; // a link's model that is not open
  const store = useMemo(() => storeOf(model, stranger === null ? here.query : ""), [model]);
  const [trouble, setTrouble] = useState("");
  const reload = () => backend.models().then(setAll, refused);
  /** @param {Error} error */
  const refused = (error) => {
    setTrouble(error.message);
    failed(error);
  };

  useEffect(() => void reload(), []);
  useEffect(() => void (stranger !== null && toast(`“${stranger}” is not open here.`, true)), [stranger]);
  useEffect(() => {
    setAbout(null);
    setTrouble("");
    let current = true;
    if (model) backend.about(model).then((found) => current && setAbout(found), (error) => current && refused(error));
    return () => void (current = false);
  }, [model]);
  useEffect(() => {
    const moved = () => {
      const next = place();
      if (next.query && next.model) storeOf(next.model).set(fromQuery(next.query));
      setHere(next);
    };
    addEventListener("hashchange", moved);
    return () => removeEventListener("hashchange", moved);
  }, []);

  const ready = all !== null && (!model || about?.name === model);
  const shown = ready ? VIEWS.filter((view) => view.needs(about, all, backend)) : [];
  const view = shown.find((each) => each.id === here.id) ?? shown[0];
  useEffect(() => {
    if (!view || !ready) return;
    const write = () => history.replaceState(null, "", address(view.id, model, store));
    write();
    return store.subscribe(write);
  }, [view, store, ready]);

  /** @param {string} id @param {string} [other] @param {Partial<import("./state.js").State>} [change] */
  const go = (id, other = model, change = {}) => {
    storeOf(other).set(change);
    history.pushState(null, "", address(id, other, storeOf(other)));
    setHere(place());
  };
  useKeys(shown, go, store);
  return html`
    <${Bar} views=${shown} view=${view} models=${all?.models ?? []} model=${model} go=${go} />
    <main id="view" class="view ${view ? `view-${view.id}` : ""}" tabindex="-1">
      ${view ? html`<${view.component} key=${view.id + model} ...${{ backend, all, model, about, store, go, reload }} />` : html`<${Nothing} ready=${ready} trouble=${trouble} />`}
    </main>
    <${Help} views=${shown} />
    <${Toasts} />
  `;
}

/** @param {{ready: boolean, trouble: string}} props */
const Nothing = ({ ready, trouble }) =>
  html`<p class="waiting">${trouble || (ready ? "No model is open here. Start with condgen studio RUN." : "Opening the model …")}</p>`;

/** Undo and redo everywhere; a view's key opens it, unless somebody writes. @param {View[]} views @param {(id: string) => void} go @param {import("./state.js").Store} store */
function useKeys(views, go, store) {
  useEffect(() => {
    /** @param {KeyboardEvent} event */
    const pressed = (event) => {
      if (writes(event.target) || event.altKey) return;
      const key = event.key.toLowerCase();
      if (event.ctrlKey || event.metaKey) {
        if (key === "z" || key === "y") {
          event.preventDefault();
          key === "y" || event.shiftKey ? store.redo() : store.undo();
        }
        return;
      }
      const view = views.find((each) => each.key === key);
      if (view && !event.shiftKey) go(view.id);
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  });
}

/** Shows the studio. @param {Backend} backend */
export function mount(backend) {
  const root = /** @type {HTMLElement} */ (document.getElementById("studio"));
  root.replaceChildren();
  render(html`<${Studio} backend=${backend} />`, root);
}
