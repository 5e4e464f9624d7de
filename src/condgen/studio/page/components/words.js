/** The box for words, and the request that was understood: one chip per attribute that is asked for. */
import { html, names, useEffect, useRef, useState } from "../ui.js";
import { Icon } from "./icon.js";
import { Refused } from "../backend.js";
import { latest } from "../live.js";
import { frequency, said, simplified, without } from "../terms.js";

const PAUSE = 350; // milliseconds without a key after which words are read

/** @typedef {import("../state.js").Store} Store */
/** @typedef {import("../backend.js").About} About */
/** @typedef {import("../backend.js").Backend} Backend */

/** What words ask for, with locked attributes as they are. @param {About} about @param {import("../state.js").State} state @param {import("../backend.js").Terms} terms */
function withLocked(about, { locked, terms: before }, terms) {
  const kept = Object.entries(before).filter(([name]) => locked.includes(name));
  const free = Object.entries(simplified(about, terms)).filter(([name]) => !locked.includes(name) || !(name in before));
  return Object.fromEntries([...kept, ...free]);
}

/** @param {any} error */
const firstSentence = ({ message }) => message.split(". ")[0].replace(/[.]?$/, ".");

/**
 * Words as the model understands them. Where it does not know some, the rest is understood, and `left` names them.
 * @param {Backend} backend
 * @param {string} model
 * @param {string} words
 * @param {AbortSignal} signal
 */
async function understood(backend, model, words, signal) {
  try {
    return { ...(await backend.understand(model, words, signal)), left: "" };
  } catch (error) {
    /** @type {string[]} */
    const unknown = error instanceof Refused ? error.problem.words ?? [] : [];
    const rest = without(words, unknown);
    if (!unknown.length || !rest) throw error;
    const found = await backend.understand(model, rest, signal).catch(() => Promise.reject(error));
    return { ...found, left: `${firstSentence(error)} The rest was understood.` };
  }
}

/**
 * Reads words. After a pause what they lack is said gently and shortly, after Enter fully.
 * @param {{backend: Backend, about: About, store: Store}} props
 */
function useWords({ backend, about, store }) {
  const [text, setText] = useState("");
  const [told, tell] = useState(/** @type {{notes: string[], bad: boolean}} */ ({ notes: [], bad: false }));
  const timer = useRef(0);
  const meant = useRef(""); // the terms when the words were read; they are stale once these change
  const reading = useRef(/** @type {((input: {words: string, firm: boolean}) => void) | null} */ (null));
  useEffect(() => {
    reading.current = latest(
      ({ words }, signal) => understood(backend, about.name, words, signal),
      ({ requests, left }, { words, firm }) => {
        const [first] = requests;
        const terms = withLocked(about, store.get(), first?.terms ?? {});
        store.set({ terms }, "words");
        meant.current = JSON.stringify(terms);
        const more = requests.length > 1 ? [`That is ${requests.length} requests, of which this is the first.`] : [];
        tell({ notes: words ? [...(left ? [left] : []), ...(first?.notes ?? []), ...more] : [], bad: firm && left !== "" });
      },
      (error, { firm }) => {
        meant.current = JSON.stringify(store.get().terms);
        tell({ notes: [firm ? error.message : firstSentence(error)], bad: firm });
      },
    );
  }, [backend, about, store]);
  /** @param {string} words @param {boolean} firm */
  const read = (words, firm) => {
    clearTimeout(timer.current);
    timer.current = window.setTimeout(() => reading.current?.({ words: words.trim(), firm }), firm ? 0 : PAUSE);
  };
  /** @param {string} words */
  const write = (words) => {
    setText(words);
    tell({ notes: [], bad: false });
    read(words, false);
  };
  const stale = meant.current !== JSON.stringify(store.get().terms);
  return { text, told, stale, write, enter: () => read(text, true) };
}

/** Words for two attributes, as somebody may ask for them: "blond hair, glasses". Files are for who has the model. @param {Pick<About, "attributes" | "example">} about */
export function example({ attributes, example: precise }) {
  const words = attributes.flatMap(({ kind, label, values = [] }) => {
    const name = label.toLowerCase();
    const value = values[Math.floor(values.length / 2)]?.label.toLowerCase() ?? "";
    if (kind === "flag") return [name];
    return kind === "categorical" ? [/^\d/.test(value) ? `${name} ${value}` : `${value} ${name}`] : [];
  });
  return words.slice(0, 2).join(", ") || precise.replace(/=FILE[^,]*/g, "=0.1 0.2 …");
}

/** @param {{backend: Backend, about: About, store: Store}} props */
export function Words(props) {
  if (props.about.attributes.length) return html`<${Box} ...${props} />`;
  return html`<p class="words soft">This model has nothing to ask for. Its samples are like its training data.</p>`;
}

/** @param {{backend: Backend, about: About, store: Store}} props */
function Box({ backend, about, store }) {
  const { text, told, stale, write, enter } = useWords({ backend, about, store });
  const notes = stale ? [] : told.notes;
  return html`<form class="words" role="search" onSubmit=${(/** @type {Event} */ event) => { event.preventDefault(); enter(); }}>
    <label class="hidden" for="words">Ask in words</label>
    <input id="words" type="search" class=${names(stale && "stale")} autocomplete="off" spellcheck=${false} enterkeyhint="go" placeholder=${`Ask in words: ${example(about)}`} value=${text}
      aria-describedby="understood" onInput=${(/** @type {any} */ event) => write(event.target.value)} />
    <div id="understood" class="understood" aria-live="polite">
      <${Chips} ...${{ about, store }} />
      ${!notes.length && html`<${Frequency} ...${{ backend, about }} terms=${store.get().terms} />`}
      ${notes.map((note) => html`<p key=${note} class=${names("note", told.bad && "bad")}>${note}</p>`)}
    </div>
  </form>`;
}

/** @param {{about: About, store: Store}} props */
function Chips({ about, store }) {
  const { terms, locked } = store.get();
  const asked = about.attributes.filter(({ name }) => name in terms);
  /** @param {string} name */
  const free = (name) => store.set({ terms: Object.fromEntries(Object.entries(terms).filter(([other]) => other !== name)) });
  return html`<ul class="chips" aria-label="Understood as">
    ${asked.map((each) => html`<li key=${each.name}>
      <span class="soft">${each.label}</span> ${said(each, terms[each.name])}
      ${locked.includes(each.name) && html`<${Icon} name="lock" />`}
      <button type="button" class="quiet" aria-label=${`Leave ${each.label} free`} title="Leave it free" onClick=${() => free(each.name)}><${Icon} name="cross" /></button>
    </li>`)}
    ${!asked.length && html`<li class="bare soft">Anything, as in the data</li>`}
  </ul>`;
}

/** A note when a request is rare in the data, or was never seen. @param {{backend: Backend, about: About, terms: import("../backend.js").Terms}} props */
function Frequency({ backend, about, terms }) {
  const [found, setFound] = useState(/** @type {{text: string, rare: boolean} | null} */ (null));
  const text = JSON.stringify(terms);
  useEffect(() => {
    const control = new AbortController();
    const timer = setTimeout(() => {
      if (text === "{}") return setFound(frequency(about.examples, about.examples));
      return backend.understand(about.name, terms, control.signal).then(
        ({ examples, note }) => {
          setFound(note ? { text: note, rare: true } : frequency(examples, about.examples));
        },
        () => undefined,
      );
    }, 120);
    return () => {
      clearTimeout(timer);
      control.abort();
    };
  }, [text, about.name]);
  return found && html`<p class=${names("frequency", found.rare && "rare")}>${found.text}</p>`;
}
