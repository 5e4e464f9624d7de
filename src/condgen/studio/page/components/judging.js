/** The judge's verdicts on samples: on demand, and again when the samples change. */
import { html, useEffect, useState } from "../ui.js";
import { can, imaging } from "../backend.js";
import { failed, toast } from "./toast.js";
import { Icon } from "./icon.js";

/** @typedef {Record<string, import("../backend.js").Verdict>} Verdicts */
/** @typedef {import("../backend.js").Sample} Sample */
/** @typedef {import("../backend.js").Backend} Backend */
/** @typedef {import("../backend.js").About} About */

/**
 * @param {{backend: Backend, about: About, samples: (Sample | null)[]}} props
 */
export function useJudge({ backend, about, samples }) {
  const [on, turn] = useState(false);
  const [state, setState] = useState(/** @type {{of: unknown, verdicts: Verdicts[]}} */ ({ of: null, verdicts: [] }));
  const offered = Boolean(backend.judge && can(about, "judge") && imaging(about));
  useEffect(() => {
    const found = samples.flatMap((each) => (each?.image ? [{ image: each.image, condition: each.condition }] : []));
    if (!on || !offered || found.length < samples.length) return undefined;
    const control = new AbortController();
    /** @param {{verdicts: Verdicts[]}} answer */
    const answered = ({ verdicts }) => setState({ of: samples, verdicts });
    const ask = () => backend.judge?.(about.name, found, control.signal).then(answered, refused);
    /** @param {any} error */
    const refused = (error) => {
      if (control.signal.aborted) return;
      turn(false);
      if (error.problem?.needs === "judge") train(backend, about, error.problem.seconds, () => turn(true));
      else failed(error);
    };
    const timer = setTimeout(ask, 300);
    return () => {
      clearTimeout(timer);
      control.abort();
    };
  }, [on, samples, offered]);
  return { offered, on, turn: () => turn(!on), verdicts: on && state.of === samples ? state.verdicts : [] };
}

/** Trains a judge, and goes on when it is there. @param {Backend} backend @param {About} about @param {number | undefined} seconds @param {() => void} ready */
function train(backend, about, seconds, ready) {
  const time = seconds ? `, about ${seconds < 90 ? `${Math.ceil(seconds)} seconds` : `${Math.ceil(seconds / 60)} minutes`}` : "";
  toast(`A judge is trained on real data first${time}.`);
  backend.trainJudge?.(about.name).then((job) => {
    if (!job?.id || !backend.events) return void ready();
    const end = backend.events(job.id, (event) => {
      if (event.error) failed(new Error(event.error));
      if (event.error || ["done", "failed", "stopped"].includes(event.state)) {
        end();
        if (event.state === "done") ready();
      }
    });
    return undefined;
  }, failed);
}

/** @param {{judge: ReturnType<typeof useJudge>}} props */
export const JudgeButton = ({ judge }) => judge.offered && html`<button class="shrinks" aria-pressed=${judge.on} onClick=${judge.turn}
  title="An independent judge, trained on real data, reads every picture"><${Icon} name="check" /><span>Judge</span></button>`;
