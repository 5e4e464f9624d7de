/** A modal dialog with a title, on the browser's own element. */
import { html, useEffect, useRef, useId } from "../ui.js";

/** @param {{title: string, open: boolean, close: () => void, children?: any}} props */
export function Dialog({ title, open, close, children }) {
  const ref = useRef(/** @type {HTMLDialogElement | null} */ (null));
  const id = useId();
  useEffect(() => {
    if (open && !ref.current?.open) ref.current?.showModal();
    if (!open) ref.current?.close();
  }, [open]);
  return html`<dialog ref=${ref} aria-labelledby=${id} onClose=${close}
    onClick=${(/** @type {Event} */ event) => event.target === ref.current && close()}>
    <div class="dialog-body">
      <header><h2 id=${id}>${title}</h2><button class="quiet icon-only" aria-label="Close" onClick=${close}>×</button></header>
      ${open && children}
    </div>
  </dialog>`;
}
