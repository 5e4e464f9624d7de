// Named random streams, one per sample: the numbers of condgen's rng.py, so that seeds give the run's own images.

import { slerp } from "./tensors.js";

const FEW = 16; // fewer normal numbers than this are drawn one by one, with 53 bits each, and more in blocks of so many
const round = Math.fround;

/** The first seeds of the streams. Sample k uses the seed + k of each. */
export const Stream = { NOISE: 0, CONDITION: 2 ** 40, EXCLUDED: 2 ** 41 };

/** A stream for samples with these seeds. @param {number} stream @param {number[]} seeds */
export const streamOf = (stream, seeds) => new Rng(seeds.map((seed) => stream + seed));

/** A batch of independent random streams, one per seed. Successive draws continue each stream. */
export class Rng {
  /** @param {number[]} seeds */
  constructor(seeds) {
    this.streams = seeds.map((seed) => ({ words: new Twister(mixed(seed)), spare: /** @type {number[]} */ ([]) }));
  }

  get length() {
    return this.streams.length;
  }

  /** Standard normal numbers [batch, ...shape]. @param {...number} shape */
  normal(...shape) {
    const n = product(shape);
    return this.#drawn(n, (stream) => (n < FEW ? normalByOne(stream, n) : normalInBlocks(stream.words, n)));
  }

  /** Uniform numbers in [0, 1), [batch, ...shape]. @param {...number} shape */
  uniform(...shape) {
    const n = product(shape);
    return this.#drawn(n, ({ words }) => Float32Array.from({ length: n }, () => uniform(words.next())));
  }

  /** @param {number} n @param {(stream: Words) => ArrayLike<number>} numbers */
  #drawn(n, numbers) {
    const all = new Float32Array(n * this.length);
    this.streams.forEach((stream, k) => all.set(numbers(stream), k * n));
    return all;
  }
}

/** Streams on the way from one batch to another, which go on the sphere, as condgen's runs/noise.py. */
export class RngBetween extends Rng {
  /** @param {number[]} start @param {number[]} end @param {number[]} shares of the way for each sample, from 0 to 1 */
  constructor(start, end, shares) {
    super(start);
    this.end = new Rng(end);
    this.shares = shares;
  }

  /** @param {...number} shape */
  normal(...shape) {
    const [x, y] = [super.normal(...shape), this.end.normal(...shape)].map((data) => ({ data, dims: [this.length, ...shape] }));
    return Float32Array.from(slerp(x, y, this.shares).data);
  }

  /** Those of the nearer end. @param {...number} shape */
  uniform(...shape) {
    const [x, y] = [super.uniform(...shape), this.end.uniform(...shape)];
    return x.map((each, k) => (this.shares[Math.floor(k / product(shape))] < 0.5 ? each : y[k]));
  }
}

/** @typedef {{words: Twister, spare: number[]}} Words A stream, and half a pair left by the draw before. */

/** MT19937, seeded by init_genrand (Matsumoto and Nishimura 1998, 2002). */
class Twister {
  /** @param {number} seed */
  constructor(seed) {
    this.state = new Uint32Array(624);
    this.state[0] = seed;
    for (let k = 1; k < 624; k++) {
      const before = this.state[k - 1] ^ (this.state[k - 1] >>> 30);
      this.state[k] = Math.imul(1812433253, before) + k;
    }
    this.at = 624;
  }

  /** The next random word of 32 bits. */
  next() {
    if (this.at === 624) this.#twist();
    let y = this.state[this.at++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }

  #twist() {
    const s = this.state;
    for (let k = 0; k < 624; k++) {
      const y = (s[k] & 0x80000000) | (s[(k + 1) % 624] & 0x7fffffff);
      s[k] = s[(k + 397) % 624] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
    }
    this.at = 0;
  }
}

/** A seed of up to 32 bits unchanged. All bits of a longer one are used. @param {number} seed */
const mixed = (seed) => (seed ^ Math.imul(Math.floor(seed / 2 ** 32), 0x9e3779b1)) >>> 0;

/** From the lower 24 bits of a word. @param {number} word */
const uniform = (word) => (word & 0xffffff) * 2 ** -24;

/** From the lower 53 bits of a pair of words, of which the first is the upper one. @param {Twister} words */
const uniformDouble = (words) => ((words.next() & 0x1fffff) * 2 ** 32 + words.next()) * 2 ** -53;

/** Box and Muller's pairs (1958, eq. 1) in double precision. @param {Words} stream @param {number} n */
function normalByOne(stream, n) {
  const z = [...stream.spare];
  while (z.length < n) {
    const angle = 2 * Math.PI * uniformDouble(stream.words);
    const radius = Math.sqrt(-2 * Math.log1p(-uniformDouble(stream.words)));
    z.push(radius * Math.cos(angle), radius * Math.sin(angle));
  }
  stream.spare = z.slice(n);
  return z.slice(0, n);
}

/** The same pairs in single precision. An incomplete last block is drawn anew as the last 16 numbers.
 * @param {Twister} words @param {number} n */
function normalInBlocks(words, n) {
  const u = Float32Array.from({ length: n + (n % FEW ? FEW : 0) }, () => uniform(words.next()));
  const x = new Float32Array(n);
  for (let start = 0; start + FEW <= n; start += FEW) x.set(boxMuller(u.subarray(start, start + FEW)), start);
  if (n % FEW) x.set(boxMuller(u.subarray(n)), n - FEW);
  return x;
}

/** A block of 16 normal numbers: radii from the first 8 uniform ones, angles from the last 8. @param {Float32Array} u */
function boxMuller(u) {
  const z = new Float32Array(FEW);
  for (let k = 0; k < FEW / 2; k++) {
    const radius = round(Math.sqrt(round(-2 * round(Math.log(round(1 - u[k]))))));
    const angle = round(round(2 * Math.PI) * u[k + FEW / 2]);
    z[k] = radius * round(Math.cos(angle));
    z[k + FEW / 2] = radius * round(Math.sin(angle));
  }
  return z;
}

/** @param {number[]} numbers */
const product = (numbers) => numbers.reduce((a, b) => a * b, 1);
