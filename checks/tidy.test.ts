/** The rules of the code base that no compiler or linter checks (DESIGN, section 3). */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { describe, expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "..");
/** Longer files and functions need a reason below. */
const LONG_FILE_LINES = 400;
const LONG_FUNCTION_LINES = 75;
/** No reason makes a file longer than this readable. */
const MAX_FILE_LINES = 700;

/** Approved by a reviewer: files (`path`) and functions (`path: first line`), each one whole idea, and why. */
const APPROVED_LONG: Readonly<Record<string, string>> = {
  "library/shards.ts": "eleven lines more, since each key of a literal has its own",
  "library/validate.ts": "fourteen lines more, since each key of a literal has its own",
};

/** The decision core and its documents: pure, and below all others. */
const CORE = ["engine", "scenario", "results"];

/** All that does a user's work. */
const WORKING = [
  ...["build", ...CORE, "schedulers", "sim", "sweep", "planning"],
  ...["models", "cluster", "calibration", "reports"],
];

/** Folders that each folder may import, besides itself and packages. */
const LAYERS: Readonly<Record<string, readonly string[]>> = {
  build: [],
  checks: ["build", ...CORE, "schedulers", "sim", "cluster", "models"],
  engine: [],
  scenario: ["engine"],
  results: ["engine", "scenario"],
  schedulers: ["engine", "scenario"],
  sim: [...CORE, "schedulers"],
  sweep: ["build", ...CORE, "schedulers", "sim"],
  models: ["engine", "scenario"],
  cluster: ["build", ...CORE, "schedulers", "models"],
  calibration: [...CORE, "schedulers", "sim", "cluster", "models"],
  planning: [...CORE, "schedulers", "sim"],
  reports: CORE,
  library: WORKING,
  cli: [...WORKING, "library"],
  bench: ["build", ...CORE, "schedulers", "sim", "sweep", "cluster", "calibration", "planning"],
  web: ["library"],
  // Apart from sim's tests, for it writes a page too: the simulator as its users see it.
  theory: [...CORE, "schedulers", "sim"],
};

/**
 * Layers of a folder, lowest first: each imports only itself and those before it. "." is the files of the
 * folder itself, `"a/b"` a subfolder's subfolder. Subfolders that are not listed may import anything.
 */
const SUBLAYERS: Readonly<Record<string, readonly string[]>> = {
  engine: [
    "basics",
    "random",
    "statistics",
    "tokens",
    "service",
    "system",
    "arrivals",
    "dispatch",
    "requests",
    "metrics",
    "stations",
    "record",
    "stability",
    ".",
  ],
  scenario: ["schema", "reading", "sweep", "compile", "checks", "inventory", "."],
  cluster: [
    "processes",
    "time",
    "security",
    "machines",
    "protocol",
    "observe",
    "worker",
    "run",
    "front",
    "load",
    "rest",
    "web",
    "gateway",
    "deploy",
    "containers",
    ".",
  ],
  schedulers: ["rules", "iterations", "systems", "."],
  sim: ["calendar", "executors", "unsteady", "."],
  reports: ["tables", "charts", "html", "."],
  bench: ["measure", "peers", "parts", "study", "fidelity", "."],
};

/** Tests may use tools of the checks, and some what is above their layer: a page beside the commands. */
const TEST_LAYERS: Readonly<Record<string, readonly string[]>> = {
  engine: ["scenario", "results"],
  scenario: ["results"],
  calibration: ["build"],
  reports: ["library"],
  web: ["cli", "cluster", ...CORE, "schedulers", "sweep"],
};

/** Folders that know no clock, no process and no promise. */
const PURE = [...CORE, "schedulers", "sim", "planning"];

/** Packages that these folders may import: none needs Node. */
const PURE_PACKAGES = ["@noble/hashes", "highs", "seedrandom", "yaml", "zod"];
/** Schemas and files are the scenario's. */
const NOT_THE_ENGINES = ["yaml", "zod"];

const BANNED =
  /\b(Date|performance|setTimeout|setInterval|setImmediate|queueMicrotask|process|console|async|await|Promise)\b|\bMath\.random\b/;

interface Source {
  readonly path: string;
  readonly text: string;
  /** Without comments and without the contents of strings. */
  readonly code: string;
  readonly lines: readonly string[];
}

