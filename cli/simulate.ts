/** `tandem simulate`: all configurations × replications, to the terminal, as JSON, or to a folder. */
import { once } from "node:events";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { shellWord } from "../core/command-words.ts";
import { Fault } from "../core/fault.ts";
import { SAMPLE_METHODS } from "../core/scenario/axes.ts";
import {
  type ConfigurationResult,
  repeatCommand,
  resultsText,
  type Sample,
  type Scenario,
  type SweepOptions,
  type Swept,
  sweepThen,
  trace,
} from "../library/index.ts";
import { plural } from "../reports/tables/format.ts";
import { placementLines } from "../reports/tables/result-tables.ts";
import {
  configurationsText,
  documentNotesText,
  goalLines,
  notesText,
  pipelinesText,
  rankingText,
} from "../reports/tables/terminal-text.ts";
import { columns } from "./command-line.ts";
import { printWarning, untilInterrupted } from "./failure.ts";
import { progress } from "./progress.ts";
import {
  loadScenario,
  marginOf,
  refuseEmpty,
  requireCounts,
  type ScenarioArguments,
} from "./scenario-file.ts";

export interface SimulateArguments extends ScenarioArguments {
  readonly json: boolean;
  readonly out?: string;
  readonly workers?: number;
  readonly margin?: string;
  readonly yes: boolean;
  /** A method and a number of configurations. */
  readonly sample?: readonly string[];
  /** File for a trace of the first configuration's first replication. */
  readonly trace?: string;
  /** Keep a row for each request, in the folder `out`. */
  readonly requests?: boolean;
}

export async function simulate(args: SimulateArguments): Promise<void> {
  const { loaded, options } = await askedSweep(args);
  await sweepAnd(loaded, options, (swept) => printResults(swept, args));
  if (args.trace === undefined) return;
  const { id, configurations, note } = await trace(loaded, args.trace, options);
  const which =
    configurations === 1 ? "" : ` of ${id}, the first of ${configurations} configurations`;
  const cut = note === undefined ? "" : `, ${note}`;
  process.stderr.write(`trace${which}: ${args.trace}${cut}; open it in ui.perfetto.dev\n`);
}

/** The scenario and the sweep that the options ask for. Rejects with a Fault for those that ask for none. */
export async function askedSweep(
  args: SimulateArguments,
): Promise<{ readonly loaded: Scenario; readonly options: SweepOptions }> {
  checkOptions(args);
  const { scenario, set, until, untilMetrics, maxReplications, compare, margin, sample } = args;
  const options = {
    ...{ threads: args.workers, sample: sampleOf(args), margin: marginOf(args) },
    ...{ directory: args.out, stores: join(".tandem", "sweeps") },
    ...{ allowLarge: args.yes, requests: args.requests },
  };
  const loaded = await loadScenario(args);
  const { seed, replications } = loaded.document.run;
  const command = repeatCommand("simulate", scenario, {
    ...{ seed, set, replications },
    ...{ until, untilMetrics, maxReplications, compare, margin, sample },
  });
  return { loaded, options: { ...options, command } };
}

/** Sweeps with a bar of progress until Ctrl-C, and gives what `use` makes of the results. */
export async function sweepAnd<T>(
  loaded: Scenario,
  options: SweepOptions,
  use: (swept: Swept) => T | Promise<T>,
): Promise<T> {
  const shown = progress("simulate");
  let kept = "";
  return untilInterrupted(
    (signal) =>
      sweepThen(
        loaded,
        {
          ...{ ...options, signal, onNote: printWarning },
          onProgress: (step) => {
            kept = `: ${step.done} of ${plural(step.total, "configuration")} kept`;
            shown.onProgress(step);
          },
        },
        (swept) => {
          shown.stop();
          return use(swept);
        },
      ).finally(shown.stop),
    () => kept,
    "the same command goes on from there",
  );
}

/** Each thread has a heap of its own: thousands of them exhaust a machine's memory. */
const MOST_WORKERS = 256;

function checkOptions({ workers, replications, out }: SimulateArguments): void {
  refuseEmpty(out);
  requireCounts({ workers, replications });
  if (workers !== undefined && workers > MOST_WORKERS) {
    throw new Fault("usage", `--workers must be at most ${MOST_WORKERS}, got ${workers}`, {
      hint: `this machine has ${plural(availableParallelism(), "processor")}; a thread each is best`,
    });
  }
}

function sampleOf({ sample }: SimulateArguments): Sample | undefined {
  if (sample === undefined) return undefined;
  const [method, text] = sample;
  const count = Number(text);
  const known = SAMPLE_METHODS.find((name) => name === method);
  if (known === undefined || !Number.isInteger(count) || count < 1) {
    throw new Fault("usage", `--sample ${sample.join(" ")}: expected a method and a number`, {
      hint: `the methods are ${SAMPLE_METHODS.join(" and ")}`,
    });
  }
  return { method: known, count };
}

/** To the terminal: tables, or the JSON document, one configuration at a time in memory. */
export async function printResults(
  swept: Swept,
  { json, out }: Pick<SimulateArguments, "json" | "out">,
): Promise<void> {
  for (const piece of json ? resultsText(swept) : [tablesText(swept, out)]) {
    // Waits for a reader that is slower, so that no more than a piece is held.
    if (!process.stdout.write(piece)) await once(process.stdout, "drain");
  }
}

/** For the best of more, there is the report. */
const MOST_JUDGED = 10_000;

function tablesText({ count, configurations: all, ...header }: Swept, out?: string): string {
  const width = columns();
  const configurations: ConfigurationResult[] = [];
  for (const { latencyCurve: _, gantt: __, ...one } of all) {
    if (configurations.push(one) === MOST_JUDGED) break;
  }
  const document = { ...header, configurations };
  const isAll = count <= MOST_JUDGED;
  const lines = [
    configurationsText(document, width),
    ...pipelinesText(document, width),
    ...(isAll ? [] : [`of the first ${MOST_JUDGED} of ${count} configurations`]),
    ...placementLines(document, width),
    ...documentNotesText(header, width),
    ...notesText(configurations, width),
    ...(isAll ? goalLines(document, width) : []),
    ...rankingText(document, width),
    ...(count > 1 && configurations.every((one) => one.replications === 1)
      ? ["one replication: no difference between configurations can be told from noise"]
      : []),
    `seed ${header.seed} · scenario ${header.scenario.digest} · repeat: ${header.command}`,
  ];
  if (out !== undefined) {
    const charts = `npx tandem report ${shellWord(out)}`;
    lines.push(`results: ${join(out, "results.json")} · charts: ${charts}`);
  }
  return `${lines.join("\n")}\n`;
}
