import { describe, expect, test } from "vitest";
import type { ConfigurationResult, ResultsDocument } from "../../results/documents.ts";
import type { Parameter } from "../../scenario/sweep/parameter-columns.ts";
import {
  curve,
  singleDocument,
  sweepDocument,
  validationDocument,
} from "../documents.test-support.ts";
import { renderSvg } from "../render-chart.ts";
import type { PlanView } from "../tables/documents.ts";
import { renderPng } from "../write-report.ts";
import { attainmentMap } from "./attainment-map.ts";
import { chartsOf } from "./chart-list.ts";
import { costFront } from "./cost.ts";
import { latencyCdf, latencyQuantiles, tokenTimes } from "./latency.ts";
import { loadResponse } from "./metric-lines.ts";
import { planSearch } from "./plan-search.ts";
import { predictionError } from "./validation.ts";

const first = sweepDocument().configurations[0] as ConfigurationResult;

function swept(points: readonly Record<string, Parameter>[]): ResultsDocument {
  const configurations = points.map((parameters, i) => ({
    ...(sweepDocument().configurations[i % 36] as ConfigurationResult),
    id: `c${i}`,
    parameters,
  }));
  return { ...sweepDocument(), configurations };
}

test("times of tokens are drawn where a language model writes, with the goals that they have", () => {
  const document = sweepDocument();
  expect(tokenTimes(document)).toBeUndefined();
  const times = { ttftMeanMs: 80, ttftP99Ms: 200, tpotMeanMs: 20, tpotP99Ms: 30 };
  const estimates = Object.fromEntries(
    Object.entries(times).map(([name, mean]) => [name, { mean, halfWidth95: 1 }]),
  );
  const configurations = document.configurations.map((one) => ({
    ...one,
    metrics: { ...one.metrics, ...estimates },
  }));
  const slo = { latencyMs: 500, percentile: 99, ttftMs: 250 };
  const drawn = JSON.stringify(tokenTimes({ ...document, slo, configurations }));
  expect(drawn).toContain("first token ≤ 250 ms");
  expect(drawn).not.toContain('a token"');
  for (const [, mean] of Object.entries(times)) expect(drawn).toContain(`"value":${mean},`);
});

const manySchedulers = Array.from({ length: 12 }, (_, s) =>
  [1, 2, 4].flatMap((n) =>
    [8, 16].map((r) => ({
      scheduler: `scheduler-${s}`,
      "cluster.replicas.a": n,
      "workload.ratePerS": r,
    })),
  ),
).flat();
const shapes = ['{"detect":1,"plate":1}', '{"detect":4,"plate":2}'].flatMap((shape) =>
  ["fifo", '{"routing":"power-of-two","ordering":"edf"}'].map((scheduler) => ({
    "cluster.replicas": shape,
    scheduler,
  })),
);
const tableOfPoints = [
  { "cluster.replicas.a": 1, "workload.requests": 10 },
  { "cluster.replicas.a": 3, "workload.requests": 10 },
  { "cluster.replicas.a": 3, "workload.requests": 50 },
];
const planned = [
  { "workload.ratePerS": 8, "cluster.replicas.a": 1, "cluster.replicas.b": 1 },
  { "workload.ratePerS": 16, "cluster.replicas.a": 1, "cluster.replicas.b": 1 },
  { "workload.ratePerS": 24, "cluster.replicas.a": 1, "cluster.replicas.b": 2 },
  { "workload.ratePerS": 32, "cluster.replicas.a": 2, "cluster.replicas.b": 2 },
];
const flat: ConfigurationResult = {
  ...first,
  metrics: Object.fromEntries(
    Object.keys(first.metrics).map((name) => [name, { mean: 5, halfWidth95: 0 }]),
  ),
};

/** The sweep with its overloaded shapes recognised. */
function overloaded(): ResultsDocument {
  const configurations = sweepDocument().configurations.map((one): ConfigurationResult => {
    const full = (one.metrics.utilizationRatio?.mean ?? 0) >= 1;
    return { ...one, stability: full ? "unstable" : "stable" };
  });
  return { ...sweepDocument(), configurations };
}

