/** Something that is asked of a backend, again whenever its input changes. What came before stays until then. */
import { useEffect, useRef, useState } from "../ui.js";
import { latest } from "../live.js";

/**
 * @template In, Out
 * @param {(input: In, signal: AbortSignal) => Promise<Out>} work
 * @param {In | null} input null asks nothing
 * @param {unknown[]} [of] starts anew where one of these changes
 * @returns {{found: Out | null, problem: string, busy: boolean}}
 */
export function useAsked(work, input, of = []) {
  /** @type {{found: Out | null, problem: string, busy: boolean}} */ const nothing = { found: null, problem: "", busy: true };
  const [state, show] = useState(nothing);
  const ask = useRef(/** @type {any} */ (null));
  const doing = useRef(work);
  doing.current = work;
  useEffect(() => {
    const asking = latest(
      (/** @type {In} */ wanted, signal) => doing.current(wanted, signal),
      (found) => show({ found, problem: "", busy: false }),
      (error) => show((before) => ({ ...before, problem: error.message, busy: false })),
    );
    ask.current = asking;
    return asking.stop;
  }, of);
  useEffect(() => {
    if (input === null) return;
    show((before) => ({ ...before, busy: true }));
    ask.current(input);
  }, [JSON.stringify(input), ...of]);
  return state;
}
