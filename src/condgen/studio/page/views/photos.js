/** The photographs of the Edit view: taken in, read, edited as the request changes, and read again. */
import { useEffect, useRef, useState } from "../ui.js";
import { picture } from "../backend.js";
import { failed, toast } from "../components/toast.js";
import { bytesOf } from "../download.js";
import { decoded, latest } from "../live.js";
import { readNote } from "../png.js";
import { ofCondition } from "../terms.js";
import { bare, goneOn, present, same } from "./versions.js";

/** @typedef {import("../outcome.js").Reading} Reading */
/** @typedef {import("../backend.js").Terms} Terms */
/**
 * @typedef {object} Photo
 * @property {number} id
 * @property {number} version 0 as it was given, and one more each time somebody went on from its edit
 * @property {string} name
 * @property {string} image as the model takes it
 * @property {Reading} read what the model reads in it
 * @property {Terms} source what it shows: as read, unless somebody knows better
 * @property {import("./where.js").Part} [part] where it may change, unless everywhere
 * @property {string} [edited]
 * @property {Terms} [made] the values that the edit gave to the changed attributes
 * @property {Reading} [after] what the model reads in the edit
 */
/** @typedef {{change: Terms, strength: number | "auto" | undefined, versions: import("./versions.js").Versions}} Wish */

const PAUSE = 250; // milliseconds without a further change, after which edits are read
/** @type {Map<string, Photo[]>} of each model, as long as the page is open */
const kept = new Map();
let count = 0;

/** Whether it is known what a photograph shows, without which nothing can be changed in it. @param {Photo} photo */
export const described = ({ source }) => Object.keys(source).length > 0;

/** @param {string} image */
const blob = (image) => new Blob([bytesOf(image)], { type: "image/png" });

/**
 * @param {import("../main.js").ViewProps} props
 * @param {Wish} wish
 */
export function usePhotos({ backend, model, about }, { change, strength, versions }) {
  const [all, setAll] = useState(kept.get(model) ?? /** @type {Photo[]} */ ([])); // of all versions
  const photos = present(all, versions);
  const [busy, setBusy] = useState(false);
  const current = useRef(all);
  const edit = useRef(/** @type {((wish: Wish) => void) | null} */ (null));
  /** @param {(photos: Photo[]) => Photo[]} change_ */
  const update = (change_) => {
    current.current = change_(current.current);
    kept.set(model, current.current);
    setAll(current.current);
  };
  /** Take over edits and their readings. What a photograph shows may have been corrected meanwhile. @param {Photo[]} changed */
  const merge = (changed) => update((before) => before.map((each) => {
    const found = changed.find((one) => same(one, each));
    return found ? { ...each, edited: found.edited, made: found.made, after: found.after } : each;
  }));

  useEffect(() => {
    const editing = latest(
      (/** @type {Wish} */ wish, signal) => edited(backend, about, present(current.current, wish.versions), wish, signal),
      (found) => {
        merge(found);
        setBusy(false);
      },
      (error) => {
        failed(error);
        setBusy(false);
      },
    );
    edit.current = editing;
    return editing.stop;
  }, [backend, model]);
  const originals = photos.map(({ id, version, source, part }) => [id, version, source, part?.key]);
  useEffect(() => {
    setBusy(photos.length > 0);
    edit.current?.({ change, strength, versions });
  }, [JSON.stringify([originals, change, strength])]);

  useEffect(() => {
    const unread = photos.filter((each) => each.edited && !each.after);
    if (!unread.length || busy) return undefined;
    const control = new AbortController();
    const look = () => backend.look?.(model, unread.map((each) => blob(each.edited ?? "")), control.signal)
      .then((found) => merge(unread.map((each, k) => ({ ...each, after: found.seen[k].condition }))), failed);
    const timer = setTimeout(look, PAUSE);
    return () => {
      clearTimeout(timer);
      control.abort();
    };
  }, [all, JSON.stringify(versions), busy]);

  return {
    photos,
    busy,
    /** @param {File[]} files */
    add: async (files) => {
      setBusy(true);
      try {
        const taken = await seen(backend, about, files);
        update((before) => [...before, ...taken]);
        return taken[0]?.id;
      } catch (error) {
        failed(error);
        setBusy(false);
        return undefined;
      }
    },
    /** Say what a photograph shows. @param {Photo} photo @param {string} name @param {any} value */
    correct: (photo, name, value) => update((before) => before.map((each) => (
      same(each, photo) ? { ...each, source: { ...each.source, [name]: value } } : each))),
    /** Say where a photograph may change. @param {Photo} photo @param {import("./where.js").Part | undefined} part */
    limit: (photo, part) => update((before) => before.map((each) => (same(each, photo) ? { ...each, part } : each))),
    /** Take a photograph's edit for the photograph, to change it further. @param {Photo} photo */
    goOn: (photo) => update((before) => goneOn(before, photo)),
    /** @param {number} id */
    remove: (id) => update((before) => before.filter((each) => each.id !== id)),
  };
}

/** Files as photographs. @param {import("../backend.js").Backend} backend @param {import("../backend.js").About} about @param {File[]} files @returns {Promise<Photo[]>} */
async function seen(backend, about, files) {
  if (!backend.look) return [];
  const [{ seen: found, note }, notes] = await Promise.all([
    backend.look(about.name, files),
    Promise.all(files.map(async (file) => readNote(new Uint8Array(await file.arrayBuffer())))),
  ]);
  if (note) toast("This model cannot tell what the images show. Say it, beside them.");
  return found.map(({ image, condition }, k) => {
    const own = notes[k]?.fingerprint === about.fingerprint ? notes[k]?.condition : null; // it was made by this model
    return { id: (count += 1), version: 0, name: files[k].name, image, read: condition, source: ofCondition(about, own ?? condition) };
  });
}

/**
 * Photographs with their edits, or without where nothing is to be changed.
 * @param {import("../backend.js").Backend} backend @param {import("../backend.js").About} about @param {Photo[]} photos @param {Wish} wish @param {AbortSignal} signal
 * @returns {Promise<Photo[]>}
 */
async function edited(backend, about, photos, { change, strength }, signal) {
  if (!Object.keys(change).length || !backend.edit) return photos.map(bare);
  const made = await Promise.all(photos.map(async (photo) => {
    if (!described(photo)) return bare(photo);
    const wanted = { images: [blob(photo.image)], request: change, source: photo.source, strength, mask: photo.part?.mask };
    const answer = await /** @type {NonNullable<typeof backend.edit>} */ (backend.edit)(about.name, wanted, signal);
    const [{ image, condition }] = answer.samples;
    const values = ofCondition(about, condition);
    return { ...bare(photo), edited: image, made: Object.fromEntries(Object.keys(change).map((name) => [name, values[name]])) };
  }));
  await decoded(made.flatMap((photo) => (photo.edited ? [picture(photo.edited)] : [])));
  return made;
}
