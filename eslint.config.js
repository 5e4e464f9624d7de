// Rules of the studio's page: what is easily wrong in JavaScript, and what the page promises of itself.
import js from "@eslint/js";
import { defineConfig, globalIgnores } from "eslint/config";
import globals from "globals";

const VENDOR = "Only ui.js names the vendored libraries; import from it.";
const MARKUP = "Text becomes markup only through html`…`, so that names from people's data are never read as HTML.";

export default defineConfig([
  // Everything else in the repository is another language's, or made.
  globalIgnores(["**/vendor/", "site/", "docs/", ".venv/", "demo/", "runs/", "robust/", "dist/"]),
  js.configs.recommended,
  {
    languageOptions: { ecmaVersion: 2024, sourceType: "module" },
    rules: {
      "max-len": ["error", { code: 140, ignoreUrls: true, ignoreComments: true, ignoreTemplateLiterals: true }],
      "max-lines": ["error", 300],
      complexity: ["error", 20],
      eqeqeq: ["error", "always", { null: "ignore" }],
      "no-console": "error",
      "no-eval": "error",
      "no-implied-eval": "error",
      "no-shadow": "error",
      "no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
      "no-var": "error",
      "object-shorthand": "error",
      "prefer-const": "error",
    },
  },
  {
    files: ["src/condgen/studio/page/**/*.js"],
    languageOptions: { globals: globals.browser },
    rules: {
      "no-restricted-properties": ["error", ...["innerHTML", "outerHTML", "insertAdjacentHTML", "dangerouslySetInnerHTML"]
        .map((property) => ({ property, message: MARKUP }))],
      "no-restricted-imports": ["error", { patterns: [{ group: ["preact", "preact/*", "htm", "htm/*"], message: VENDOR }] }],
    },
  },
  { files: ["src/condgen/studio/page/ui.js"], rules: { "no-restricted-imports": "off" } },
  { files: ["tests/studio/page/**/*.js"], languageOptions: { globals: { ...globals.browser, ...globals.node } } },
]);
