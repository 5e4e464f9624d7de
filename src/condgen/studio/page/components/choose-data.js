/** Choosing data to train on: a path, or one of the data sets with a name. */
import { html, useEffect, useState } from "../ui.js";
import { failed } from "./toast.js";

/** @typedef {{name: string, about: string}} Named */
/** @typedef {{built_in: Named[], published: Named[], forms: string[], models: Record<string, string>, without_labels: string[]}} Choices */

/** @param {import("../backend.js").Backend} backend @returns {Choices | null} */
export function useChoices(backend) {
  const [choices, setChoices] = useState(/** @type {Choices | null} */ (null));
  useEffect(() => void backend.choices?.().then(setChoices, failed), [backend]);
  return choices;
}

/**
 * @param {{choices: Choices | null, data: string, busy: boolean, error: string, look: (data: string) => void, cancel: () => void}} props
 * data: the data that was looked at last. error: why it could not be.
 */
export function ChooseData({ choices, data, busy, error, look, cancel }) {
  const [text, setText] = useState(data);
  useEffect(() => setText(data), [data]);
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    if (text.trim()) look(text.trim());
  };
  /** @param {Named} each */
  const card = ({ name, about }) => html`<li key=${name}><button aria-pressed=${name === data} disabled=${busy} onClick=${() => look(name)}>
    <b>${name}</b><span class="small soft">${about}</span></button></li>`;
  return html`<section class="choose" aria-labelledby="choose-title">
    <h2 id="choose-title">Choose data</h2>
    <form role="search" onSubmit=${submit}>
      <label for="data">A folder of images, a table, or the name of a data set</label>
      <div class="path">
        <input id="data" type="text" value=${text} placeholder="/home/me/photos" spellcheck=${false} autocapitalize="off" autocomplete="off"
          aria-invalid=${Boolean(error)} aria-describedby="data-error" onInput=${(/** @type {any} */ event) => setText(event.target.value)} />
        ${busy ? html`<button type="button" onClick=${cancel}>Cancel</button>` : html`<button class="main" disabled=${!text.trim()}>Look at it</button>`}
      </div>
      <p id="data-error" class="notice bad" role="alert" hidden=${!error}>${error}</p>
    </form>
    ${choices && html`
      <h3>Worlds that come with condgen</h3>
      <ul class="cards">${choices.built_in.map(card)}</ul>
      <details><summary>Data sets that are downloaded once</summary><ul class="cards">${choices.published.map(card)}</ul></details>
      <details><summary>Forms that data of your own can have</summary>
        <ul class="forms small">${choices.forms.map((form) => html`<li key=${form}>${form}</li>`)}</ul></details>`}
  </section>`;
}
