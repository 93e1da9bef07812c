import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Fault } from "../engine/basics/fault.ts";
import type { ResultsDocument } from "../results/documents.ts";
import type { ValidationDocument } from "../results/validation.ts";
import { singleDocument, sweepDocument, validationDocument } from "./documents.test-support.ts";
import { writeReport } from "./write-report.ts";

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "tandem-report-"));
});

afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

async function given(results: unknown, validation?: unknown): Promise<void> {
  await writeFile(join(directory, "results.json"), JSON.stringify(results));
  if (validation !== undefined) {
    await writeFile(join(directory, "validation.json"), JSON.stringify(validation));
  }
}

async function page(
  results: ResultsDocument,
  validation?: ValidationDocument,
  title?: string,
): Promise<string> {
  await given(results, validation);
  const files = await writeReport(directory, title === undefined ? {} : { title });
  return readFile(files.html, "utf8");
}

let sweepPage: Promise<string> | undefined;

/** The page of a sweep and its validation, made once. */
function validated(): Promise<string> {
  sweepPage ??= page(sweepDocument(), validationDocument(9));
  return sweepPage;
}

async function fault(): Promise<Fault> {
  return writeReport(directory).then(
    () => expect.fail("no fault"),
    (error: Fault) => error,
  );
}

test("writes the page and each chart as specification, SVG and, where asked, PNG, nothing else", async () => {
  await given(sweepDocument(), validationDocument(2));
  const files = await writeReport(directory, { png: true });
  expect(files.warnings).toEqual([]);
  expect(files.charts.map((chart) => chart.name)).toContain("predicted-measured");
  for (const chart of files.charts) {
    const spec = JSON.parse(await readFile(chart.spec, "utf8"));
    expect(spec.$schema).toContain("vega-lite");
    expect(await readFile(chart.svg, "utf8")).toMatch(/^<svg/);
    const png = await readFile(chart.png as string);
    expect(png.subarray(1, 4).toString()).toBe("PNG");
  }
  expect((await readdir(directory)).sort()).toEqual([
    "charts",
    "report.html",
    "results.json",
    "validation.json",
  ]);
  expect(await readdir(join(directory, "charts"))).toHaveLength(files.charts.length * 3);
});

test("PNG files are made on demand only", async () => {
  await given(singleDocument());
  const { charts } = await writeReport(directory);
  expect(charts.map(({ png }) => png)).toEqual(charts.map(() => undefined));
  expect(await readdir(join(directory, "charts"))).toHaveLength(charts.length * 2);
});

test("the first screen: a sentence, one chart, then cards; What if is linked where the page has it", async () => {
  const html = await validated();
  const places = ['<p class="lead">Cheapest that keeps p99', "<figure", "<article", "<nav"].map(
    (part) => html.indexOf(part),
  );
  expect(places).toEqual(places.toSorted((a, b) => a - b));
  expect(places[0]).toBeGreaterThan(0);
  const first = html.slice(0, places[3]);
  expect(first.match(/<figure/g)).toHaveLength(1);
  expect(html).not.toContain('href="#what-if-section"');
  const whatIf = {
    whatIf: "<b>asset</b>",
    scenario: { scenario: { name: "s" }, digest: "", inputs: {} },
  };
  await given(sweepDocument());
  const files = await writeReport(directory, whatIf as never);
  const page = await readFile(files.html, "utf8");
  expect(page.indexOf('href="#what-if-section"')).toBeLessThan(page.indexOf("<figure"));
});

test("where all loads have one answer there is one card", async () => {
  const document = sweepDocument();
  const configurations = document.configurations.map((one) => ({ ...one, slo: "meets" as const }));
  const html = await page({ ...document, configurations });
  expect(html.match(/<article/g)).toHaveLength(1);
  expect(html).toContain("At arrival rate 8/s to arrival rate 32/s; figures of the highest");
});

