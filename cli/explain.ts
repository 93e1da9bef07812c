/** `tandem explain`: where the gaps of a validation come from. */
import { type Explanation, explain as explained, trace as traced } from "../library/index.ts";
import { plural, wrapped } from "../reports/tables/format.ts";
import { tableText } from "../reports/tables/table-text.ts";
import { columns, print } from "./command-line.ts";

export interface ExplainArguments {
  /** The folder of `validate --out`. */
  readonly directory: string;
  readonly json: boolean;
  /** File for a trace of the first configuration's first run, beside its prediction. */
  readonly trace?: string;
}

export async function explain({ directory, json, trace }: ExplainArguments): Promise<void> {
  const explanations = await explained(directory);
  if (trace !== undefined) {
    await traced(directory, trace);
    process.stderr.write(`trace: ${trace}; open it in ui.perfetto.dev\n`);
  }
  const document = { schema: "tandem/explanation@1", configurations: explanations };
  const texts = explanations.map((one) => explanationText(one, columns()));
  print(json, document, texts.join("\n\n"));
}

function explanationText(explanation: Explanation, width: number): string {
  const { id, runs, predictedMs, measuredMs, gapMs, parts, figures } = explanation;
  const { verdict, sentence, unknown } = explanation;
  const table = tableText(
    {
      caption: "",
      headings: ["part of the gap", "ms", "±"],
      rows: [
        ...Object.entries(parts).map(([part, own]) => row(part, own)),
        row("predicted − measured", gapMs),
      ],
    },
    width,
  );
  const evidence = tableText(
    {
      caption: "",
      headings: ["evidence", "part", "unit", "predicted", "measured", "±"],
      rows: figures.map(({ what, part, unit, predicted, measured }) => [
        { text: what },
        { text: part },
        { text: unit },
        { text: predicted.mean.toFixed(3), numeric: true },
        { text: measured.mean.toFixed(3), numeric: true },
        { text: widthText(measured), numeric: true },
      ]),
    },
    width,
  );
  return [
    `${id}: mean latency, of ${plural(runs, "run")}${verdict === undefined ? "" : `; verdict: ${verdict}`}`,
    `predicted ${shown(predictedMs)}, measured ${shown(measuredMs)}`,
    "",
    table,
    "",
    evidence,
    "",
    wrapped(sentence, width),
    ...(unknown.length === 0 ? [] : ["", "not known:"]),
    ...unknown.map((line) => `  ${wrapped(line, width - 4).replaceAll("\n", "\n    ")}`),
  ].join("\n");
}

type RunEstimate = Explanation["gapMs"];

function row(text: string, estimate: RunEstimate) {
  const { mean } = estimate;
  const signed = `${mean >= 0 ? "+" : "−"}${Math.abs(mean).toFixed(3)}`;
  return [{ text }, { text: signed, numeric: true }, { text: widthText(estimate), numeric: true }];
}

/** Empty for a single run, and for predictions on the same draws. */
function widthText({ halfWidth95 }: RunEstimate): string {
  return halfWidth95 === null || halfWidth95 === 0 ? "" : halfWidth95.toFixed(3);
}

function shown(estimate: RunEstimate): string {
  const width = widthText(estimate);
  return `${estimate.mean.toFixed(3)}${width === "" ? "" : ` ± ${width}`} ms`;
}
