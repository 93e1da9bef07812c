/** Every package that an install brings, by licence: `docs/licences.md`, written by `npm run licences`. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

interface Installed {
  readonly license?: string;
  readonly dev?: boolean;
}

const lock = JSON.parse(
  readFileSync(join(import.meta.dirname, "../package-lock.json"), "utf8"),
) as {
  readonly packages: Readonly<Record<string, Installed>>;
};
const installed = Object.entries(lock.packages).filter(([path]) => path !== "");

/** Permissive, or copyleft that ends at the library's own files and is linked at run time. */
const ACCEPTED: ReadonlySet<string> = new Set([
  ...["0BSD", "Apache-2.0", "BlueOak-1.0.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT"],
  ...["CC-BY-3.0", "CC0-1.0", "Unlicense"],
  // libvips below sharp, and a CSS parser of the test runner's.
  ...["LGPL-3.0-or-later", "MPL-2.0"],
  // DejaVu fonts: Bitstream Vera's licence, permissive.
  "SEE LICENSE IN README.md AND LICENSE",
]);

function licenceOf({ license = "none stated" }: Installed): string {
  return license;
}

function listed(packages: readonly (readonly [string, Installed])[]): string {
  const byLicence = new Map<string, Set<string>>();
  for (const [path, manifest] of packages) {
    const name = path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length);
    const licence = licenceOf(manifest);
    byLicence.set(licence, (byLicence.get(licence) ?? new Set()).add(name));
  }
  return [...byLicence]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([licence, names]) => `- **${licence}** (${names.size}): ${[...names].sort().join(", ")}`)
    .join("\n");
}

test("docs/licences.md lists every package by its licence", async () => {
  const page = `# Licences of what an install brings

Made from \`package-lock.json\` by \`npm run licences\`. Optional packages of other platforms are listed too. The weights of
the models are not packages of ours: \`models/README.md\`.

## At run time

${listed(installed.filter(([, { dev }]) => dev !== true))}

## For development

${listed(installed.filter(([, { dev }]) => dev === true))}
`;
  await expect(page).toMatchFileSnapshot("../docs/licences.md");
});

test("every licence lets the project be used and given on", () => {
  for (const [path, manifest] of installed) {
    const parts = licenceOf(manifest).replace(/^\(|\)$/g, "");
    const accepted = ACCEPTED.has(parts) || parts.split(/ OR | AND /).every((p) => ACCEPTED.has(p));
    expect(accepted, `${path}: ${parts}`).toBe(true);
  }
});
