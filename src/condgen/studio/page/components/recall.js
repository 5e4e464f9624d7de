/** Requests that come back from pictures: PNGs dropped onto the page, pasted, or chosen. */
import { html, names, useEffect, useState } from "../ui.js";
import { failed, toast } from "./toast.js";
import { readNote } from "../png.js";
import { initial, seedsFrom } from "../state.js";
import { ofCondition, simplified } from "../terms.js";

/** @typedef {import("../main.js").ViewProps} ViewProps */

/**
 * The terms that a picture was asked for by or, where their text cannot be read, as that of a vector, which is cut short, all that it shows.
 * @param {import("../backend.js").Backend} backend @param {import("../backend.js").About} about @param {import("../png.js").Note} note
 */
export async function asked(backend, about, { request = "", condition }) {
  try {
    const { requests } = await backend.understand(about.name, request);
    return simplified(about, requests[0]?.terms ?? {});
  } catch (error) {
    if (!condition) throw error;
    return ofCondition(about, condition);
  }
}

/** Show the request of a picture. @param {ViewProps} props @param {Blob | undefined} file */
async function recall({ backend, all, store, go }, file) {
  const note = file && (await readNote(new Uint8Array(await file.arrayBuffer())));
  if (!note) return toast("This picture does not say how it was made. Drop a PNG that was saved by condgen.", true);
  if (note.seed === undefined) return toast("This picture is an edit of another one, so there is no request to bring back.", true);
  const same = all.models.find(({ fingerprint }) => fingerprint === note.fingerprint);
  const model = same ?? all.models.find(({ name }) => name === note.model);
  if (!model) return toast(`It was made by the model “${note.model ?? note.fingerprint}”, which is not open here.`, true);
  if (note.fingerprint && !same) toast(`“${model.name}” has changed since this picture was made.`);
  const about = await backend.about(model.name);
  const terms = await asked(backend, about, note);
  const { guidance = null, interval = null, steps = null, sampler = null, free = false, ...others } = note.sampling ?? {};
  const { seeds } = store.get();
  go("ask", model.name, initial({
    terms, seeds: seedsFrom(note.seed, seeds.length), kept: [note.seed],
    guidance, interval, steps, sampler, free,
  }));
  const lost = Object.keys(others).filter((name) => others[name] && others[name] !== 1);
  if (lost.length) return toast(`Request and seed ${note.seed} are back, but this page has no setting ${lost.join(", ")}: the picture differs.`, true);
  return toast(`Request and seed ${note.seed} are back.`);
}

/** A place for pictures; the whole page takes what is dropped. @param {{props: ViewProps, done: () => void}} options */
export function Recall({ props, done }) {
  const [over, setOver] = useState(false);
  useEffect(() => {
    /** @param {FileList | undefined} files */
    const take = (files) => void recall(props, files?.[0]).then(done, failed);
    /** @param {DragEvent} event */
    const dragged = (event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      setOver(event.type === "dragover");
      if (event.type === "drop") take(event.dataTransfer.files);
    };
    /** @param {ClipboardEvent} event */
    const pasted = (event) => event.clipboardData?.files.length && take(event.clipboardData.files);
    const kinds = /** @type {const} */ (["dragover", "dragleave", "drop"]);
    kinds.forEach((kind) => addEventListener(kind, dragged));
    addEventListener("paste", pasted);
    return () => {
      kinds.forEach((kind) => removeEventListener(kind, dragged));
      removeEventListener("paste", pasted);
    };
  });
  return html`<label class=${names("drop", over && "over")}>
    <input type="file" class="hidden" accept="image/png" onChange=${(/** @type {any} */ event) => {
      recall(props, event.target.files[0]).then(done, failed);
      event.target.value = "";
    }} />
    <span>Drop a saved picture, or choose one, to bring its request back</span>
  </label>`;
}