const DOCUMENTS: Record<string, [ResultsDocument, ReturnType<typeof validationDocument>?]> = {
  "3 schedulers × 4 shapes × 3 loads, 9 validated": [sweepDocument(), validationDocument(9)],
  "the same without a validation": [sweepDocument()],
  "one configuration, one replication": [singleDocument()],
  "one configuration, two validated": [singleDocument(), validationDocument(2)],
  "one validated": [sweepDocument(), validationDocument(1)],
  "thirty validated": [sweepDocument(), validationDocument(30)],
  "twelve schedulers": [swept(manySchedulers)],
  "shapes and schedulers as JSON text": [swept(shapes)],
  "points that are no grid": [swept(tableOfPoints)],
  "a cluster planned for each load": [swept(planned)],
  "overloaded corners": [overloaded()],
  "a long numeric sweep": [
    swept(Array.from({ length: 30 }, (_, i) => ({ "workload.ratePerS": 1 + i * 1.7 }))),
  ],
  "no variance at all": [{ ...sweepDocument(), configurations: [flat, { ...flat, id: "b" }] }],
  "nothing measured": [
    { ...singleDocument(), configurations: [{ ...first, metrics: {}, tasks: {} }] },
    { ...validationDocument(1), configurations: [] },
  ],
  "zero latencies and a curve from zero": [
    {
      ...sweepDocument(),
      configurations: [
        {
          ...first,
          metrics: { latencyP99Ms: { mean: 0, halfWidth95: 0 } },
          latencyCurve: { share: [0, 0.5, 1], latencyMs: [0, 0, 10] },
        },
      ],
    },
  ],
};

