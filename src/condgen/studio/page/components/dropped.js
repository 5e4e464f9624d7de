/** Files that are dropped onto the page, or pasted. */
import { useEffect, useState } from "../ui.js";

/**
 * Takes files wherever they are dropped. Returns whether some hover over the page.
 * @param {(files: File[]) => void} take
 */
export function useDropped(take) {
  const [over, setOver] = useState(false);
  useEffect(() => {
    /** @param {DragEvent} event */
    const dragged = (event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      setOver(event.type === "dragover");
      if (event.type === "drop") take([...event.dataTransfer.files]);
    };
    /** @param {ClipboardEvent} event */
    const pasted = (event) => {
      if (event.clipboardData?.files.length) take([...event.clipboardData.files]);
    };
    const kinds = /** @type {const} */ (["dragover", "dragleave", "drop"]);
    kinds.forEach((kind) => addEventListener(kind, dragged));
    addEventListener("paste", pasted);
    return () => {
      kinds.forEach((kind) => removeEventListener(kind, dragged));
      removeEventListener("paste", pasted);
    };
  });
  return over;
}