const sources: readonly Source[] = Object.keys(LAYERS).flatMap((folder) =>
  existsSync(join(ROOT, folder)) ? readFolder(folder) : [],
);
const product = sources.filter(({ path }) => !isTest(path));

function readFolder(folder: string): Source[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
    .filter((path) => /\.tsx?$/.test(path))
    .map((path) => {
      const text = readFileSync(join(ROOT, folder, path), "utf8");
      return { path: `${folder}/${path}`, text, code: bare(text), lines: text.split("\n") };
    });
}

function isTest(path: string): boolean {
  return /\.(test|test-support)\.ts$/.test(path);
}

/** Comments and the contents of strings and templates away; what is left keeps its lines. */
function bare(text: string): string {
  const pattern = /\/\*[\s\S]*?\*\/|\/\/[^\n]*|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\[\s\S])*`/g;
  return text.replace(pattern, (found) => {
    if (found.startsWith('"')) return '""';
    const kept = "\n".repeat(found.split("\n").length - 1);
    return found.startsWith("`") ? `\`${kept}\`` : kept;
  });
}

/** Local files that a source imports, by path from the root. */
function importsOf({ path, text }: Source): string[] {
  const found = text.matchAll(/(?:from|import|import\()\s*"(\.{1,2}\/[^"]+)"/g);
  return [...found].map(([, target]) => relative(ROOT, join(ROOT, dirname(path), target)));
}

const folderOf = (path: string): string => path.split("/")[0];

/** The longest entry of the order that holds the file: `cluster/run/x.ts` is in "run". */
function subfolderOf(path: string, order: readonly string[]): string {
  const place = dirname(path).split("/").slice(1).join("/") || ".";
  const holding = order.filter((name) => place === name || place.startsWith(`${name}/`));
  return holding.sort((a, b) => b.length - a.length)[0] ?? place;
}

/** By product file, those that it imports. */
function fileGraph(): ReadonlyMap<string, readonly string[]> {
  const known = new Set(product.map(({ path }) => path));
  return new Map(
    product.map((source) => [source.path, importsOf(source).filter((one) => known.has(one))]),
  );
}

/** By folder, at any depth, the folders that its own files import. */
function folderGraph(): ReadonlyMap<string, readonly string[]> {
  const graph = new Map<string, string[]>();
  for (const [path, targets] of fileGraph()) {
    const own = dirname(path);
    const others = targets.map(dirname).filter((one) => one !== own);
    graph.set(own, [...(graph.get(own) ?? []), ...others]);
  }
  return graph;
}

/** Groups that import each other, in order of the alphabet (Tarjan's algorithm). */
function circles(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const number = new Map<string, number>();
  const stack: string[] = [];
  const found: string[][] = [];
  const visit = (path: string): number => {
    const own = number.size;
    number.set(path, own);
    stack.push(path);
    let low = own;
    for (const target of graph.get(path) ?? []) {
      if (!number.has(target)) low = Math.min(low, visit(target));
      else if (stack.includes(target)) low = Math.min(low, number.get(target) as number);
    }
    if (low === own) {
      const group = stack.splice(stack.indexOf(path));
      if (group.length > 1) found.push(group.sort());
    }
    return low;
  };
  for (const path of graph.keys()) if (!number.has(path)) visit(path);
  return found.sort(([a], [b]) => (a < b ? -1 : 1));
}

/** `path:line` of every line of bare code that matches. */
function hits(among: readonly Source[], pattern: RegExp): string[] {
  return among.flatMap(({ path, code }) =>
    code.split("\n").flatMap((line, i) => (pattern.test(line) ? [`${path}:${i + 1}`] : [])),
  );
}

test("there are sources to check, in every folder of the layout", () => {
  expect(sources.length).toBeGreaterThan(100);
  expect([...new Set(sources.map(({ path }) => folderOf(path)))]).toEqual(Object.keys(LAYERS));
});

