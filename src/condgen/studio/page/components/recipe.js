/** What to train: the recommendation, to be accepted or changed, with every setting at hand. */
import { html, useEffect, useState } from "../ui.js";
import { count, duration } from "../training.js";
import { sized } from "./inspection.js";
import { failed } from "./toast.js";

/** @typedef {{name: string, part: string, default: any, values: string, sentence: string, needs: string[]}} Setting */
/** @typedef {{model: string, sentence: string, settings: Setting[], training: Setting[]}} Family */
/** @typedef {NonNullable<import("./inspection.js").Inspection["recommendation"]>} Recommendation */
/** @typedef {{model: string, mechanism: string, budget: string, name: string, settings: Record<string, string>}} Recipe "" is as recommended */

const TIMES = [["1m", "1 minute"], ["5m", "5 minutes"], ["20m", "20 minutes"], ["1h", "1 hour"]];
const ELSEWHERE = ["mechanism", "images", "seconds"]; // settings with a field of their own
const LOOKS = 20; // pictures in a training that somebody watches

/** @returns {Recipe} */
export const asRecommended = () => ({ model: "", mechanism: "", budget: "", name: "", settings: {} });

/**
 * A recipe as the settings of a job.
 * @param {Recipe} recipe
 * @param {{data: string, attributes: string[] | null, recommendation: Recommendation}} on
 */
export function order({ model, mechanism, budget, name, settings }, { data, attributes, recommendation }) {
  const given = Object.entries({ model, mechanism, budget, name: name.trim() }).filter(([, value]) => value);
  const size = model && recommendation.size ? { size: recommendation.size } : {}; // which a recommended model has by itself
  return { data, ...Object.fromEntries(given), ...size, ...(attributes && { attributes }), settings: { previews: LOOKS, ...settings } };
}

/** @param {Recipe} recipe @param {Recommendation} advised */
export function expected({ model, budget }, { images, seconds, shape }) {
  if (budget) return TIMES.find(([value]) => value === budget)?.[1] ?? budget;
  if (model) return "5 minutes";
  return `${count(images)} ${shape.length === 3 ? "pictures" : "rows"} to see${seconds === null ? "" : `, about ${duration(seconds)} here`}`;
}

/**
 * @param {{backend: import("../backend.js").Backend, advised: Recommendation, models: Record<string, string>, recipe: Recipe,
 *   change: (part: Partial<Recipe>) => void, start: () => void, busy: boolean, none: boolean}} props
 */
