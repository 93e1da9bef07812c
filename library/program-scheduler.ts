/** A scheduler that is part of the calling program, in place of a scheduler's file. */
import { shortDigest } from "../core/digest.ts";
import { Fault } from "../core/fault.ts";
import {
  type OwnComposition,
  type OwnPack,
  type OwnScheduler,
  type OwnSchedulerFile,
  ownScheduler,
} from "../schedulers/own-scheduler.ts";

/** Stands for a file in a scenario's document. */
export interface ProgramScheduler {
  readonly file: string;
  /** Part of the scenario's digest; of a function, the module that other threads and processes import. */
  readonly text: string;
  /** Set where objects of this program make it up, which no text can carry. */
  readonly composition?: OwnScheduler;
}

/** Null where the value is a preset, a composition of names or a file: plain data. */
export function programScheduler(value: unknown): ProgramScheduler | null {
  if (typeof value === "function") {
    const text = `export default ${sourceOf(value as OwnSchedulerFile)};\n`;
    return { file: fileFor(text), text };
  }
  if (!hasFunctions(value)) return null;
  // Schemas of parameters refer to themselves.
  const text = JSON.stringify(value, (key, part) =>
    key === "parameters" ? undefined : typeof part === "function" ? String(part) : part,
  );
  const file = fileFor(text);
  const exported: OwnSchedulerFile = () => value as OwnComposition | OwnPack;
  return { file, text, composition: ownScheduler(file, exported) };
}

/** Named by its text, so that two schedulers of one program are two. */
function fileFor(text: string): string {
  return `program-${shortDigest([text])}.mjs`;
}

function sourceOf(made: OwnSchedulerFile): string {
  const text = String(made);
  if (/^(async\s+)?(function\b|\(|[\w$]+\s*=>)/.test(text)) return text;
  throw new Fault("usage", "the scheduler is a method or native code: its text is no expression", {
    hint: "write it as an arrow function: `({ definePolicy, z }) => ({ ordering: definePolicy({ … }) })`",
  });
}

function hasFunctions(value: unknown): boolean {
  if (typeof value === "function") return true;
  if (typeof value !== "object" || value === null) return false;
  return Object.values(value).some(hasFunctions);
}

/** Throws Fault("usage"): a process gets the text of a function or a file. `doing`: "runs a cluster". */
export function refuseInProgram({ inProgram }: { readonly inProgram?: true }, doing: string): void {
  if (inProgram !== true) return;
  throw new Fault("usage", `the scheduler is an object of this program, but ${doing}`, {
    hint: "give `scheduler` a function of `{ definePolicy, defineController, z }`, whose text goes along, or a file",
  });
}
