/** What the page makes of a job's news: its state, its curves, its pictures; and numbers in words. */

/** @typedef {{task: string, done: number, total: number | null, unit: string, left: number | null, values: Record<string, number>}} Task */
/**
 * @typedef {object} Job
 * @property {string} id
 * @property {"train" | "resume" | "evaluate" | "doctor" | "judge"} kind
 * @property {string} model
 * @property {string} run its folder's name
 * @property {"queued" | "running" | "done" | "stopped" | "failed"} state
 * @property {boolean} stopping
 * @property {string} error
 * @property {string} command
 * @property {number | null} images seen, when the run was last saved
 * @property {number | null} total
 * @property {number[] | null} shape of an example
 * @property {string[]} notes
 * @property {string} alarm a failure that holds at present
 * @property {Task[]} tasks
 * @property {any} [result]
 */
/** @typedef {{images: number, warning?: string, [name: string]: any}} Entry */
/** @typedef {{job: Job | null, log: Entry[], pictures: string[]}} Followed */
/** @typedef {{name: string, points: [number, number][]}} Line */
/** @typedef {{title: string, lines: Line[]}} Chart */

const VALIDATION = "validation/";
const POINTS = 160; // of a line
const ENDED = 5; // failed and stopped trainings to show

/** @returns {Followed} */
export const nothing = () => ({ job: null, log: [], pictures: [] });

/** Take in one piece of news. @param {Followed} before @param {any} event @returns {Followed} */
export function heard(before, event) {
  switch (event.type) {
    case "job":
      return { ...before, job: event };
    case "log":
      return { ...before, log: event.again ? event.entries : [...before.log, ...event.entries] };
    case "pictures":
      return { ...before, pictures: [...new Set([...before.pictures, ...event.names])].sort() };
    default:
      return before;
  }
}

/** @param {Job | null} job */
export const over = (job) => job !== null && job.state !== "queued" && job.state !== "running";

/** Whether a job trains a model. @param {{kind: string}} job */
export const trains = (job) => job.kind === "train" || job.kind === "resume";

/** Trainings that failed or were stopped, and of whose run nothing later is known, the newest first. @param {Job[]} jobs newest first */
export function broken(jobs) {
  const last = new Map(jobs.filter(trains).toReversed().map((job) => [job.run, job]));
  return jobs.filter((job) => last.get(job.run) === job && (job.state === "failed" || job.state === "stopped")).slice(0, ENDED);
}

/** The outermost task, or the one of that name. @param {Job} job @param {string} [name] */
export const task = (job, name) => job.tasks.find((each) => !name || each.task === name);

/** Whether a job trains on rows of numbers, which have no pictures. @param {{shape: number[] | null}} job */
export const ofRows = ({ shape }) => shape?.length === 1;

/** The name of what it sees. @param {{shape: number[] | null}} job */
export const unit = (job) => (ofRows(job) ? "rows" : "images");

/** The share of a job that is done, if something is and it is known. @param {Job} job */
export function share(job) {
  const found = task(job, "training") ?? task(job);
  if (job.state === "done") return 1;
  return found?.total && found.done ? Math.min(found.done / found.total, 1) : null;
}

/** At most so many points, each the mean of a group of neighbours. @param {[number, number][]} points @param {number} most @returns {[number, number][]} */
export function thinned(points, most = POINTS) {
  const size = Math.ceil(points.length / most);
  if (size < 2) return points;
  return Array.from({ length: Math.ceil(points.length / size) }, (_, k) => {
    const group = points.slice(k * size, (k + 1) * size);
    const mean = (/** @type {0 | 1} */ i) => group.reduce((sum, point) => sum + point[i], 0) / group.length;
    return [mean(0), mean(1)];
  });
}

/** A chart for every number in a log, with its validation series. The losses come first. @param {Entry[]} log @returns {Chart[]} */
export function charts(log) {
  /** @type {Map<string, Map<string, [number, number][]>>} */
  const found = new Map();
  for (const entry of log) {
    for (const [name, value] of Object.entries(entry)) {
      if (name === "images" || typeof value !== "number" || !Number.isFinite(value)) continue;
      const title = name.startsWith(VALIDATION) ? name.slice(VALIDATION.length) : name;
      const lines = found.get(title) ?? new Map();
      const line = name === title ? "training" : "validation";
      lines.set(line, [...(lines.get(line) ?? []), [entry.images, value]]);
      found.set(title, lines);
    }
  }
  const made = [...found].map(([title, lines]) => ({
    title,
    lines: [...lines].map(([name, points]) => ({ name, points: thinned(points) })),
  }));
  return made.sort((a, b) => Number(isLoss(b.title)) - Number(isLoss(a.title)));
}

/** The warnings of the last look at the model. @param {Entry[]} log */
export function holding(log) {
  const look = log.findLast((entry) => "diversity" in entry)?.images ?? Infinity;
  return log.flatMap(({ images, warning }) => (warning && images >= look ? [warning] : []));
}

/** @param {string} title */
export const isLoss = (title) => title === "loss" || title.endsWith("/loss");

/** The lowest and the highest value to show. The first steps, far above all others, are cut off. @param {Line[]} lines @returns {[number, number]} */
export function span(lines) {
  const end = Math.max(...lines.flatMap(({ points }) => points.map(([x]) => x)));
  const late = lines.flatMap(({ points }) => points.filter(([x], k) => x > end / 20 || k === points.length - 1).map(([, y]) => y));
  const [low, high] = [Math.min(...late), Math.max(...late)];
  const room = (high - low || Math.abs(high) || 1) * 0.06;
  return [low - room, high + room];
}

/** A time in its two largest units. @param {number} seconds */
export function duration(seconds) {
  const whole = Math.max(Math.round(seconds), 0);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  if (hours) return `${hours} h ${minutes} min`;
  if (minutes >= 10) return `${minutes} min`;
  return minutes ? `${minutes} min ${whole % 60} s` : `${whole} s`;
}

/** @param {number | null} n null is unknown */
export const count = (n) => (n === null ? "–" : n.toLocaleString("en").replaceAll(",", "\u202f"));

/** A number to three digits. @param {number} value */
export const short = (value) => (Math.abs(value) >= 1000 ? count(Math.round(value)) : String(Number(value.toPrecision(3))));

/** Text with its parts in backquotes apart: [text, code, text, …]. @param {string} text */
export const marked = (text) => text.split("`");

/** @param {string} text */
export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
