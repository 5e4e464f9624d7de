/** Work for the newest input only. */

/**
 * A function that starts work on an input. While work is under way, the newest input waits for it, but no longer than
 * `patience`: then the work is aborted. So quick answers follow a moving slider, and slow ones do not hold it up.
 * @template In, Out
 * @param {(input: In, signal: AbortSignal) => Promise<Out>} work
 * @param {(result: Out, input: In) => void} done
 * @param {(error: any, input: In) => void} failed
 * @param {number} patience milliseconds since the work began
 * @returns {((input: In) => void) & {stop(): void}}
 */
export function latest(work, done, failed, patience = 250) {
  /** @type {{control: AbortController, since: number} | null} */ let current = null;
  /** @type {{input: In} | null} */ let waiting = null;
  /** @type {any} */ let timer;

  /** @param {In} input */
  async function start(input) {
    clearTimeout(timer);
    waiting = null;
    const mine = { control: new AbortController(), since: Date.now() };
    const { signal } = mine.control;
    current = mine;
    try {
      const result = await work(input, signal);
      if (!signal.aborted) done(result, input);
    } catch (error) {
      if (!signal.aborted) failed(error, input);
    }
    if (current !== mine) return;
    current = null;
    const next = /** @type {{input: In} | null} */ (waiting);
    if (next) start(next.input);
  }
  const stop = () => {
    clearTimeout(timer);
    current?.control.abort();
    current = waiting = null;
  };
  /** @param {In} input */
  const ask = (input) => {
    if (!current) return void start(input);
    const first = waiting === null;
    waiting = { input };
    if (!first) return undefined;
    timer = setTimeout(() => {
      const next = waiting;
      stop();
      if (next) start(next.input);
    }, Math.max(0, patience - (Date.now() - current.since)));
    return undefined;
  };
  return Object.assign(ask, { stop });
}

/** Wait until pictures can be drawn at once. One that cannot be read is no error here. @param {string[]} addresses */
export async function decoded(addresses) {
  await Promise.all(addresses.map((address) => {
    const image = new Image();
    image.src = address;
    return image.decode().catch(() => undefined);
  }));
}
