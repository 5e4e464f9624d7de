/**
 * The interface behind which models answer: over HTTP (server.js) or in the browser itself (runtime/browser.js).
 * Methods that a backend does not have are undefined, and `features` of a model says which of them it supports.
 */

/** @typedef {string | number | boolean} Scalar */
/** A value, one of several, any but these, or a free attribute. @typedef {Scalar | Scalar[] | {not: Scalar | Scalar[]} | null} Term */
/** @typedef {Record<string, Term>} Terms */

/**
 * @typedef {object} ModelInfo
 * @property {string} name
 * @property {number[]} shape [channel, height, width] of images, [dimension] of vectors
 * @property {string} example a request of each attribute
 * @property {boolean} edits
 * @property {string} fingerprint
 * @property {string[]} features
 */

/**
 * @typedef {object} AttributeInfo
 * @property {string} name
 * @property {string} label
 * @property {"categorical" | "flag" | "continuous" | "vector" | "image"} kind
 * @property {{value: Scalar, label: string, count: number | null, picture: string | null}[]} [values]
 * @property {number} [low]
 * @property {number} [high]
 * @property {string} [unit]
 * @property {boolean} [log]
 * @property {boolean} [whole]
 * @property {{edges: number[], counts: number[]}} [histogram]
 * @property {number} [size]
 */

/**
 * @typedef {object} About
 * @property {string} name
 * @property {number[]} shape
 * @property {string} example
 * @property {string} family
 * @property {string} mechanism
 * @property {number} images training images seen
 * @property {string} data
 * @property {string} fingerprint
 * @property {number | null} examples rows of training data
 * @property {boolean} conditional
 * @property {boolean} guided
 * @property {number | null} guidance
 * @property {number | null} steps
 * @property {string[]} samplers
 * @property {boolean} can_leave_free
 * @property {boolean} edits
 * @property {string[]} features
 * @property {AttributeInfo[]} attributes
 * @property {number} most samples at once
 */

/**
 * @typedef {object} SampleBody
 * @property {string | Terms | (string | Terms)[]} request
 * @property {number} [n]
 * @property {number} [seed] of sample 0; sample k has seed + k
 * @property {number | Record<string, number> | null} [guidance]
 * @property {number | null} [steps]
 * @property {string | null} [sampler]
 * @property {boolean} [free]
 * @property {boolean} [extrapolate]
 */

/** Settings of sampling. @typedef {{guidance?: number | Record<string, number>, interval?: [number, number], steps?: number, sampler?: string}} How */
/** @typedef {{text: string, asked: string, notes: string[], terms?: Terms}} Understood */
/** @typedef {{request: number, seed: number, condition: Record<string, string | null>, image?: string, values?: (number | null)[]}} Sample image: base64 */
/** @typedef {{requests: Understood[], samples: Sample[], sources?: Record<string, string | null>[]}} SampleAnswer */
/** Why a model does not edit, and the strength that suits it. @typedef {{why_not: string | null, strength: number}} Editing */
/** @typedef {{asked: string | null, read: string, obeyed: boolean, certainty: number}} Verdict */

