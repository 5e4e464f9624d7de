/** The judge's verdicts on samples: on demand, and again when the samples change. */
import { html, useEffect, useState } from "../ui.js";
import { can, imaging } from "../backend.js";
import { Dialog } from "./dialog.js";
import { failed } from "./toast.js";
import { Icon } from "./icon.js";

/** @typedef {Record<string, import("../backend.js").Verdict>} Verdicts */
/** @typedef {import("../backend.js").Sample} Sample */
/** @typedef {import("../backend.js").Backend} Backend */
/** @typedef {import("../backend.js").About} About */

/**
 * The verdicts on samples while `on`. Without a judge, `needs` holds the seconds that its training takes, and `train` starts it.
 * @param {{backend: Backend, about: About, samples: (Sample | null)[]}} props
 */
export function useJudge({ backend, about, samples }) {
  const [on, turn] = useState(false);
  const [needs, setNeeds] = useState(/** @type {number | null} */ (null));
  const [training, setTraining] = useState("");
  const [state, setState] = useState(/** @type {{of: unknown, verdicts: Verdicts[]}} */ ({ of: null, verdicts: [] }));
  const offered = Boolean(backend.judge && can(about, "judge") && imaging(about));
  useEffect(() => {
    const found = samples.flatMap((each) => (each?.image ? [{ image: each.image, condition: each.condition }] : []));
    if (!on || !offered || found.length < samples.length) return undefined;
    const control = new AbortController();
    /** @param {{verdicts: Verdicts[]}} answer */
    const answered = ({ verdicts }) => setState({ of: samples, verdicts });
    /** @param {any} error */
    const refused = (error) => {
      if (control.signal.aborted) return;
      turn(false);
      if (error.problem?.needs === "judge") setNeeds(error.problem.seconds ?? 60);
      else failed(error);
    };
    const timer = setTimeout(() => backend.judge?.(about.name, found, control.signal).then(answered, refused), 300);
    return () => {
      clearTimeout(timer);
      control.abort();
    };
  }, [on, samples, offered]);
  const train = () => {
    setNeeds(null);
    setTraining("Training a judge");
    follow(backend, about.name, setTraining).then(() => turn(true), failed).finally(() => setTraining(""));
  };
  return {
    offered, on, needs, training, train, turn: () => turn(!on), leave: () => setNeeds(null),
    verdicts: on && state.of === samples ? state.verdicts : [],
  };
}

/** Trains a judge, or follows the training that is under way. Resolves when the judge is there. @param {Backend} backend @param {string} model @param {(text: string) => void} tell */
async function follow(backend, model, tell) {
  const known = await backend.jobs?.();
  const running = known?.jobs.find((/** @type {any} */ job) => job.kind === "judge" && job.model === model && !job.ended);
  const job = running ?? (await backend.trainJudge?.(model));
  await new Promise((resolve, reject) => {
    const end = backend.events?.(job.id, (event) => {
      const { done, total } = event.tasks?.at(-1) ?? {};
      if (total) tell(`Training a judge: ${Math.floor((100 * done) / total)}\u202f%`);
      if (event.state === "done") resolve(end?.());
      if (event.error || ["failed", "stopped"].includes(event.state)) reject(new Error(event.error || "The judge's training was stopped."));
    });
  });
}

/** @param {number} seconds */
const roughly = (seconds) => (seconds < 90 ? `${Math.ceil(seconds / 10) * 10} seconds` : `${Math.round(seconds / 60)} minutes`);

/** @param {{judge: ReturnType<typeof useJudge>}} props */
export const JudgeButton = ({ judge }) => judge.offered && html`
  <button class=${judge.training ? "" : "shrinks"} aria-pressed=${judge.on} disabled=${Boolean(judge.training)} onClick=${judge.turn}
    title="An independent judge, trained on real data, reads every picture"><${Icon} name="check" /><span>${judge.training || "Judge"}</span></button>
  <${Dialog} title="No judge yet" open=${judge.needs !== null} close=${judge.leave}>
    <p>The judge reads every attribute from a picture, and says whether it is as asked. It is trained on real data only, once, and then kept.
      Here that takes about ${roughly(judge.needs ?? 0)}.</p>
    <button class="main" onClick=${judge.train}>Train a judge</button>
  <//>`;
