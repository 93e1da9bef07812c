/**
 * Whether the decision table's advice holds for models that it was not made from: two of ours, with times as `tandem
 * calibrate` measured them, one input at a time on one thread of a processor, in every case where batches gain nothing.
 */
import { type Case, type Decision, fittedTo } from "../../results/which-scheduler.ts";
import type { SchedulerDocument } from "../../scenario/schema/scenario.ts";
import { highest, inPercent, rounded, unseen } from "./advice.ts";
import { type Arm, fixedArms, TUNED } from "./arms.ts";
import { CASES, type OwnCase, shortestSloMs } from "./cases.ts";
import type { Sections } from "./claim.ts";
import {
  type CaseResult,
  type Effort,
  MARGIN,
  type Member,
  pointsOver,
  runsOfArms,
} from "./field.ts";
import type { Runs } from "./knees.ts";
import { caseWords, percent, pointsText, shareText, table } from "./markdown.ts";

export const OWN_CASES: readonly OwnCase[] = CASES.filter(
  ({ batching }) => batching === "single",
).map((one) => ({ ...one, models: "ours" }));

type Rows = readonly Decision<Case>[];

/** Their name in the decision table. */
const MODELS = "SSD MobileNet v2 and PaddleOCR's reader of plates on one processor thread";
const LEVELS = ["batching", "tasks", "devices", "goal", "arrivals"] as const;

const isOf = (one: OwnCase, { case: of }: Decision<Case>): boolean =>
  LEVELS.every((level) => of[level] === one[level]);

/** The advice for a case, without the limit of batches that a search found for other models, and with times fitted to these. */
function adviceFor(one: OwnCase, rows: Rows): Pick<Arm, "name" | "scheduler"> | null {
  const row = rows.find((each) => isOf(one, each));
  if (row === undefined || row.use === null) return null;
  const { name } = row.use;
  const scheduler = fittedTo(shortestSloMs(one), row.use);
  const { batching } = scheduler as Sections;
  if (typeof batching !== "object") return { name, scheduler };
  const { maxBatch: _, ...kept } = batching as Sections;
  const rule = Object.keys(kept).length === 1 ? kept.policy : kept;
  return { name, scheduler: { ...(scheduler as Sections), batching: rule } as SchedulerDocument };
}

const isSame = (a: Pick<Arm, "scheduler">, b: Pick<Arm, "scheduler">): boolean =>
  JSON.stringify(a.scheduler) === JSON.stringify(b.scheduler);

/** The baselines but for those with a limit of batches, the systems with published constants, and the advice. */
export function ownRuns(one: OwnCase, effort: Effort, rows: Rows): Runs<Arm> {
  const arms = fixedArms(one).filter(
    ({ name, kind }) => name !== "fifo + batches" && (kind === "baseline" || TUNED.includes(name)),
  );
  const [{ paths }] = arms;
  const advice = adviceFor(one, rows);
  const more = advice === null || arms.some((arm) => isSame(arm, advice)) ? [] : [advice];
  return runsOfArms(one, effort, [
    ...arms,
    ...more.map((arm): Arm => ({ ...arm, kind: "tuned", paths })),
  ]);
}

/** The advice in each case that any serves, beside the arm with the highest mean, and how far that is ahead. */
const trials = (results: readonly CaseResult<OwnCase>[], rows: Rows) =>
  results.flatMap((result) => {
    const advice = adviceFor(result.of, rows);
    const advised = result.members.find(({ arm }) => advice !== null && isSame(arm, advice));
    const best = highest(result.members);
    if (advised === undefined || best === undefined || best.goodput.mean === 0) return [];
    const behind = pointsOver(unseen(result.members, highest), advised);
    return [{ result, advised, best, behind }];
  });

/** The rows with how their advice does here, where it was tried. */
export function withTrials(rows: Rows, results: readonly CaseResult<OwnCase>[]): Rows {
  const tried = trials(results, rows);
  return rows.map((row): Decision<Case> => {
    const trial = tried.find(({ result: { of } }) => isOf(of, row));
    if (row.use === null || trial === undefined) return row;
    const { advised, best, behind } = trial;
    const elsewhere = {
      models: MODELS,
      holds: advised.isBest,
      goodput: inPercent(advised.goodput),
      best: best.arm.name,
      behind: rounded(behind),
    };
    return { ...row, use: { ...row.use, elsewhere } };
  });
}

export function ownSection(results: readonly CaseResult<OwnCase>[], rows: Rows): string[] {
  const lines = trials(results, rows);
  const inTime = ({ goodput }: Member): string => shareText(goodput);
  const lost = lines.filter(({ advised }) => !advised.isBest);
  return [
    "### The advice on models of ours",
    "",
    "The cases where batches gain nothing once more, with SSD MobileNet v2 (19.8 ms), PaddleOCR's reader of plates (42.2 ms) and the first again, as",
    "`tandem calibrate` measured them on one thread of an AMD EPYC (`bench/study/measured`). They take one input at a time, load in 0.3 s, vary by 18% where",
    "the TITAN X varies by 1%, and are known to 6%. The advice is that of the table above, made from YOLO9000, without its limits of batches, and with tuned",
    "times in proportion to the SLO. **Over the advice**: points of the best arm as the other windows choose it, so below 0 where that is no gain. Beside it are",
    `baselines and systems at their published constants. It is not shown to be worse than another by more than ${percent(MARGIN)} in ${lines.length - lost.length} of the ${lines.length} cases that any serves.`,
    ...(lost.length === 0
      ? []
      : [
          "",
          "It did not carry over where another does better, so compare both on your own scenario (`tandem schedulers --for` prints the command):",
          "",
          ...lost.map(({ result: { of }, advised, best, behind }) => {
            const points = pointsText(behind);
            return `- ${caseWords(of)}: \`${best.arm.name}\` has ${points} points more than \`${advised.arm.name}\`.`;
          }),
        ]),
    "",
    ...table([
      ["case", "advice", "in time", "over fifo", "best here", "its share", "over the advice"],
      ...lines.map(({ result: { of, members }, advised, best, behind }) => [
        ...[caseWords(of), `\`${advised.arm.name}\``, inTime(advised)],
        ...[pointsText(pointsOver(advised, members[0])), `\`${best.arm.name}\``, inTime(best)],
        pointsText(behind),
      ]),
    ]),
  ];
}