/**
 * @typedef {object} Backend
 * @property {() => Promise<{models: ModelInfo[], trains: boolean}>} models
 * @property {(model: string) => Promise<About>} about
 * @property {(model: string, request: string | Terms, signal?: AbortSignal) => Promise<{requests: Understood[], examples: number | null, note: string | null}>} understand
 * @property {(model: string, body: SampleBody, signal?: AbortSignal) => Promise<SampleAnswer>} sample
 * @property {(model: string, wanted: {images: Blob[], request: Terms, source?: Terms, strength?: number | "auto", decoded?: boolean, mask?: Blob}, signal?: AbortSignal) => Promise<SampleAnswer>} [edit]
 * @property {(model: string) => Promise<Editing>} [editing]
 * @property {(model: string, images: Blob[], signal?: AbortSignal) => Promise<{seen: {image: string, condition: Record<string, string | null>}[], note: string | null}>} [look]
 *   images as the model takes them, with what it reads in them; `note` says why it reads nothing
 * @property {(model: string, samples: {image: string, condition: Record<string, string | null>}[], signal?: AbortSignal) => Promise<{verdicts: Record<string, Verdict>[]}>} [judge]
 * @property {(model: string) => Promise<any>} [trainJudge]
 * @property {(model: string, images: string[], signal?: AbortSignal) => Promise<{nearest: {image: string, distance: number, condition: Record<string, string | null>, row: number}[], usual?: number}>} [nearest]
 *   usual: the distance at which real images that were held out have theirs
 * @property {(model: string, wanted: {from: {request: string | Terms, seed: number}, to: {request: string | Terms, seed: number}, steps: number, how?: How}, signal?: AbortSignal) => Promise<{samples: Sample[]}>} [interpolate] `steps` pictures
 * @property {(model: string, signal?: AbortSignal) => Promise<{shares: number[], note: string | null}>} [directions] of the noise, and the share of each in all that noise changes
 * @property {(model: string, wanted: {cells: {request: string | Terms, seed: number, along: Record<string, number>}[], how?: How}, signal?: AbortSignal) => Promise<{samples: Sample[]}>} [along]
 * @property {(model: string, wanted?: Record<string, any>, signal?: AbortSignal) => Promise<any>} [latents]
 * @property {(model: string, request: string | Terms, versus: string | Terms, seed: number, signal?: AbortSignal) => Promise<{samples: Sample[], layers: any[]}>} [film]
 * @property {() => Promise<any>} [jobs]
 * @property {(kind: string, settings: Record<string, any>) => Promise<any>} [start]
 * @property {(id: string, listener: (event: any) => void) => () => void} [events] returns a function that ends listening. The last event
 *   is {end: true}, or {error} if the stream broke
 * @property {(id: string) => Promise<any>} [job] with the result of a measurement
 * @property {(id: string) => Promise<any>} [stop]
 * @property {(id: string, name: string) => Promise<string>} [jobPicture] the address of a picture of samples in training
 * @property {(data: Record<string, any> | string, signal?: AbortSignal) => Promise<any>} [inspect]
 * @property {() => Promise<any>} [choices] data sets with a name, and families of models
 * @property {(family: string) => Promise<any>} [familySettings]
 * @property {(model: string, samples: Sample[]) => Promise<Blob>} dataset a ZIP of a data set folder
 * @property {(model: string) => Promise<any>} [report]
 * @property {(model: string) => string | null} [reportPage] the address of the report's own page. null if it cannot be shown
 */

/** A refused request. `detail` is a sentence for people; `problem` is all that the backend said (RFC 9457). */
export class Refused extends Error {
  /** @param {{status?: number, title?: string, detail?: string, [key: string]: any}} problem */
  constructor(problem) {
    super(problem.detail || problem.title || "The model did not answer.");
    this.problem = problem;
    this.status = problem.status ?? 0;
  }
}

/** @param {unknown} error */
export const aborted = (error) => error instanceof DOMException && error.name === "AbortError";

/** The address of a PNG in base64. @param {string} image */
export const picture = (image) => (image.startsWith("data:") ? image : `data:image/png;base64,${image}`);

/** Whether a model supports something. @param {About | ModelInfo} about @param {string} feature */
export const can = (about, feature) => about.features.includes(feature);

/** Whether a model makes images rather than vectors. @param {{shape: number[]}} about */
export const imaging = (about) => about.shape.length === 3;

/**
 * Runs of consecutive seeds, each of which is one request: [4, 5, 6, 9] is 4 (3 samples) and 9 (1 sample).
 * @param {number[]} seeds
 * @returns {{seed: number, n: number}[]}
 */
export function consecutive(seeds) {
  /** @type {{seed: number, n: number}[]} */
  const found = [];
  for (const seed of seeds) {
    const last = found.at(-1);
    if (last && seed === last.seed + last.n) last.n += 1;
    else found.push({ seed, n: 1 });
  }
  return found;
}

/**
 * Samples of one request with any seeds, in their order.
 * @param {Backend} backend
 * @param {string} model
 * @param {Omit<SampleBody, "seed" | "n">} body
 * @param {number[]} seeds
 * @param {AbortSignal} [signal]
 * @returns {Promise<SampleAnswer>}
 */
export async function sampleSeeds(backend, model, body, seeds, signal) {
  const answers = await Promise.all(
    consecutive(seeds).map((run) => backend.sample(model, { ...body, ...run }, signal)),
  );
  return { requests: answers[0]?.requests ?? [], samples: answers.flatMap((answer) => answer.samples) };
}
