/** The part of a photograph that may change: a rectangle, drawn or set, or a picture of it. */
import { html, useRef } from "../ui.js";
import { picture } from "../backend.js";
import { Slider } from "../components/slider.js";

/** In pixels of the model's pictures: the edges of a rectangle. @typedef {{left: number, top: number, right: number, bottom: number}} Area */
/** A part of a photograph. White pixels of the mask may change. @typedef {{key: number, mask: Blob, area?: Area, name?: string}} Part */
/** @typedef {import("./photos.js").Photo} Photo */

const EDGES = /** @type {const} */ (["left", "right", "top", "bottom"]);
let count = 0;

/** A rectangle as a part. @param {Area} area @param {number} width @param {number} height @returns {Promise<Part>} */
export async function partOf(area, width, height) {
  const canvas = new OffscreenCanvas(width, height);
  const context = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.fillRect(0, 0, width, height);
  context.fillStyle = "white";
  context.fillRect(area.left, area.top, area.right - area.left, area.bottom - area.top);
  return { key: (count += 1), mask: await canvas.convertToBlob(), area };
}

/** A rectangle whose edges are in order, at least a pixel apart and inside. @param {Area} area @param {number} width @param {number} height @returns {Area} */
export function inside({ left, top, right, bottom }, width, height) {
  const [l, r] = span(left, right, width);
  const [t, b] = span(top, bottom, height);
  return { left: l, top: t, right: r, bottom: b };
}

/** @param {number} a @param {number} b @param {number} size @returns {[number, number]} */
function span(a, b, size) {
  const first = Math.min(Math.max(Math.round(Math.min(a, b)), 0), size - 1);
  return [first, Math.min(Math.max(Math.round(Math.max(a, b)), first + 1), size)];
}

/** The rectangle on a picture. @param {{area: Area, shape: number[]}} props */
export const Frame = ({ area, shape: [, height, width] }) => html`<div class="frame" style=${{
  left: `${(100 * area.left) / width}%`, top: `${(100 * area.top) / height}%`,
  width: `${(100 * (area.right - area.left)) / width}%`, height: `${(100 * (area.bottom - area.top)) / height}%`,
}}></div>`;

/**
 * A photograph on which a rectangle is drawn.
 * @param {{photo: Photo, shape: number[], limit: (part: Part | undefined) => void}} props
 */
export function Drawing({ photo, shape, limit }) {
  const [, height, width] = shape;
  const start = useRef(/** @type {{x: number, y: number} | null} */ (null));
  /** The place of the pointer in pixels of the model's pictures. @param {PointerEvent} event */
  const at = (event) => {
    const box = /** @type {HTMLElement} */ (event.currentTarget).getBoundingClientRect();
    return { x: ((event.clientX - box.left) / box.width) * width, y: ((event.clientY - box.top) / box.height) * height };
  };
  const down = (/** @type {PointerEvent} */ event) => {
    event.preventDefault();
    /** @type {HTMLElement} */ (event.currentTarget).setPointerCapture(event.pointerId);
    start.current = at(event);
  };
  const move = (/** @type {PointerEvent} */ event) => {
    if (!start.current) return;
    const [from, to] = [start.current, at(event)];
    partOf(inside({ left: from.x, top: from.y, right: to.x, bottom: to.y }, width, height), width, height).then(limit);
  };
  const up = (/** @type {PointerEvent} */ event) => {
    move(event);
    start.current = null;
  };
  return html`<figure class="before-after drawing" onPointerDown=${down} onPointerMove=${move} onPointerUp=${up} onPointerCancel=${up}>
    <img src=${picture(photo.image)} alt=${photo.name} draggable=${false} />
    ${photo.part?.area && html`<${Frame} area=${photo.part.area} shape=${shape} />`}
  </figure>`;
}

/**
 * The edges of the rectangle, a mask of one's own, and the way back to the whole picture.
 * @param {{photo: Photo, shape: number[], limit: (part: Part | undefined) => void}} props
 */
export function Edges({ photo, shape: [, height, width], limit }) {
  const whole = { left: 0, top: 0, right: width, bottom: height };
  const area = photo.part?.area ?? whole;
  /** @param {keyof Area} edge @param {number} value */
  const moved = (edge, value) => partOf({ ...area, [edge]: value }, width, height).then(limit);
  const bounds = { left: [0, area.right - 1], right: [area.left + 1, width], top: [0, area.bottom - 1], bottom: [area.top + 1, height] };
  return html`<fieldset class="edges"><legend>Draw a rectangle on the picture, or set its edges</legend>
    ${EDGES.map((edge) => html`<${Slider} key=${edge} label=${edge[0].toUpperCase() + edge.slice(1)} low=${bounds[edge][0]} high=${bounds[edge][1]} value=${area[edge]}
      says=${`${area[edge]} px`} set=${(/** @type {number} */ value) => moved(edge, value)} />`)}
    <p class="toolbar">
      <label class="button"><input type="file" class="hidden" accept="image/*" onChange=${(/** @type {any} */ { target }) => {
        const [file] = target.files;
        if (file) limit({ key: (count += 1), mask: file, name: file.name });
        target.value = "";
      }} /><span>Choose a mask</span></label>
      <button class="quiet" disabled=${!photo.part} onClick=${() => limit(undefined)}>Everywhere</button>
    </p>
    ${photo.part?.name && html`<p class="soft small">Where ${photo.part.name} is white, the picture may change.</p>`}
  </fieldset>`;
}