describe("imports", () => {
  test("point one way, from layer to layer", () => {
    const wrong = sources.flatMap((source) => {
      const own = folderOf(source.path);
      const more = isTest(source.path) ? ["checks", ...(TEST_LAYERS[own] ?? [])] : [];
      const allowed = [own, ...(LAYERS[own] ?? []), ...more];
      return importsOf(source)
        .filter((target) => target.includes("/") && !allowed.includes(folderOf(target)))
        .map((target) => `${source.path} imports ${target}`);
    });
    expect(wrong).toEqual([]);
  });

  test("point one way between the subfolders of a layer", () => {
    const wrong = product.flatMap(({ path, ...source }) => {
      const order = SUBLAYERS[folderOf(path)];
      const own = order === undefined ? -1 : order.indexOf(subfolderOf(path, order));
      return importsOf({ path, ...source })
        .filter((target) => own >= 0 && folderOf(target) === folderOf(path))
        .filter((target) => order.indexOf(subfolderOf(target, order)) > own)
        .map((target) => `${path} imports ${target}`);
    });
    expect(wrong).toEqual([]);
  });

  test("make no circles of files, and none of folders at any depth", () => {
    expect(circles(fileGraph())).toEqual([]);
    expect(circles(folderGraph())).toEqual([]);
  });

  test("name files with their extension, and files that there are", () => {
    const wrong = sources.flatMap((source) =>
      importsOf(source)
        .filter((target) => !/\.(tsx?|json|css)$/.test(target) || !existsSync(join(ROOT, target)))
        .map((target) => `${source.path} imports ${target}`),
    );
    expect(wrong).toEqual([]);
  });

  test("of test files are made by test files only", () => {
    const wrong = product.flatMap((source) => importsOf(source).filter(isTest));
    expect(wrong).toEqual([]);
  });
});