describe.each(Object.entries(DOCUMENTS))("%s", (_, [results, validation]) => {
  const charts = chartsOf({ results, validation });
  test.each(charts.map((chart) => [chart.name, chart] as const))(
    "%s draws clean",
    async (_, chart) => {
      const { svg, warnings } = await renderSvg(chart.spec);
      expect(warnings).toEqual([]);
      expect(svg).not.toMatch(/NaN|undefined|Infinity|\[object/);
      expect(chart.spec.description).toMatch(/\w/);
      const width = Number(svg.match(/ width="(\d+)/)?.[1]);
      expect(width).toBeGreaterThan(100);
      expect(width).toBeLessThan(1400);
    },
  );
  test("has the charts that its data allow", () => {
    expect(charts.map((chart) => chart.name)).toMatchSnapshot();
  });
});

/**
 * A chart's specification without its rows and the shared look. A part that stands in it again is the
 * path of its first place.
 */
function structure(spec: unknown): unknown {
  const places = new Map<string, string>();
  const shortened = (value: unknown, place: string): unknown => {
    if (typeof value !== "object" || value === null) return value;
    const text = JSON.stringify(value, null, 1);
    const first = places.get(text);
    if (first !== undefined && text.split("\n").length > 3) return `as ${first}`;
    places.set(text, place);
    if (Array.isArray(value)) return value.map((one, i) => shortened(one, `${place}.${i}`));
    const entries = Object.entries(value).map(([key, part]) => {
      if (key !== "data") return [key, shortened(part, `${place}.${key}`)];
      return [key, `${part.values.length} rows of ${Object.keys(part.values[0])}`];
    });
    return Object.fromEntries(entries);
  };
  const { config: _, ...own } = spec as Record<string, unknown>;
  return shortened(own, "");
}

const SOURCES = { results: sweepDocument(), validation: validationDocument(3) };

test.each(chartsOf(SOURCES).map((c) => [c.name, c.spec] as const))(
  "golden specification: %s",
  (_, spec) => {
    expect(structure(spec)).toMatchSnapshot();
  },
);

test("golden specification: ranking, when nothing numeric is swept", () => {
  expect(structure(latencyQuantiles(swept(shapes)))).toMatchSnapshot();
});

type Row = Record<string, unknown>;

function rowsOf(spec: unknown): Row[] {
  return (spec as { data: { values: Row[] } }).data.values;
}

interface Panel {
  readonly data: { readonly values: Row[] };
  readonly spec: { readonly layer: { readonly encoding: Record<string, { scale?: object }> }[] };
}

/** Panels of charts with a row of them for each metric. */
function panelsOf(spec: unknown): Panel[] {
  return (spec as { vconcat: Panel[] }).vconcat;
}

function lineRows(spec: unknown): Row[] {
  return panelsOf(spec).flatMap(({ data }) => data.values);
}

test("every configuration is in the quantile chart three times, overloaded ones included", () => {
  const rows = lineRows(latencyQuantiles(overloaded()));
  expect(rows).toHaveLength(36 * 3);
  expect(rows.some((row) => row.steady === false)).toBe(true);
});

test("points stand at the swept value itself, whatever their scheduler", () => {
  for (const spec of [latencyQuantiles(sweepDocument()), loadResponse(sweepDocument())]) {
    expect(new Set(lineRows(spec).map((row) => row.x))).toEqual(new Set([8, 16, 32]));
  }
});

test("lines that coincide in a panel are one line with all names", () => {
  const { configurations, ...rest } = sweepDocument();
  const fifo = new Map(
    configurations
      .filter((one) => one.parameters.scheduler === "fifo")
      .map((one) => [JSON.stringify({ ...one.parameters, scheduler: "" }), one.metrics]),
  );
  const alike = configurations.map((one) => {
    const metrics = fifo.get(JSON.stringify({ ...one.parameters, scheduler: "" })) ?? {};
    return one.parameters.scheduler === "power-of-two" ? { ...one, metrics } : one;
  });
  const rows = lineRows(latencyQuantiles({ ...rest, configurations: alike }));
  expect(rows).toHaveLength(24 * 3);
  expect(new Set(rows.map((row) => row.colour))).toEqual(
    new Set(["fifo = power-of-two", "join-shortest-queue"]),
  );
  const one = rows.find((row) => row.colour === "fifo = power-of-two");
  expect(one?.tip).toMatch(/; as this: power-of-two$/);
  expect(one?.key).toBe("¦s0 l0 s2");
});

test("an axis does not begin at zero where that would flatten near values", () => {
  const { configurations, ...rest } = sweepDocument();
  const near = configurations.map((one, i) => ({
    ...one,
    metrics: { latencyP99Ms: { mean: 235 + 3 * i, halfWidth95: 1 } },
  }));
  const [panel] = panelsOf(latencyQuantiles({ ...rest, configurations: near }));
  expect(panel.spec.layer.at(-1)?.encoding.y.scale).toMatchObject({ zero: false });
  const [far] = panelsOf(loadResponse(sweepDocument()));
  expect(far.spec.layer.at(-1)?.encoding.y.scale).toMatchObject({ zero: true });
});

test("the cheapest of each load that meets the SLO is ringed, and so are its ties", () => {
  const cheapest = (document: ResultsDocument) =>
    rowsOf(costFront(document)).filter((row) => row.cheapest);
  // Three schedulers, of which nothing tells that one is better.
  expect(cheapest(sweepDocument())).toHaveLength(3 * 3);
  const { configurations, ...rest } = sweepDocument();
  const apart = configurations.map((one) => {
    const mean = one.metrics.latencyP99Ms?.mean ?? 0;
    return { ...one, samples: { latencyP99Ms: [mean - 1, mean, mean + 1] } };
  });
  const alone = cheapest({ ...rest, configurations: apart });
  expect(alone).toHaveLength(3);
  expect(alone.every((row) => row.slo === "meets" && row.front)).toBe(true);
  expect(alone.map((row) => String(row.panel))).toContainEqual(
    expect.stringMatching(/^arrival rate 8\/s\ncheapest: join-shortest-queue, detect replicas 2$/),
  );
});

test("without prices the cost axis is the number of all replicas", () => {
  const { configurations, ...rest } = sweepDocument();
  const free = configurations.map((one) => {
    const { costPerHour: _, ...metrics } = one.metrics;
    return { ...one, metrics };
  });
  const rows = rowsOf(costFront({ ...rest, configurations: free }));
  expect(new Set(rows.map((row) => row.cost))).toEqual(new Set([3, 4, 6, 10]));
});

test("the load chart needs a load that varies", () => {
  expect(loadResponse(swept(shapes))).toBeUndefined();
  expect(loadResponse(sweepDocument())).toBeDefined();
});

test("one panel without a name is no facet; a last row that is not full has its own axis", () => {
  const alone = swept(
    [8, 16, 32].flatMap((rate) =>
      [1, 2].map((n) => ({ "cluster.replicas.a": n, "workload.ratePerS": rate })),
    ),
  );
  for (const { name, spec, narrow } of chartsOf({ results: alone })) {
    expect(JSON.stringify([spec, narrow]), name).not.toMatch(/"sort":\[""\]/);
  }
  for (const [sizes, resolve] of [
    [[1, 2, 4], { axis: { x: "independent" } }],
    [[1, 2, 4, 8], undefined],
  ] as const) {
    const all = sweepDocument();
    const kept = ({ parameters }: ConfigurationResult) =>
      sizes.some((size) => size === parameters["cluster.replicas.detect"]);
    const charts = chartsOf({
      results: { ...all, configurations: all.configurations.filter(kept) },
    });
    const found = charts.find(({ name }) => name === "load-response")?.narrow as unknown as {
      vconcat: { columns: number; resolve?: object }[];
    };
    for (const part of found.vconcat) expect(part).toMatchObject({ columns: 2, resolve });
  }
});

test("at most six distributions share a panel; a validation gets a panel each", () => {
  const lines = new Set(rowsOf(latencyCdf(sweepDocument())).map((row) => row.line));
  expect([...lines].flatMap((line) => String(line).split(" = "))).toHaveLength(6);
  const panels = rowsOf(latencyCdf(sweepDocument(), validationDocument(4)));
  expect(new Set(panels.map((row) => row.panel)).size).toBe(4);
  expect(new Set(panels.map((row) => row.line))).toEqual(new Set(["predicted", "measured"]));
});

test("two configurations with the same distribution are one line with both names", () => {
  const same = { ...first, parameters: {}, latencyCurve: curve(200) };
  const document = { ...sweepDocument(), configurations: [same, { ...same, id: "other" }] };
  const lines = new Set(rowsOf(latencyCdf(document)).map((row) => row.line));
  expect(lines).toEqual(new Set([`${same.id} = other`]));
});

test("distributions share one x, with the SLO drawn in", () => {
  const spec = latencyCdf(sweepDocument(), validationDocument(4)) as unknown as {
    resolve?: object;
    spec: { layer: { mark: { type: string }; encoding: { x?: { datum?: number } } }[] };
  };
  expect(spec.resolve).toBeUndefined();
  const rules = spec.spec.layer.filter(({ mark }) => mark.type === "rule");
  expect(rules.map(({ encoding }) => encoding.x?.datum)).toContain(500);
});

test("an error is drawn with the interval that it was judged by", () => {
  const rows = rowsOf(predictionError(validationDocument(9)));
  const of = (letter: string) =>
    rows.find((row) => String(row.configuration).startsWith(`${letter}:`)) ?? {};
  expect(Number(of("A").high) - Number(of("A").low)).toBeCloseTo(4, 9);
  expect(of("E").tip).toMatch(/interval: \+23.* %; tolerance: ±10 %; disagrees/);
  // Where there is no interval, none is drawn.
  expect(of("H").low).toBe(of("H").percent);
});

test("text is drawn in a PNG on a system without fonts", () => {
  const image = (text: string) =>
    renderPng(
      `<svg xmlns="http://www.w3.org/2000/svg" width="80" height="20">
         <text x="2" y="15" font-family="DejaVu Sans, Verdana, sans-serif">${text}</text>
       </svg>`,
    );
  expect(Buffer.from(image("p99 ± 3")).equals(Buffer.from(image("")))).toBe(false);
});

test("unstable configurations are crossed at the top, have no error bars, and are on no front", () => {
  const spec = latencyQuantiles(overloaded());
  const crossed = lineRows(spec).filter((row) => !row.steady);
  expect(crossed.length).toBeGreaterThan(0);
  for (const row of crossed) {
    expect([row.low, row.high]).toEqual([row.shown, row.shown]);
    expect(row.tip).toMatch(/: overloaded$/);
  }
  const steady = lineRows(spec).filter((row) => row.steady);
  const most = Math.max(...steady.map((row) => Number(row.high)));
  expect(Math.max(...crossed.map((row) => Number(row.shown)))).toBeLessThan(2 * most);
  expect(JSON.stringify(spec?.title)).toContain("crosses at the top: overloaded");
  const front = rowsOf(costFront(overloaded()));
  expect(front.filter((row) => row.front && !row.steady)).toEqual([]);
});

test("the heat map has a cell for each configuration, the cheapest shape on top", () => {
  const spec = attainmentMap(sweepDocument());
  const rows = rowsOf(spec);
  expect(rows).toHaveLength(36);
  const { layer } = (
    spec as unknown as { spec: { layer: { encoding: { y: { sort: string[] } } }[] } }
  ).spec;
  expect(layer[0].encoding.y.sort[0]).toBe("detect replicas 1");
  expect(rows.filter((row) => row.chosen).map((row) => row.state)).toEqual(
    Array.from({ length: 9 }, () => "meets"),
  );
  expect(attainmentMap(singleDocument())).toBeUndefined();
});

test("of many panels those are shown that differ from the decision's in the scheduler alone", () => {
  const points = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"].flatMap((scheduler) =>
    [1, 2].flatMap((plate) =>
      [4, 8, 16].map((rate) => ({
        scheduler,
        "cluster.replicas.plate": plate,
        "workload.ratePerS": rate,
      })),
    ),
  );
  const document = swept(points);
  const configurations = document.configurations.map((one) => {
    const isDecision =
      one.parameters.scheduler === "d" && one.parameters["cluster.replicas.plate"] === 2;
    return { ...one, slo: isDecision ? ("meets" as const) : ("misses" as const) };
  });
  const spec = JSON.stringify(latencyQuantiles({ ...document, configurations }));
  const panels = new Set([...spec.matchAll(/"panel":"([^"]*)"/g)].map(([, panel]) => panel));
  expect(panels.size).toBe(8);
  expect(panels).toContain("d");
  expect([...panels].filter((panel) => !/^[a-j]$/.test(panel))).toEqual([]);
  expect(spec).toContain("8 of 10 panels");
});

test("a share that is not all of the requests is never 100 in the map", () => {
  const document = sweepDocument();
  const configurations = document.configurations.map((one) => ({
    ...one,
    metrics: { ...one.metrics, sloAttainmentRatio: { mean: 0.99999, halfWidth95: 0 } },
  }));
  expect(JSON.stringify(attainmentMap({ ...document, configurations }))).toContain(
    '"percent":"99.9"',
  );
});

test("a line over the load joins points of one cluster only", async () => {
  for (const spec of [latencyQuantiles(swept(planned)), loadResponse(swept(planned))]) {
    const { svg } = await renderSvg(spec as NonNullable<typeof spec>);
    const lines = [...svg.matchAll(/<path [^>]*d="(M[^"]*)"[^>]*stroke-width="1.8"/g)];
    const corners = lines.map(([, d]) => d.split("L").length);
    expect(corners.filter((n) => n > 2)).toEqual([]);
    expect(corners).toContain(2);
  }
});

describe("the search of a plan", () => {
  const answer = { scheduler: "fifo", parameters: {}, cost: 4, replicas: { a: 2 } };
  const tried = (
    cost: number,
    mean: number,
    state: "confirmed" | "not confirmed" | "ruled out",
  ) => ({
    scheduler: "fifo",
    parameters: {},
    cost,
    replicas: { a: cost / 2 },
    state,
    kept: { p: { mean, low: mean - 0.01, high: Math.min(1, mean + 0.01) } },
  });
  const plan: PlanView = {
    schema: "tandem/plan@3",
    command: "npx tandem plan s.yaml",
    headlines: [],
    plans: [
      {
        parameters: {},
        unit: "per hour",
        runnersUp: [],
        nearest: null,
        alike: [],
        goals: [{ pipeline: "p", latencyMs: 300, percentile: 99 }],
        best: { ...answer, placement: null, replications: 8, kept: {} },
        allCheaperTried: false,
        state: "confirmed",
        lowerBound: 3,
        tried: [
          tried(2, 0.4, "ruled out"),
          tried(3, 0.985, "not confirmed"),
          tried(4, 0.995, "confirmed"),
        ],
      },
    ],
  };

  test("has a point for each cluster that was tried, the SLO, the bound, and a ring at the plan", async () => {
    const charts = chartsOf({ results: singleDocument(), plan });
    const [{ name, section, spec, narrow }] = charts;
    expect([name, section]).toEqual(["plan-search", "decision"]);
    const rows = rowsOf(spec);
    expect(rows.map(({ cost, state, isPlan }) => [cost, state, isPlan])).toEqual([
      [2, "ruled out", false],
      [3, "not confirmed", false],
      [4, "confirmed", true],
    ]);
    expect(rows.every(({ goal, bound }) => goal === 99 && bound === 3)).toBe(true);
    expect(rows[0]).toMatchObject({ mean: 40, at: 92 });
    expect(JSON.stringify(spec.title)).toContain("; at 92 %: that or less");
    expect(rows[1].tip).toBe(
      "fifo, a 1.5; 3 per hour; 98.5 % [97.5, 99.5] within 300 ms; not confirmed",
    );
    for (const drawn of [spec, narrow]) {
      const { svg, warnings } = await renderSvg(drawn);
      expect(warnings).toEqual([]);
      expect(svg).not.toMatch(/NaN|undefined|Infinity|\[object/);
      expect(svg.match(/>within the SLO \(%\)</g), "one axis for all layers").toHaveLength(1);
    }
  });

  test("shows every cluster at its own cost on one axis for all loads", async () => {
    const [entry] = plan.plans;
    const many = [
      tried(4, 0.9, "ruled out"),
      ...(entry.tried ?? []),
      tried(4, 0.99, "not confirmed"),
    ];
    const loads = [
      { ...entry, tried: many, parameters: { rate: 1 } },
      { ...entry, tried: [tried(20, 0.995, "ruled out"), ...many], parameters: { rate: 2 } },
    ];
    const drawn = planSearch({ ...plan, plans: loads }, singleDocument()) as NonNullable<
      ReturnType<typeof planSearch>
    >;
    const { svg } = await renderSvg(drawn);
    const at = (cost: number) =>
      [...svg.matchAll(/aria-label="([^"]*)"[^>]* transform="translate\(([\d.]+),/g)]
        .filter(([, text]) => text.includes(`; ${cost} per hour;`))
        .map(([, , x]) => x);
    expect(at(4)).toHaveLength(2 * 3);
    expect(new Set(at(4)).size).toBe(1);
    expect(
      rowsOf(drawn)
        .filter(({ cost }) => cost === 4)
        .at(-1),
    ).toMatchObject({ isPlan: true });
  });

  test("is not of a plan of an earlier version", () => {
    const [entry] = plan.plans;
    expect(
      planSearch({ ...plan, plans: [{ ...entry, tried: undefined }] }, singleDocument()),
    ).toBeUndefined();
  });
});
