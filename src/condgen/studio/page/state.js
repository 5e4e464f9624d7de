/** A model's request, its settings and its seeds: changed, undone, redone, and written into the page's address. */

/** @typedef {import("./backend.js").Term} Term */
/** @typedef {import("./backend.js").Terms} Terms */

/**
 * @typedef {object} State
 * @property {Terms} terms what is asked of each attribute; those left out are free
 * @property {string[]} locked attributes that "surprise me" leaves as they are
 * @property {number[]} seeds one per image
 * @property {number[]} kept seeds that "new seeds" leaves as they are
 * @property {number | Record<string, number> | null} guidance
 * @property {[number, number] | null} interval times at which guidance acts, if not always; noise is at 0 and data at 1
 * @property {number | null} steps
 * @property {string | null} sampler
 * @property {boolean} free leave free attributes to the model, instead of drawing them from the data
 * @property {Record<string, string>} more what other views add to the address, by names with a dot: `explore.x`
 */

/** @typedef {{get(): State, set(change: Partial<State>, merge?: string): void, undo(): void, redo(): void,
 *   undoable(): boolean, redoable(): boolean, subscribe(listener: () => void): () => void}} Store */

const TOGETHER = 700; // milliseconds within which changes of the same thing are one step of undo
const MOST = 200; // steps of undo
export const SEEDS = 2 ** 31; // new seeds are below it

/** @param {number} first @param {number} n */
export const seedsFrom = (first, n) => Array.from({ length: n }, (_, k) => first + k);

export const newSeed = () => Math.floor(Math.random() * SEEDS);

/** @param {Partial<State>} [given] @returns {State} */
export const initial = (given) => ({
  terms: {}, locked: [], seeds: seedsFrom(0, 16), kept: [],
  guidance: null, interval: null, steps: null, sampler: null, free: false, more: {},
  ...given,
});

/**
 * A store. Changes with the same `merge` in quick succession, such as a slider's, are one step of undo.
 * @param {State} first
 * @param {() => number} now milliseconds
 * @returns {Store}
 */
export function createStore(first = initial(), now = Date.now) {
  let state = first;
  /** @type {State[]} */ let before = [];
  /** @type {State[]} */ let after = [];
  /** @type {{merge?: string, at: number}} */ let last = { at: -Infinity };
  /** @type {Set<() => void>} */
  const listeners = new Set();
  const tell = () => listeners.forEach((listener) => listener());
  /** @param {State[]} from @param {State[]} to */
  const step = (from, to) => {
    const found = from.pop();
    if (!found) return;
    to.push(state);
    state = found;
    last = { at: -Infinity };
    tell();
  };
  return {
    get: () => state,
    set(change, merge) {
      const next = { ...state, ...change };
      if (JSON.stringify(next) === JSON.stringify(state)) return;
      const same = merge !== undefined && merge === last.merge && now() - last.at < TOGETHER;
      if (!same) before = [...before, state].slice(-MOST);
      last = { merge, at: now() };
      after = [];
      state = next;
      tell();
    },
    undo: () => step(before, after),
    redo: () => step(after, before),
    undoable: () => before.length > 0,
    redoable: () => after.length > 0,
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}

// ---- changes

/** Ask something of an attribute. undefined leaves it free. @param {State} state @param {string} name @param {Term | undefined} term */
export function asked(state, name, term) {
  const { [name]: _, ...terms } = state.terms;
  return { terms: term === undefined || term === null ? terms : { ...terms, [name]: term } };
}

/** @param {string[] | number[]} list @param {any} one */
export const toggled = (list, one) => (list.some((each) => each === one) ? list.filter((each) => each !== one) : [...list, one]);

/** New seeds for all images but those kept. @param {State} state @param {number} first */
export function reseeded({ seeds, kept }, first) {
  let next = first;
  return { seeds: seeds.map((seed) => (kept.includes(seed) ? seed : next++)) };
}

/** A number of images: kept ones stay, further ones have seeds after the last. @param {State} state @param {number} n */
export function resized({ seeds }, n) {
  const last = seeds.at(-1) ?? -1;
  return { seeds: n <= seeds.length ? seeds.slice(0, n) : [...seeds, ...seedsFrom(last + 1, n - seeds.length)] };
}

/** Whether a guidance changes anything: a weight of 1 does not. @param {State["guidance"]} guidance */
export const guides = (guidance) =>
  (guidance !== null && typeof guidance === "object" ? Object.values(guidance) : [guidance]).some((weight) => weight !== 1);

/**
 * What sampling needs besides seeds. An interval waits as long as there is no guidance.
 * @param {State} state
 * @returns {{request: Terms, guidance?: number | Record<string, number>, interval?: [number, number], steps?: number, sampler?: string, free?: boolean}}
 */
export function body({ terms, guidance, interval, steps, sampler, free }) {
  const settings = { guidance, interval: guides(guidance) ? interval : null, steps, sampler, free: free || null };
  const given = Object.entries(settings).filter(([, value]) => value !== null);
  return { request: terms, ...Object.fromEntries(given) };
}

// ---- the address

const SETTINGS = /** @type {const} */ (["guidance", "interval", "steps", "sampler"]);

/** A value as text that reads as itself: strings bare where nothing else reads so. @param {any} value */
function written(value) {
  return typeof value === "string" && typeof read(value) === "string" && read(value) === value ? value : JSON.stringify(value);
}

/** @param {string} text */
function read(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/**
 * A state as the parameters of an address: `is.digit="7"&seed=12&n=16`.
 * @param {State} state
 */
export function toQuery(state) {
  const query = new URLSearchParams();
  for (const [name, term] of Object.entries(state.terms)) query.set(`is.${name}`, written(term));
  if (state.locked.length) query.set("lock", JSON.stringify(state.locked));
  const [first = 0] = state.seeds;
  const following = state.seeds.every((seed, k) => seed === first + k);
  if (!following) query.set("seeds", state.seeds.join(" "));
  else if (first || state.seeds.length !== 16) query.set("seeds", `${first}+${state.seeds.length}`);
  if (state.kept.length) query.set("kept", state.kept.join(" "));
  for (const name of SETTINGS) if (state[name] !== null) query.set(name, written(state[name]));
  if (state.free) query.set("free", "true");
  for (const [name, text] of Object.entries(state.more)) query.set(name, text);
  return query.toString();
}

/** @param {string | null} text */
function seedsOf(text) {
  const [, first, n] = /^(\d+)\+(\d+)$/.exec(text ?? "") ?? [];
  return n ? seedsFrom(Number(first), Math.min(Number(n), 1024)) : (text ?? "").split(" ").filter((part) => /^\d+$/.test(part)).map(Number);
}

/**
 * The state in an address. What it does not say is as at first; what no state has is left out.
 * @param {string} text
 * @returns {State}
 */
export function fromQuery(text) {
  const query = new URLSearchParams(text);
  /** @type {Record<string, any>} */ const given = {};
  /** @type {Terms} */ const terms = {};
  /** @type {Record<string, string>} */ const more = {};
  for (const [name, value] of query) {
    if (name.startsWith("is.")) terms[name.slice(3)] = read(value);
    else if (name.includes(".")) more[name] = value;
  }
  for (const name of SETTINGS) if (query.has(name)) given[name] = read(query.get(name) ?? "");
  const seeds = seedsOf(query.get("seeds"));
  const locked = read(query.get("lock") ?? "[]");
  return initial({
    ...given, terms, more,
    ...(seeds.length ? { seeds } : {}),
    kept: seedsOf(query.get("kept")),
    locked: Array.isArray(locked) ? locked : [],
    free: query.get("free") === "true",
  });
}
