/** Change attributes of photographs. */
import { html, names, useEffect, useState, useStore } from "../ui.js";
import { picture } from "../backend.js";
import { BeforeAfter } from "../components/before-after.js";
import { Control } from "../components/control.js";
import { useDropped } from "../components/dropped.js";
import { Icon } from "../components/icon.js";
import { Slider } from "../components/slider.js";
import { failed } from "../components/toast.js";
import { bytesOf, save } from "../download.js";
import { differ, outcome, readable, unchanged } from "../outcome.js";
import { body, newSeed } from "../state.js";
import { said, sentence, shown } from "../terms.js";
import { described, usePhotos } from "./photos.js";
import { Drawing, Edges, Frame } from "./where.js";

/** @typedef {import("../main.js").ViewProps} ViewProps */
/** @typedef {import("./photos.js").Photo} Photo */
/** @typedef {import("../backend.js").About} About */
/** @typedef {import("../backend.js").Terms} Terms */
/** @typedef {(photo: Photo, name: string, value: any) => void} Correct */
const [CHANGE, STRENGTH, VERSIONS] = ["edit.change", "edit.strength", "edit.versions"]; // in the page's address
const STRONGEST = 4;
const AUTO = /** @type {const} */ ("auto"); // as strong as each photograph allows

/** @param {ViewProps} props */
function Edit(props) {
  const { backend, model, about } = props;
  const [editing, setEditing] = useState(/** @type {import("../backend.js").Editing | null} */ (null));
  useEffect(() => {
    const without = { why_not: about.edits ? null : "This model cannot edit.", strength: 1.5 };
    if (backend.editing) backend.editing(model).then(setEditing, failed);
    else setEditing(without);
  }, [model]);
  if (!editing) return null;
  if (!editing.why_not) return html`<${Desk} ...${props} usual=${editing.strength} />`;
  return html`<div class="nothing"><h1>No photographs here</h1><p>${editing.why_not}</p></div>`;
}

/** The wish in a store: the change, the strength if it is not the usual one, and the photographs' versions.
 * @param {import("../state.js").Store} store @returns {import("./photos.js").Wish} */
function wished(store) {
  const { [CHANGE]: change, [STRENGTH]: strength, [VERSIONS]: versions } = store.get().more;
  const strong = strength === undefined || strength === AUTO ? strength : Number(strength);
  return { change: stored(change), strength: strong, versions: stored(versions) };
}

/** An object in the page's address. It is empty where somebody wrote another text. @param {string} [text] @returns {Record<string, any>} */
function stored(text = "{}") {
  try {
    const found = JSON.parse(text);
    return found instanceof Object ? found : {};
  } catch {
    return {};
  }
}

/** @param {ViewProps & {usual: number}} props */
function Desk({ usual, ...props }) {
  const { about, model, store } = props;
  useStore(store);
  const { change, strength, versions } = wished(store);
  const { photos, busy, ...acts } = usePhotos(props, { change, strength, versions });
  const [selected, select] = useState(/** @type {number | undefined} */ (photos[0]?.id));
  const photo = photos.find(({ id }) => id === selected) ?? photos[0];
  /** @param {Record<string, string | undefined>} next @param {string} [merge] */
  const set = (next, merge) => {
    /** @type {Record<string, string>} */ const more = {};
    for (const [name, value] of Object.entries({ ...store.get().more, ...next })) if (value !== undefined) more[name] = value;
    store.set({ more }, merge);
  };
  /** @param {string} name @param {any} term */
  const ask = (name, term) => {
    const next = { ...wished(store).change, [name]: term };
    if (term === undefined) delete next[name];
    set({ [CHANGE]: Object.keys(next).length ? JSON.stringify(next) : undefined }, `edit.${name}`);
  };
  const add = (/** @type {File[]} */ files) => acts.add(files).then((id) => id && select(id));
  /** @param {Photo} from */
  const goOn = (from) => {
    acts.goOn(from);
    set({ [CHANGE]: undefined, [VERSIONS]: JSON.stringify({ ...versions, [from.id]: from.version + 1 }) });
  };
  const over = useDropped(add);
  if (!photo) return html`<${Empty} ...${{ props, add, over, busy }} />`;
  return html`<div class=${names("edit", over && "over")}>
    <h1 class="hidden">Edit with ${model}</h1>
    <div class="stage">
      <${Photograph} ...${{ about, photo, change, busy }} acts=${{ ...acts, goOn }} />
      <${Strip} ...${{ props, photos, photo, select, add }} />
    </div>
    <aside class="controls" aria-label="What to change">
      <${Shows} ...${{ about, photo }} correct=${acts.correct} />
      ${about.attributes.map((attribute) => html`<${Control} key=${attribute.name} attribute=${attribute} term=${change[attribute.name]} free="As it is"
        ask=${(/** @type {any} */ term) => ask(attribute.name, term)} />`)}
      <${Strength} ...${{ usual, strength }} set=${(/** @type {string | undefined} */ value) => set({ [STRENGTH]: value }, STRENGTH)} />
    </aside>
  </div>`;
}

