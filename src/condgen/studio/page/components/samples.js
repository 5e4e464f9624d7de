/** The samples of a store's request, asked for anew whenever it changes. */
import { useEffect, useRef, useState, useStore } from "../ui.js";
import { picture, sampleSeeds } from "../backend.js";
import { decoded, latest } from "../live.js";
import { body } from "../state.js";

/** @typedef {import("../backend.js").Sample} Sample */
/** @typedef {import("../state.js").State} State */
/** @typedef {{samples: (Sample | null)[], state: State}} Shown samples, and the state that they answer */

/**
 * The newest samples. The ones before stay until all new pictures can be drawn, so that nothing flickers.
 * @param {import("../backend.js").Backend} backend
 * @param {string} model
 * @param {import("../state.js").Store} store
 * @returns {{shown: Shown, busy: boolean, problem: string | null}}
 */
export function useSamples(backend, model, store) {
  const state = useStore(store);
  const [shown, show] = useState(/** @type {Shown} */ ({ samples: state.seeds.map(() => null), state }));
  const [problem, setProblem] = useState(/** @type {string | null} */ (null));
  const [busy, setBusy] = useState(true);
  const ask = useRef(/** @type {((wanted: State) => void) | null} */ (null));

  useEffect(() => {
    const asking = latest(
      async (/** @type {State} */ wanted, signal) => {
        const { samples } = await sampleSeeds(backend, model, body(wanted), wanted.seeds, signal);
        await decoded(samples.flatMap(({ image }) => (image ? [picture(image)] : [])));
        return samples;
      },
      (samples, wanted) => {
        show({ samples, state: wanted });
        setProblem(null);
        setBusy(false);
      },
      (error) => {
        setProblem(error.message);
        setBusy(false);
      },
    );
    ask.current = asking;
    return asking.stop;
  }, [backend, model]);
  useEffect(() => {
    setBusy(true);
    ask.current?.(state);
  }, [JSON.stringify([body(state), state.seeds])]);
  return { shown, busy, problem };
}
