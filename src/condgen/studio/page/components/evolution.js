/** The same requests and seeds as training goes on: the latest picture, and a slider through all before it. */
import { html, useEffect, useState } from "../ui.js";
import { count } from "../training.js";
import { pictureOf } from "./following.js";

const STEP = 140; // milliseconds a picture when they are played

/** @param {{backend: import("../backend.js").Backend, id: string, names: string[], live: boolean}} props */
export function Evolution({ backend, id, names: all, live }) {
  const [chosen, setChosen] = useState(/** @type {number | null} */ (null)); // null follows the latest
  const [playing, setPlaying] = useState(false);
  const [address, setAddress] = useState("");
  const last = all.length - 1;
  const at = chosen === null ? last : Math.min(chosen, last);
  useEffect(() => {
    let wanted = true;
    if (all[at]) pictureOf(backend, id, all[at]).then((found) => wanted && setAddress(found), () => {});
    return () => void (wanted = false);
  }, [id, all[at]]);
  useEffect(() => void all.forEach((name) => pictureOf(backend, id, name).catch(() => {})), [id, all.length]);
  useEffect(() => {
    if (!playing) return undefined;
    const timer = setTimeout(() => (at < last ? setChosen(at + 1) : stop()), STEP);
    return () => clearTimeout(timer);
  }, [playing, at, last]);

  const stop = () => {
    setPlaying(false);
    setChosen(null);
  };
  const play = () => {
    setChosen(0);
    setPlaying(true);
  };
  const images = count(Number(all[at] ?? 0));
  return html`<figure class="evolution">
    ${address ? html`<img src=${address} alt=${`Samples after ${images} images`} />` : html`<div class="empty soft">${live ? "The first samples come soon." : "No samples were kept."}</div>`}
    ${all.length > 1 && html`<figcaption>
      <button class="quiet" onClick=${playing ? stop : play}>${playing ? "Pause" : "Play"}</button>
      <input type="range" min="0" max=${last} value=${at} aria-label="Moment in training" aria-valuetext=${`after ${images} images`}
        onInput=${(/** @type {any} */ event) => {
          setPlaying(false);
          setChosen(Number(event.target.value) === last ? null : Number(event.target.value));
        }} />
      <span class="small soft">${images} images${live && chosen === null ? " · live" : ""}</span>
    </figcaption>`}
  </figure>`;
}
