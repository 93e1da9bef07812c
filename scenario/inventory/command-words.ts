/** Command lines: words for a shell; for Slurm's commands, the options of an inventory and their complaints as faults. */
import { Fault } from "../../engine/basics/fault.ts";
import type { InventoryOf } from "./schema.ts";

/** As a POSIX shell takes it for one word. */
export function shellWord(word: string): string {
  return /^[\w./:=,@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** Options of sbatch and salloc, a word each. */
export function slurmOptions({
  partition,
  account,
  qos,
  timeLimit,
  options = [],
}: Pick<
  InventoryOf<"slurm">,
  "partition" | "account" | "qos" | "timeLimit" | "options"
>): string[] {
  const given = Object.entries({ partition, account, qos, time: timeLimit });
  return [
    ...given.flatMap(([option, value]) => (value === undefined ? [] : [`--${option}=${value}`])),
    ...options,
  ];
}

const UNKNOWN = /[Ii]nvalid (partition|account|qos|feature|generic resource)/;
const TOO_MUCH = /(node configuration is not available|More processors requested|Node count spec)/i;

/** The last complaint of a command of Slurm that failed. */
export function slurmFault(program: string, stderr: string, code: number | null): Fault {
  const complaints = stderr
    .trim()
    .split("\n")
    .filter((line) => /error|fatal/i.test(line));
  const last = (complaints.at(-1) ?? stderr.trim()).replace(/^\w+: ((error|fatal): )?/, "");
  const message = `${program}: ${last || `exit code ${code}`}`;
  if (UNKNOWN.test(last)) {
    return new Fault("not-found", message, {
      hint: "`sinfo` lists partitions and GRES, `sacctmgr show associations` accounts; put right the inventory",
    });
  }
  if (TOO_MUCH.test(last)) {
    return new Fault("not-found", message, {
      hint: "no machine of the partition has what is asked for: `sinfo -N -o '%N %c %G'` lists processors and GRES",
    });
  }
  return new Fault("cluster-failure", message, {
    hint: "`sinfo` and `scontrol ping` say whether Slurm is up; then give the same command again",
  });
}

export const SLURM_MISSING = "run this where Slurm's commands are, such as a login node";
