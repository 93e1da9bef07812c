/** The command line, read by yargs: commands as data, numbers that are numbers, faults with a hint. */
import yargs, { type Argv, type Options, type PositionalOptions } from "yargs";
import { Fault } from "../core/fault.ts";
import { nearest } from "../core/scenario/nearest.ts";

const MOST_COLUMNS = 100;

export interface Command {
  /** Name and arguments, as `simulate <scenario>`; in brackets what may be left out. */
  readonly usage: string;
  readonly about: string;
  readonly positionals?: Readonly<Record<string, PositionalOptions>>;
  readonly options?: Readonly<Record<string, Options>>;
  /** What to type after the program's name, and what that does. */
  readonly examples?: readonly (readonly [string, string])[];
  /** Gets positionals and options by name, in camel case. */
  readonly run?: (args: never) => unknown;
  /** In place of `run`. */
  readonly commands?: readonly Command[];
}

export interface Program {
  readonly name: string;
  readonly about: string;
  readonly version: string;
  readonly commands: readonly Command[];
}

/** Runs the command that `words` ask for. Rejects with Fault("usage") where they ask for none. */
export async function runProgram(program: Program, words: readonly string[]): Promise<void> {
  const { name, version, commands, about } = program;
  const asked = words[0] === "help" ? [...words.slice(1), "--help"] : words;
  const parser = common(yargs(joined(asked)), commands, name)
    .scriptName(name)
    .usage(`$0 <command> <scenario.yaml> [options]\n\n${about}`)
    .version(version);
  await parser.parseAsync();
}

/** What the program and a command of commands share. */
function common(parser: Argv, commands: readonly Command[], words: string): Argv {
  for (const command of commands) add(parser, command, words);
  return parser
    .demandCommand(1, "name a command")
    .recommendCommands()
    .parserConfiguration({ "greedy-arrays": false })
    .detectLocale(false)
    .strict()
    .help()
    .alias("help", "h")
    .wrap(Math.min(MOST_COLUMNS, process.stdout.columns ?? MOST_COLUMNS))
    .fail((message, error) => {
      throw faultOf(message, error, commands.map(nameOf), words);
    });
}

function add(parser: Argv, command: Command, before: string): void {
  const { usage, about, positionals = {}, options = {}, examples = [], commands, run } = command;
  const words = `${before} ${nameOf(command)}`;
  parser.command(
    usage,
    about,
    (built) => {
      for (const [name, given] of Object.entries(positionals)) built.positional(name, given);
      built.options(checked(options));
      if (examples.length > 0) built.epilogue(exampleLines(examples));
      if (commands !== undefined) return common(built, commands, words);
      return built.fail((message, error) => {
        throw faultOf(message, error, Object.keys(options), words);
      });
    },
    async (args) => {
      await run?.(args as never);
    },
  );
}

function nameOf({ usage }: Command): string {
  return usage.split(" ")[0];
}

/** What a command threw as it is; what yargs says as a fault, with the nearest word that would do. */
function faultOf(
  message: string | null,
  error: Error | undefined,
  known: readonly string[],
  words: string,
): Error {
  if (error !== undefined && error.name !== "YError") return error;
  const said = error?.message ?? message ?? "";
  const [, unknown] = /^Unknown (?:argument|command)s?: ([^,]+)/.exec(said) ?? [];
  const near = unknown === undefined ? undefined : nearest(unknown.trim(), known);
  const hint = near === undefined ? `see \`${words} --help\`` : `did you mean "${near}"?`;
  return new Fault("usage", said, { hint });
}

const ASSIGNMENTS = "--set";

/** `--set a=1 b=2` as `--set a=1 --set b=2`. */
function joined(words: readonly string[]): string[] {
  const result: string[] = [];
  for (let i = 0; i < words.length; i++) {
    result.push(words[i]);
    if (words[i] !== ASSIGNMENTS || i + 1 === words.length) continue;
    result.push(words[++i]);
    while (/^[^-=][^=]*=/.test(words[i + 1] ?? "")) result.push(ASSIGNMENTS, words[++i]);
  }
  return result;
}

/** An option with a text. */
export function text(describe: string, more: Options = {}): Options {
  return { type: "string", requiresArg: true, describe, ...more };
}

/** An option with a number. */
export function number(describe: string, more: Options = {}): Options {
  return { type: "number", requiresArg: true, describe, ...more };
}

/** An option that is on or off. */
export function flag(describe: string): Options {
  return { type: "boolean", default: false, describe };
}

/** An option that may be given several times. */
export function repeated(describe: string): Options {
  return { type: "string", array: true, requiresArg: true, default: [] as string[], describe };
}

/** Options whose value is one, and a number where that is asked for. */
function checked(options: Readonly<Record<string, Options>>): Record<string, Options> {
  const result: Record<string, Options> = {};
  for (const [name, option] of Object.entries(options)) {
    const { type, array, nargs } = option;
    const single = (type === "string" || type === "number") && array !== true && nargs !== 2;
    result[name] = single ? { ...option, coerce: (given) => one(name, type, given) } : option;
  }
  return result;
}

function one(name: string, type: "string" | "number", given: unknown): unknown {
  if (Array.isArray(given)) {
    throw new Fault("usage", `--${name} was given ${given.length} times`);
  }
  if (type === "number" && given !== undefined && !Number.isFinite(given)) {
    throw new Fault("usage", `--${name}: Expected a number`);
  }
  return given;
}

/** What to type, and what that does. */
function exampleLines(pairs: readonly (readonly [string, string])[]): string {
  const width = Math.max(...pairs.map(([words]) => words.length));
  const lines = pairs.map(([words, about]) =>
    width + about.length + 13 <= MOST_COLUMNS
      ? `  tandem ${words.padEnd(width)}  ${about}`
      : `  tandem ${words}\n      ${about}`,
  );
  return `Examples:\n${lines.join("\n")}`;
}
