/** The backend on a server: `condgen studio`'s addresses, relative to the page's own. */
import { Refused } from "./backend.js";

const JSON_TYPE = { "Content-Type": "application/json" };

/** The token that came with the page's address (`#token=…&/view`), kept for this tab alone. */
function token() {
  const [, given = "", rest = ""] = /^#token=([^&]+)&?(.*)$/.exec(location.hash) ?? [];
  if (given) history.replaceState(null, "", `#${rest || "/"}`);
  const secret = decodeURIComponent(given);
  try {
    if (secret) sessionStorage.setItem("condgen.token", secret);
    return sessionStorage.getItem("condgen.token");
  } catch {
    return secret;
  }
}

/** A message to programs in the words of the page: members of a body as settings, without what the page has no control for. @param {string} text */
export const forPeople = (text) => text.replace(/, or [^,.]*\(`"extrapolate": true`\)/g, "")
  .replace(/`"[a-z_]+"(: [^`]+)?`/g, (members) => members.replace(/"([a-z_]+)": /g, "$1 = ").replace(/^`"([a-z_]+)"`$/, "`$1`"));

/** @param {any} problem */
const told = ({ detail, ...rest }) => new Refused({ ...rest, detail: detail && forPeople(detail) });

/** @param {Response} response */
async function refused(response) {
  const problem = await response.json().catch(() => ({ title: response.statusText }));
  return told({ status: response.status, ...problem });
}

/**
 * @param {string} base
 * @returns {import("./backend.js").Backend}
 */
export function connect(base = "") {
  const secret = token();
  /** @type {Record<string, string>} */
  const known = secret ? { Authorization: `Bearer ${secret}` } : {};

  /** @param {string} path @param {RequestInit} [options] */
  async function call(path, options = {}) {
    let response;
    try {
      response = await fetch(base + path, { ...options, headers: { Accept: "application/json", ...known, ...options.headers } });
    } catch (error) {
      if (options.signal?.aborted) throw error;
      throw new Refused({ detail: "The server does not answer. Is it still running?" });
    }
    if (!response.ok) throw await refused(response);
    return response;
  }
  /** @param {string} path @param {AbortSignal} [signal] */
  const get = async (path, signal) => (await call(path, { signal })).json();
  /** @param {string} path @param {unknown} body @param {AbortSignal} [signal] */
  const send = (path, body, signal) => call(path, { method: "POST", body: JSON.stringify(body ?? {}), headers: JSON_TYPE, signal });
  /** @param {string} path @param {unknown} [body] @param {AbortSignal} [signal] */
  const post = async (path, body, signal) => (await send(path, body, signal)).json();
  /** @param {string} model */
  const of = (model) => `studio/${encodeURIComponent(model)}`;
  /** @param {string} model */
  const v1 = (model) => `v1/${encodeURIComponent(model)}`;

  return {
    models: () => get("studio/models"),
    about: (model) => get(`${of(model)}/about`),
    understand: async (model, request, signal) => {
      const { unclear, ...found } = await post(`${of(model)}/understand`, { request }, signal);
      if (unclear) throw told(unclear);
      return found;
    },
    sample: (model, body, signal) => post(`${v1(model)}/sample`, { ...body, format: "json" }, signal),
    edit: async (model, wanted, signal) => (await call(`${v1(model)}/edit`, { method: "POST", body: form(wanted), signal })).json(),
    editing: (model) => get(`${of(model)}/editing`),
    look: async (model, images, signal) => (await call(`${of(model)}/look`, { method: "POST", body: form({ images }), signal })).json(),
    judge: (model, samples, signal) => post(`${of(model)}/judge`, { samples }, signal),
    trainJudge: (model) => post(`${of(model)}/judge/train`),
    nearest: (model, images, signal) => post(`${of(model)}/nearest`, { images }, signal),
    interpolate: (model, wanted, signal) => post(`${of(model)}/interpolate`, wanted, signal),
    directions: (model, signal) => get(`${of(model)}/directions`, signal),
    along: (model, wanted, signal) => post(`${of(model)}/along`, wanted, signal),
    latents: (model, wanted, signal) => get(`${of(model)}/latents${query(wanted)}`, signal),
    film: (model, request, versus, seed, signal) => post(`${of(model)}/film`, { request, versus, seed }, signal),
    report: (model) => get(`${of(model)}/report`),
    reportPage: (model) => (secret ? null : `${base}${of(model)}/report/page`), // a frame cannot send a token
    jobs: () => get("studio/jobs"),
    start: (kind, settings) => post("studio/jobs", { kind, settings }),
    stop: (id) => post(`studio/jobs/${encodeURIComponent(id)}/stop`),
    events: (id, listener) => events(call, `studio/jobs/${encodeURIComponent(id)}/events`, listener),
    job: (id) => get(`studio/jobs/${encodeURIComponent(id)}`),
    jobPicture: async (id, name) => URL.createObjectURL(await (await call(`studio/jobs/${encodeURIComponent(id)}/pictures/${name}`)).blob()),
    inspect: (data, signal) => post("studio/inspect", typeof data === "string" ? { data } : data, signal),
    choices: () => get("studio/choices"),
    familySettings: (family) => get(`studio/choices/${encodeURIComponent(family)}`),
    dataset: async (model, samples) => (await send(`${of(model)}/dataset`, { samples })).blob(),
  };
}

/** @param {Record<string, any>} [wanted] */
function query(wanted) {
  const text = new URLSearchParams(Object.entries(wanted ?? {}).map(([name, value]) => [name, String(value)])).toString();
  return text && `?${text}`;
}

/** A field of a form. @param {any} value */
const written = (value) => (typeof value === "object" ? JSON.stringify(value) : String(value));

/** A form, with terms in JSON: as text, vectors would be cut short. @param {{images: Blob[], request?: import("./backend.js").Terms, source?: import("./backend.js").Terms, strength?: number | "auto", decoded?: boolean, mask?: Blob}} wanted */
export function form({ images, ...fields }) {
  const data = new FormData();
  for (const image of images) data.append("image", image, image instanceof File ? image.name : "image.png");
  for (const [name, value] of Object.entries(fields)) if (value != null) data.append(name, value instanceof Blob ? value : written(value));
  data.append("format", "json");
  return data;
}

/**
 * Server-sent events, read by fetch so that a token can go along. Each event's data is JSON.
 * @param {(path: string, options: RequestInit) => Promise<Response>} call
 * @param {string} path
 * @param {(event: any) => void} listener
 */
function events(call, path, listener) {
  const control = new AbortController();
  const read = async () => {
    const response = await call(path, { signal: control.signal, headers: { Accept: "text/event-stream" } });
    const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
    const decoder = new TextDecoder();
    let text = "";
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      const messages = (text + decoder.decode(part.value, { stream: true })).split(/\r?\n\r?\n/);
      text = messages.pop() ?? "";
      for (const message of messages) {
        const data = message.split(/\r?\n/).filter((line) => line.startsWith("data:")).map((line) => line.slice(5)).join("\n");
        if (data) listener(JSON.parse(data));
      }
    }
  };
  read().then(
    () => listener({ end: true }),
    (error) => control.signal.aborted || listener({ error: error.message, status: error.status }),
  );
  return () => control.abort();
}
