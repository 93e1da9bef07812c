import type { RunLog } from "../run-log.ts";
import type { System } from "../system.ts";
import type { RequestAnswers } from "./answers.ts";
import type { Driver } from "./driver.ts";
import type { Notices } from "./notices.ts";
import type { Scheduler } from "./policies.ts";
import type { RequestChoices, RequestTable } from "./request-table.ts";
import type { Steps } from "./steps.ts";

/** The state and the terms that all parts of one dispatcher share. */
export interface Shared {
  readonly system: System;
  readonly scheduler: Scheduler;
  readonly requests: RequestTable;
  readonly choices: RequestChoices;
  readonly answers: RequestAnswers;
  readonly steps: Steps;
  /** Null without controllers, and rules that hear of batches. */
  readonly notices: Notices | null;
  readonly driver: Driver;
  readonly log: RunLog | null;
}
