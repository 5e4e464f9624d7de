// The vendored libraries are what the registry publishes, in the versions that package-lock.json names.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

const ROOT = new URL("../../../", import.meta.url);
const VENDOR = new URL("src/condgen/studio/page/vendor/", ROOT);
/** @param {string} path @param {URL} base */
const json = async (path, base) => JSON.parse(await readFile(new URL(path, base), "utf-8"));

/** @type {{file: string, package: string, version: string, path: string}[]} */
const vendored = await json("vendor.json", VENDOR);
const { packages } = await json("package-lock.json", ROOT);

for (const each of vendored) {
  test(`${each.file} is ${each.package} ${each.version} as published`, async () => {
    assert.equal(packages[`node_modules/${each.package}`].version, each.version);
    const published = new URL(`node_modules/${each.package}/${each.path}`, ROOT);
    assert.deepEqual(await readFile(new URL(each.file, VENDOR)), await readFile(published));
  });
}
