/** Following a job of the server: its news, as they come, and the pictures of samples in training. */
import { html, useEffect, useState } from "../ui.js";
import { heard, marked, nothing, over } from "../training.js";

const AGAIN = 2000; // milliseconds until a broken stream is asked for once more

/**
 * A job and all that is known of it. Nothing without an id.
 * @param {import("../backend.js").Backend} backend
 * @param {string | null} id
 * @returns {import("../training.js").Followed}
 */
export function useJob(backend, id) {
  const [followed, setFollowed] = useState(nothing);
  useEffect(() => {
    setFollowed(nothing());
    if (!id || !backend.events) return undefined;
    let end = () => {};
    let timer = 0;
    const follow = () => {
      let found = nothing(); // the whole story is told again
      end = /** @type {NonNullable<typeof backend.events>} */ (backend.events)(id, (event) => {
        if (event.type) {
          found = heard(found, event);
          setFollowed(found);
        } else if (!over(found.job) && event.status !== 404) timer = window.setTimeout(follow, AGAIN);
      });
    };
    follow();
    return () => {
      end();
      clearTimeout(timer);
    };
  }, [backend, id]);
  return followed;
}

/** @type {Map<string, Promise<string>>} */
const kept = new Map();

/**
 * The address of a picture of a job, fetched once.
 * @param {import("../backend.js").Backend} backend
 * @param {string} id
 * @param {string} name
 */
export function pictureOf(backend, id, name) {
  const key = `${id}/${name}`;
  const found = kept.get(key) ?? (backend.jobPicture ? backend.jobPicture(id, name) : Promise.reject(new Error("no pictures")));
  kept.set(key, found);
  found.catch(() => kept.delete(key));
  return found;
}

/** Text in which settings stand in backquotes. @param {{text: string}} props */
export const Said = ({ text }) => html`${marked(text).map((part, k) => (k % 2 ? html`<code>${part}</code>` : part))}`;
