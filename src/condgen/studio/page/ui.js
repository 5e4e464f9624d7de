/** What views and components are made of. The only file that names the libraries behind it. */
import { h, render, Fragment } from "preact";
import htm from "htm";
import { useEffect, useRef, useState } from "preact/hooks";

export { render, Fragment };
export { useCallback, useEffect, useId, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
export const html = htm.bind(h);

/**
 * A store's state, in a component that is drawn again when it changes.
 * @template T
 * @param {{get(): T, subscribe(listener: () => void): () => void}} store
 * @returns {T}
 */
export function useStore(store) {
  const [, redraw] = useState({});
  useEffect(() => store.subscribe(() => redraw({})), [store]);
  return store.get();
}

/**
 * One thing at a time: whether something is under way, and a function that begins it unless something is.
 * @returns {[boolean, (work: () => Promise<unknown> | undefined) => void]}
 */
export function useOnce() {
  const [busy, setBusy] = useState(false);
  const under = useRef(false);
  const turn = (/** @type {boolean} */ way) => setBusy((under.current = way));
  return [busy, (work) => {
    if (under.current) return;
    turn(true);
    Promise.resolve(work()).finally(() => turn(false));
  }];
}

/** Class names of those that hold. @param {...(string | number | boolean | null | undefined)} given */
export const names = (...given) => given.filter(Boolean).join(" ");

const WRITING = "input:not([type=range], [type=checkbox], [type=radio]), textarea, select, dialog";

/** Whether keys belong to an element where somebody writes. @param {EventTarget | null} target */
export const writes = (target) => target instanceof Element && target.closest(WRITING) !== null;