/** The strength of the change: a number, or as much as each photograph allows.
 * @param {{usual: number, strength: number | "auto" | undefined, set: (value: string | undefined) => void}} props */
const Strength = ({ usual, strength = usual, set }) => html`
  <label class="field"><input type="checkbox" checked=${strength === AUTO} onChange=${() => set(strength === AUTO ? undefined : AUTO)} /><span>Show small changes more clearly</span></label>
  ${strength !== AUTO && html`<${Slider} label="Strength" hint="How much of the change is made" low=${0.25} high=${STRONGEST} step=${0.25} value=${strength} says=${`${strength} ×`}
    set=${(/** @type {number} */ value) => set(value === usual ? undefined : String(value))} />`}`;

/** What the photograph shows. It can be corrected. @param {{about: About, photo: Photo, correct: Correct}} props */
const Shows = ({ about, photo, correct }) => html`<details class="shows" open=${!described(photo) || null} key=${photo.id}>
  <summary><span class="soft">In the picture:</span> ${described(photo) ? sentence(about, photo.source) : "unknown"}</summary>
  ${about.attributes.map((attribute) => html`<${Shown} key=${attribute.name} ...${{ attribute, photo, correct }} />`)}
  <p class="soft small">${readable(photo.read) ? "This is what the model reads. Correct it where you know better." : "Say what it shows, as far as you see it."}</p>
</details>`;

/** What a photograph shows of one attribute. @param {{attribute: import("../backend.js").AttributeInfo, photo: Photo, correct: Correct}} props */
const Shown = ({ attribute, photo, correct }) => html`<label><span>${attribute.label}</span>
  <${Value} attribute=${attribute} value=${photo.source[attribute.name]} set=${(/** @type {any} */ value) => correct(photo, attribute.name, value)} /></label>`;

/** @param {{attribute: import("../backend.js").AttributeInfo, value: any, set: (value: any) => void}} props */
function Value({ attribute, value, set }) {
  const change = (/** @type {any} */ { target }) => set(attribute.kind === "continuous" ? Number(target.value) : target.value);
  if (attribute.values) {
    return html`<select value=${value == null ? "" : String(value)} onChange=${change}>
      ${value == null && html`<option value="">unknown</option>`}
      ${attribute.values.map((each) => html`<option key=${each.value} value=${String(each.value)}>${each.label}</option>`)}</select>`;
  }
  if (attribute.kind !== "continuous") return html`<span>${said(attribute, value)}</span>`;
  return html`<input type="number" step="any" min=${attribute.low} max=${attribute.high} value=${value ?? ""} onChange=${change} />`;
}

/**
 * @param {{about: About, photo: Photo, change: Terms, busy: boolean,
 *   acts: {goOn: (photo: Photo) => void, remove: (id: number) => void, correct: Correct, limit: (photo: Photo, part: import("./where.js").Part | undefined) => void}}} props
 */
