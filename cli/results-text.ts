/** `tandem/results@1` as text. */
import type { Comparison, ConfigurationResult, ResultsDocument } from "../core/results.ts";

export type ResultsHeader = Omit<ResultsDocument, "configurations" | "comparisons">;

/** In pieces, a configuration a line. */
export class ResultsText {
  #count = 0;

  start(header: ResultsHeader): string {
    return `${JSON.stringify(header).slice(0, -1)},"configurations":[`;
  }

  configuration(result: ConfigurationResult): string {
    const separator = this.#count++ === 0 ? "" : ",";
    return `${separator}\n${JSON.stringify(result)}`;
  }

  end(comparisons: readonly Comparison[]): string {
    const last = comparisons.length === 0 ? "" : `,"comparisons":${JSON.stringify(comparisons)}`;
    return `\n]${last}}\n`;
  }
}
