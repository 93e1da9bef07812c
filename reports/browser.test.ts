/** The page in a real browser: its script runs to the end, and the page's own policy lets it. */
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { needs } from "../core/needs.test-support.ts";
import { sweepDocument, validationDocument } from "./documents.test-support.ts";
import { writeReport } from "./write-report.ts";

const run = promisify(execFile);
const NAMES = ["chromium", "chromium-browser", "google-chrome"];
const BROWSER = (process.env.PATH ?? "")
  .split(delimiter)
  .flatMap((folder) => NAMES.map((name) => join(folder, name)))
  .find((path) => existsSync(path));

test.skipIf(!needs("a browser (chromium)", BROWSER !== undefined))(
  "the report opens in a browser: charts drawn, tables that sort, no error and nothing blocked",
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "tandem-browser-"));
    try {
      const write = (name: string, document: unknown) =>
        writeFileSync(join(folder, name), JSON.stringify(document));
      write("results.json", sweepDocument());
      write("validation.json", validationDocument(2));
      const { html, charts } = await writeReport(folder, { png: false });
      const quiet = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"];
      const own = [`--user-data-dir=${join(folder, "profile")}`, "--enable-logging=stderr"];
      const asked = [...quiet, ...own, "--dump-dom", pathToFileURL(html).href];
      const options = { maxBuffer: 1 << 26, timeout: 120_000 };
      const { stdout: page, stderr: log } = await run(BROWSER ?? "", asked, options);
      expect(log).not.toMatch(/:CONSOLE/);
      expect(page.match(/<svg [^>]*aria-label="/g)).toHaveLength(charts.length);
      expect(page).toMatch(/<th[^>]*><button type="button">/);
      expect(page).toContain('<div id="tip">');
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
);