function Photograph({ about, photo, change, busy, acts }) {
  const download = () => photo.edited && save(new Blob([bytesOf(photo.edited)], { type: "image/png" }), `${photo.name.replace(/\.\w+$/, "")}-edited.png`);
  const [drawing, setDrawing] = useState(false);
  const limit = (/** @type {import("./where.js").Part | undefined} */ part) => acts.limit(photo, part);
  const idle = !photo.edited || nothing(unchanged(about.attributes, change, photo.source, photo.made), change);
  const frame = photo.part?.area && html`<${Frame} area=${photo.part.area} shape=${about.shape} />`;
  return html`<section class="photograph" aria-label=${photo.name} aria-busy=${busy}>
    ${drawing ? html`<${Drawing} ...${{ photo, limit }} shape=${about.shape} />`
      : photo.edited ? html`<${BeforeAfter} before=${picture(photo.image)} after=${picture(photo.edited)} title=${photo.name}>${frame}<//>`
      : html`<figure class="before-after"><img src=${picture(photo.image)} alt=${photo.name} />${frame}</figure>`}
    ${drawing && html`<${Edges} ...${{ photo, limit }} shape=${about.shape} />`}
    <div class="told" aria-live="polite"><${Outcome} ...${{ about, photo, change }} correct=${acts.correct} /></div>
    <div class="toolbar" role="toolbar" aria-label="This photograph">
      <button class="main" disabled=${idle} onClick=${download}><${Icon} name="down" />Download</button>
      <button disabled=${idle} title="Take the edit for the picture, and change it further" onClick=${() => acts.goOn(photo)}>Go on from here</button>
      <button aria-pressed=${drawing} title="Choose the part that may change" onClick=${() => setDrawing(!drawing)}>Only a part</button>
      <button class="quiet" onClick=${() => acts.remove(photo.id)}>Remove</button>
    </div>
  </section>`;
}

/** Whether nothing changes at all. @param {import("../backend.js").AttributeInfo[]} kept attributes asked for that keep their values @param {Terms} change */
const nothing = (kept, change) => kept.length > 0 && kept.length === Object.keys(change).length;

/** @param {{about: About, photo: Photo, change: Terms, correct: Correct}} props */
function Outcome({ about, photo, change, correct }) {
  if (!Object.keys(change).length) return html`<p class="soft">Choose what to change. Everything else stays.</p>`;
  if (!described(photo)) return html`<p class="soft">Say first what the picture shows, beside it.</p>`;
  const kept = unchanged(about.attributes, change, photo.source, photo.made);
  if (nothing(kept, change)) return html`<${Idle} ...${{ kept, photo, correct }} />`;
  if (!photo.after) return html`<p class="soft">Reading the edit …</p>`;
  if (!readable(photo.after)) return html`<p class="soft">This model does not read pictures. See for yourself what has changed.</p>`;
  const { asked, also } = outcome(about.attributes, change, photo.read, photo.after);
  return html`<ul class="outcome">
    ${asked.map(({ attribute, read, done }) => html`<${Told} key=${attribute.name} ...${{ attribute, done, read }} term=${change[attribute.name]} kept=${kept.includes(attribute)} />`)}
    <li class="also">${also.length ? html`<span>also changed: </span>${also.map(({ attribute, from, to }, k) => html`${k > 0 && ", "}<span key=${attribute.name}>${attribute.label} ${shown(attribute, from)} → ${shown(attribute, to)}</span>`)}`
      : "Nothing else has changed, as the model reads it."}</li>
  </ul>`;
}

/** An attribute that was asked for: reached, missed, or so already. @param {{attribute: import("../backend.js").AttributeInfo, term: any, read: string, done: boolean, kept: boolean}} props */
function Told({ attribute, term, read, done, kept }) {
  const asked = `${attribute.label} ${said(attribute, term)}`;
  if (kept) return html`<li class="also">${asked} — the picture shows that already.</li>`;
  return html`<li class=${done ? "done" : "missed"}><${Icon} name=${done ? "check" : "cross"} />
    <span>${asked}${!done && html`<span class="soft"> — it reads as ${shown(attribute, read)}</span>`}</span></li>`;
}

/** An edit that changes nothing, since the picture shows already what is asked for. Somebody may know better.
 * @param {{kept: import("../backend.js").AttributeInfo[], photo: Photo, correct: Correct}} props */
function Idle({ kept, photo, correct }) {
  const read = kept.every((each) => photo.read[each.name] != null && !differ(each, photo.read[each.name], String(photo.source[each.name])));
  return html`<div class="outcome">
    <p>Nothing changes in ${photo.name}, which shows already what you ask for${read ? ", as the model reads it" : ""}. Does it show something else?</p>
    <div class="shown">${kept.map((attribute) => html`<${Shown} key=${attribute.name} ...${{ attribute, photo, correct }} />`)}</div>
  </div>`;
}

/** All photographs, and places for more. @param {{props: ViewProps, photos: Photo[], photo: Photo, select: (id: number) => void, add: (files: File[]) => void}} options */
const Strip = ({ props, photos, photo, select, add }) => html`<div class="strip" role="group" aria-label="Photographs">
  ${photos.map((each) => html`<button key=${each.id} class="thumb" aria-pressed=${each === photo} aria-label=${each.name} onClick=${() => select(each.id)}>
    <img src=${picture(each.edited ?? each.image)} alt="" /></button>`)}
  <${Chooser} add=${add} /><${Borrow} props=${props} add=${add} />
</div>`;

/** @param {{add: (files: File[]) => void}} props */
const Chooser = ({ add }) => html`<label class="button"><input type="file" class="hidden" accept="image/*" multiple onChange=${(/** @type {any} */ event) => {
  add([...event.target.files]);
  event.target.value = "";
}} /><span>Choose photographs</span></label>`;

/** A picture of the model's own, for somebody without a photograph. @param {{props: ViewProps, add: (files: File[]) => void}} options */
function Borrow({ props: { backend, model, store }, add }) {
  const borrow = async () => {
    const { samples: [one] } = await backend.sample(model, { ...body(store.get()), n: 1, seed: newSeed() });
    add([new File([bytesOf(one.image ?? "")], `${model}-${one.seed}.png`, { type: "image/png" })]);
  };
  return html`<button class="quiet" onClick=${() => borrow().catch(failed)}>Take one that the model made</button>`;
}

/** @param {{props: ViewProps, add: (files: File[]) => void, over: boolean, busy: boolean}} options */
const Empty = ({ props, add, over, busy }) => html`<div class=${names("empty", over && "over")} aria-busy=${busy}>
  <h1>Change a photograph</h1>
  <p>Drop one or several anywhere on this page.</p>
  <p class="toolbar"><${Chooser} add=${add} /><${Borrow} props=${props} add=${add} /></p>
  <p class="soft small">They are cropped and made ${props.about.shape[2]} × ${props.about.shape[1]} pixels, as the model’s own pictures are.</p>
</div>`;

/** @type {import("../main.js").View} */
export const view = {
  id: "edit", title: "Edit", key: "e", component: Edit,
  needs: (about, _, backend) => about !== null && Boolean(backend.edit),
};