describe("the pure layers", () => {
  const pure = product.filter(({ path }) => PURE.includes(folderOf(path)));

  test("name no clock, no timer, no process, no promise and no chance but their own", () => {
    expect(hits(pure, BANNED)).toEqual([]);
  });

  test("import only packages that run in a browser, and nothing of Node", () => {
    const imported = pure.flatMap(({ path, text }) =>
      [...text.matchAll(/^(?:import |\} from |export .* from )[^"\n=]*"([^".][^"]*)"/gm)]
        .filter(([, name]) => {
          const known = PURE_PACKAGES.find((one) => name === one || name.startsWith(`${one}/`));
          const isEngine = folderOf(path) === "engine";
          return known === undefined || (isEngine && NOT_THE_ENGINES.includes(known));
        })
        .map(([, name]) => `${path} imports ${name}`),
    );
    expect(imported).toEqual([]);
  });
});

test("waits are bounded by the monotonic clock: the time of day may step", () => {
  const steps = /\bDate\.now\(\) *([<>]|- *\w*(start|began|first))|[<>]=? *Date\.now\(\)(?! *\/)/i;
  expect(hits(product, steps)).toEqual([]);
});

describe("sizes", () => {
  const longFiles = product.filter(({ lines }) => lines.length > LONG_FILE_LINES + 1);
  const longFunctions = product.flatMap(longBlocks);

  test("beyond one sitting or one screen are approved with a reason", () => {
    const long = [...longFiles.map(({ path }) => path), ...longFunctions];
    expect(long.filter((name) => !(name in APPROVED_LONG))).toEqual([]);
  });

  test("are approved only where they are long", () => {
    const long = new Set([...longFiles.map(({ path }) => path), ...longFunctions]);
    expect(Object.keys(APPROVED_LONG).filter((name) => !long.has(name))).toEqual([]);
  });

  test("of files have an upper bound", () => {
    const tooLong = longFiles.filter(({ lines }) => lines.length > MAX_FILE_LINES + 1);
    expect(tooLong.map(({ path, lines }) => `${path}: ${lines.length - 1}`)).toEqual([]);
  });

  /** Blocks after a `)` or `=>`, from their opening line to the `}` of the same indentation. */
  function longBlocks({ path, code }: Source): string[] {
    const lines = code.split("\n");
    return lines.flatMap((line, start) => {
      if (!/(\).*|=>\s*)\{$/.test(line)) return [];
      const indent = /^\s*/.exec(line)?.[0] ?? "";
      const end = lines.findIndex((other, i) => i > start && other.startsWith(`${indent}}`));
      return end - start + 1 > LONG_FUNCTION_LINES ? [`${path}: ${line.trim()}`] : [];
    });
  }
});

describe("the language", () => {
  test("has no default exports", () => {
    expect(hits(sources, /^\s*export default\b|\bas default\b/)).toEqual([]);
  });

  test("has no `any`", () => {
    expect(hits(sources, /(?:[:<|&,[(]|\bas|=>|extends)\s*any\b/)).toEqual([]);
  });

  test("has no enums, and no inheritance but of errors", () => {
    expect(hits(sources, /^\s*(export )?(declare )?(const )?enum\s/)).toEqual([]);
    expect(hits(product, /\bclass \w+(<.*>)? extends (?!Error\b)/)).toEqual([]);
  });

  test("names list entries of a scenario as `--set` takes them: `nodes.0`", () => {
    const issues = product.filter(({ path }) => path.startsWith("scenario/"));
    const found = issues.filter(({ text }) => /[\w}]\[\$\{/.test(text)).map(({ path }) => path);
    expect(found).toEqual([]);
  });

  test("has no notes of work left undone", () => {
    const notes = /\b(TOD[O]|FIXM[E]|XX[X]|HAC[K])\b/;
    const found = sources.filter(({ text }) => notes.test(text)).map(({ path }) => path);
    expect(found).toEqual([]);
  });
});

test("each invariant of ARCHITECTURE.md names tests that `npm test` runs", () => {
  const text = readFileSync(join(ROOT, "ARCHITECTURE.md"), "utf8");
  const [, section] = /\n## Invariants[^\n]*\n([\s\S]*?)\n## /.exec(text) ?? [];
  const entries = section.split(/\n(?=\d+\. )/).slice(1);
  expect(entries.length).toBeGreaterThan(10);
  for (const entry of entries) {
    const named = [...entry.matchAll(/`([\w/*.-]+\.test\.ts)`/g)].map(([, path]) => path);
    expect(named.length, entry).toBeGreaterThan(0);
    const folder = (path: string): string => (path.includes("*") ? dirname(path) : path);
    expect(named.filter((path) => !existsSync(join(ROOT, folder(path))))).toEqual([]);
    expect(named.filter((path) => path.includes(".long."))).toEqual([]);
  }
});

describe("dependencies", () => {
  const manifest = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
    dependencies: Record<string, string>;
    optionalDependencies: Record<string, string>;
    devDependencies: Record<string, string>;
    allowScripts: Record<string, boolean>;
  };
  const names = Object.keys({
    ...manifest.dependencies,
    ...manifest.optionalDependencies,
    ...manifest.devDependencies,
  });
  const guide = join(ROOT, "CONTRIBUTING.md");

  test("each have their reason in CONTRIBUTING.md", () => {
    expect(existsSync(guide), "CONTRIBUTING.md is missing: it gives each reason").toBe(true);
    const [, section] = readFileSync(guide, "utf8").split("\n## Dependencies\n");
    const rows = section.matchAll(/^\| (\S+)(?: \((.+)\))? +\| (.+) \|$/gm);
    const reasons = new Map<string, string>();
    for (const [, name, members, reason] of rows) {
      // One row for several: `@types/* (node, pacote)`.
      for (const member of members?.split(", ") ?? [""]) {
        reasons.set(name.replace("*", member), reason);
      }
    }
    const unexplained = names.filter((name) => (reasons.get(name)?.length ?? 0) < 10);
    expect(unexplained).toEqual([]);
    const gone = [...reasons.keys()].filter(
      (name) => !names.includes(name) && !/^(package|-+)$/.test(name),
    );
    expect(gone, "rows without a dependency").toEqual([]);
  });

  // They download: onnxruntime-node's fetches CUDA's libraries, or fails without a network.
  test("run no script of their own when they are installed, under any npm", () => {
    const lock = JSON.parse(readFileSync(join(ROOT, "package-lock.json"), "utf8")) as {
      packages: Record<string, { hasInstallScript?: boolean }>;
    };
    const scripted = Object.entries(lock.packages).filter(([, { hasInstallScript }]) =>
      Boolean(hasInstallScript),
    );
    const hint = "npm 10 runs scripts of packages with `hasInstallScript`: delete that line";
    expect(
      scripted.map(([path]) => path),
      hint,
    ).toEqual([]);
    const allowed = Object.entries(manifest.allowScripts).filter(([, allow]) => allow);
    expect(allowed, "npm 11 runs these").toEqual([]);
  });
});
