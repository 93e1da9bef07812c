/** One validation of the study, and what it found. */
import type { ValidationResult } from "../../core/results.ts";

export interface StudyCase {
  readonly name: string;
  readonly seed: number;
  /** Model whose stored profile is falsified, or "contention"; absent: nothing is wrong. */
  readonly wrong?: string;
  /** Utilization of the busiest task. */
  readonly load?: number;
}

export interface Finding extends StudyCase {
  readonly part: string;
  /** ISO 8601. */
  readonly date: string;
  readonly machine: string;
  readonly outcome: {
    readonly validated: ValidationResult;
    readonly seconds: number;
  };
}