export function RecipeForm({ backend, advised, models, recipe, change, start, busy, none }) {
  const [family, setFamily] = useState(/** @type {Family | null} */ (null));
  const model = recipe.model || advised.model;
  useEffect(() => void backend.familySettings?.(model).then(setFamily, failed), [model]);
  const mechanisms = family?.settings.find(({ name }) => name === "mechanism")?.values.split(", ") ?? [];
  const text = (/** @type {keyof Recipe} */ part) => (/** @type {any} */ event) => change({ [part]: event.target.value });
  const own = recipe.budget && !TIMES.some(([value]) => value === recipe.budget);
  return html`<section class="recipe" aria-labelledby="recipe-title">
    <h2 id="recipe-title">What to train</h2>
    <p class="lead">${advised.reason} <span class="soft">Recommended: ${advised.model}, ${sized(advised.shape)}.</span></p>
    <form onSubmit=${(/** @type {Event} */ event) => { event.preventDefault(); start(); }}>
      <div class="fields">
        <label>Kind of model <select value=${recipe.model} onChange=${(/** @type {any} */ event) => change({ model: event.target.value, mechanism: "", settings: {} })}>
          <option value="">${advised.model} (recommended)</option>
          ${Object.keys(models).filter((name) => name !== advised.model).map((name) => html`<option key=${name}>${name}</option>`)}
        </select><span class="small soft">${models[model] ?? ""}</span></label>
        ${mechanisms.length > 0 && html`<label>How the request enters <select value=${recipe.mechanism} onChange=${text("mechanism")}>
          <option value="">${usual("mechanism", recipe, advised, family)} (recommended)</option>
          ${mechanisms.filter((name) => name !== usual("mechanism", recipe, advised, family)).map((name) => html`<option key=${name}>${name}</option>`)}
        </select><span class="small soft">The mechanism by which layers hear what is asked.</span></label>`}
        <label>Name of the run <input type="text" value=${recipe.name} placeholder="as the data" onInput=${text("name")} /></label>
      </div>
      <fieldset class="times"><legend>How long</legend>
        ${[["", recipe.model ? "5 minutes" : "As recommended"], ...TIMES.filter(([value]) => !recipe.model || value !== "5m")].map(([value, label]) => html`<label key=${value}>
          <input type="radio" name="budget" value=${value} checked=${recipe.budget === value} onChange=${text("budget")} /> ${label}</label>`)}
        <label class="other">or <input type="text" size="6" placeholder="90s" aria-label="Another time, such as 90s, 10m or 2h" value=${own ? recipe.budget : ""} onInput=${text("budget")} /></label>
      </fieldset>
      ${family && html`<details class="advanced"><summary>All settings</summary>
        <${Settings} title=${family.model} all=${family.settings} ...${{ recipe, advised, family, change }} />
        <${Settings} title="Training" all=${family.training} ...${{ recipe, advised, family, change }} />
      </details>`}
      <p class="actions"><button class="main" disabled=${busy || none}>Train</button>
        <span class="small soft">${none ? "Choose at least one attribute." : expected(recipe, advised)}</span></p>
    </form>
  </section>`;
}

/** The value that a setting has unless it is changed. @param {string} name @param {Recipe} recipe @param {Recommendation} advised @param {Family | null} family */
function usual(name, recipe, advised, family) {
  if (!recipe.model && name in advised.arguments) return String(advised.arguments[name]);
  const found = [...(family?.settings ?? []), ...(family?.training ?? [])].find((each) => each.name === name)?.default;
  return found === null || found === undefined ? "none" : String(found);
}

/** @param {{title: string, all: Setting[], recipe: Recipe, advised: Recommendation, family: Family, change: (part: Partial<Recipe>) => void}} props */
function Settings({ title, all, recipe, advised, family, change }) {
  const shown = all.filter(({ name }) => !ELSEWHERE.includes(name));
  /** @param {string} name @param {string} value */
  const set = (name, value) => {
    const { [name]: _, ...others } = recipe.settings;
    change({ settings: value.trim() ? { ...others, [name]: value.trim() } : others });
  };
  return html`<fieldset><legend>${title}</legend><div class="knobs">
    ${shown.map((each) => html`<${Field} key=${each.name} setting=${each} value=${recipe.settings[each.name] ?? ""}
      usual=${each.name === "previews" ? String(LOOKS) : usual(each.name, recipe, advised, family)} set=${(/** @type {string} */ value) => set(each.name, value)} />`)}
  </div></fieldset>`;
}

/** Whether the words for a setting's values are a list of names. @param {string} values */
const listed = (values) => values.includes(", ") && /^[\w.-]+(, [\w.-]+)+$/.test(values);

/** @param {{setting: Setting, value: string, usual: string, set: (value: string) => void}} props */
function Field({ setting, value, usual: otherwise, set }) {
  const { name, values, sentence, needs } = setting;
  const changed = (/** @type {any} */ event) => set(event.target.value);
  return html`<label class=${value ? "changed" : ""}>
    <span><code>${name}</code> ${listed(values)
      ? html`<select value=${value} onChange=${changed}><option value="">${otherwise}</option>
          ${values.split(", ").filter((each) => each !== otherwise).map((each) => html`<option key=${each}>${each}</option>`)}</select>`
      : html`<input type="text" size="9" value=${value} placeholder=${otherwise} title=${values} onInput=${changed} />`}</span>
    <span class="small soft">${sentence}${needs.length > 0 && ` Only with ${needs.join(" and ")}.`}</span>
  </label>`;
}
