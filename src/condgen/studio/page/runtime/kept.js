// Results that are computed once.

/** A function that keeps what it gave, unless it failed: then it tries again at the next call.
 * @template T @param {() => Promise<T>} make @returns {() => Promise<T>} */
export function kept(make) {
  /** @type {Promise<T> | undefined} */ let found;
  return () => (found ??= make().catch((error) => {
    found = undefined;
    throw error;
  }));
}