test("the page loads nothing and works from a file", async () => {
  const html = await validated();
  expect(html).not.toMatch(/https?:/);
  expect(html).not.toMatch(/<(link|img|iframe|script[^>]* src)/);
  expect(html).not.toMatch(/@import|url\((?!#)/);
  expect(html).toContain("default-src 'none'");
  expect(html.length).toBeLessThan(3_000_000);
});

test("the page says where replicas run and which machines nobody is billed for", async () => {
  const { configurations, ...document } = singleDocument();
  const gpu = { machinesUsed: 1, machines: 4, idleCostPerHour: 7.5, replicas: { detect: 4 } };
  const [one] = configurations;
  const html = await page({ ...document, configurations: [{ ...one, placement: { gpu } }] });
  expect(html).toContain("Where replicas run");
  expect(html).toContain("1 of 4 machines (detect 4)");
  expect(html).toMatch(/idle, per hour[\s\S]*7\.5/);
});

test("every chart has a name and a description, every table a caption", async () => {
  const html = await validated();
  const svgs = html.match(/<svg [^>]*>/g) ?? [];
  // Each wide and narrow.
  expect(svgs.length).toBe(14);
  for (const svg of svgs) {
    const [, title] = svg.match(/aria-labelledby="([^"]+)"/) ?? [];
    const [, description] = svg.match(/aria-describedby="([^"]+)"/) ?? [];
    expect(html).toMatch(new RegExp(`<title id="${title}">[^<]+</title>`));
    expect(html).toMatch(new RegExp(`<desc id="${description}">[^<]+</desc>`));
  }
  expect(html.match(/<caption>/g)?.length).toBe(html.match(/<table/g)?.length);
  const ids = [...html.matchAll(/ id="([^"]+)"/g)].map((match) => match[1]);
  expect(new Set(ids).size).toBe(ids.length);
});

test("markup in names, parameters, notes and reasons stays text", async () => {
  const evil = `"><script>alert(1)</script><img src=x onerror='a'>`;
  const { configurations, ...rest } = sweepDocument();
  const results = {
    ...rest,
    scenario: { name: evil, digest: evil },
    command: evil,
    configurations: configurations.map((one) => ({
      ...one,
      id: evil,
      notes: [evil],
      parameters: { ...one.parameters, scheduler: `${evil}${one.parameters.scheduler}` },
      tasks: { [evil]: { [evil]: { mean: 1, halfWidth95: 0 } } },
    })),
  };
  const validation = validationDocument(2);
  const judged = validation.configurations.map((one) => ({
    ...one,
    parameters: { evil: `${evil}${one.id}` },
    measured: { ...one.measured, health: { ...one.measured.health, reasons: [evil] } },
  }));
  const html = await page(results, { ...validation, configurations: judged });
  expect(html.match(/<script/g)).toHaveLength(1);
  expect(html).not.toMatch(/<img|<[^>]* (onerror|src)="/);
  expect(html).toContain("&lt;script&gt;alert(1)&lt;/script&gt;");
});

test("the replay backend is named for what it is, and verdicts are words", async () => {
  const html = await validated();
  expect(html).toContain("measured times replayed, no GPU/model ran");
  expect(html).toContain("7 agree, 1 disagrees, 1 cannot be judged yet");
  expect(html).toMatch(/<td class="bad">disagrees<\/td>/);
  expect(html).toMatch(
    /H: .* cannot be judged yet: .*about 12 runs, or runs of about 250 s would settle it/,
  );
  expect(html).toContain("8.0 % of arrivals were more than 5 ms late");
});

test("notes about all predictions are on the page, of both sides", async () => {
  const html = await page(
    { ...sweepDocument(), notes: ["profile a.json: measured on <another> machine"] },
    { ...validationDocument(1), notes: ["a pilot measured messages"] },
  );
  expect(html).toContain("<li>profile a.json: measured on &lt;another&gt; machine</li>");
  expect(html).toContain("<li>a pilot measured messages</li>");
});

test("seed, digest, repeating commands and a given title are on the page", async () => {
  const html = await page(sweepDocument(), validationDocument(1), "Week 12 & after");
  expect(html).toContain("<title>Week 12 &amp; after</title>");
  expect(html).toContain(sweepDocument().scenario.digest);
  expect(html).toContain(sweepDocument().command);
  expect(html).toContain(validationDocument(1).command);
});

test("figures that a run could not know, null in JSON, are shown as unknown", async () => {
  const html = await page(singleDocument());
  const cells = html.match(/<t[dh][ >].*?<\/t[dh]>/g) ?? [];
  expect(cells.length).toBeGreaterThan(20);
  expect(cells.filter((cell) => /NaN|undefined|null/.test(cell))).toEqual([]);
  expect(html).toContain(">112.5</td>");
});

test("a missing results.json is not-found, with the command that makes one", async () => {
  const error = await fault();
  expect(error.code).toBe("not-found");
  expect(error.hint).toContain("tandem simulate");
});

test("broken JSON is invalid input", async () => {
  await writeFile(join(directory, "results.json"), '{"schema":');
  expect((await fault()).code).toBe("invalid-input");
});

test("a document of another shape is invalid input, with every issue's path", async () => {
  const { seed: _, ...rest } = sweepDocument();
  await given({ ...rest, configurations: [{ id: 3 }] });
  const error = await fault();
  expect(error.code).toBe("invalid-input");
  const paths = error.issues.map((issue) => issue.path);
  expect(paths).toEqual(expect.arrayContaining(["seed", "configurations.0.id"]));
});

test("an invalid validation.json is named as the culprit", async () => {
  await given(sweepDocument(), { schema: "tandem/validation@3" });
  expect((await fault()).message).toMatch(/validation.json is no tandem\/validation@3 document$/);
});

test("verdicts of an earlier version are refused, with the way out", async () => {
  const old = { ...validationDocument(1), schema: "tandem/results@1" };
  await given(sweepDocument(), old);
  const error = await fault();
  expect(error.message).toContain("another version or kind: tandem/results@1, expected tandem/val");
  expect(error.hint).toContain("tandem validate");
});
