/** The exact command that repeats a run, for results and for the user's notes. */
export interface RepeatOptions {
  /** None where options say it all. */
  readonly scenario?: string;
  readonly set: readonly string[];
  readonly seed: number;
  readonly extra?: readonly string[];
}

export function repeatCommand(command: string, options: RepeatOptions): string {
  const parts = ["npx", "tandem", command];
  if (options.scenario !== undefined) parts.push(options.scenario);
  parts.push("--seed", String(options.seed));
  for (const override of options.set) parts.push("--set", override);
  parts.push(...(options.extra ?? []));
  return parts.map(shellWord).join(" ");
}

/** As a shell takes it for one word. */
export function shellWord(word: string): string {
  return /^[\w./:=,@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
