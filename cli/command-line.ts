/** The command line, read by yargs: commands as data, options checked by their declarations, faults with a hint. */
import yargs, { type Argv, type Options } from "yargs";
import { Fault } from "../engine/basics/fault.ts";
import { checkedOptions, factsOf, kindOf, optionName, type Shape } from "../library/option.ts";
import { nearest } from "../scenario/reading/issues.ts";
import type { Arguments } from "./options.ts";

export const MOST_COLUMNS = 100;
/** Narrower terminals break lines themselves. */
const LEAST_COLUMNS = 40;

/** How wide a table may be. */
export function columns(): number {
  return Math.max(LEAST_COLUMNS, process.stdout.columns ?? MOST_COLUMNS);
}

/** Prints a command's answer: with `--json` one document, else its text. */
export function print(json: boolean, document: unknown, text: string): void {
  process.stdout.write(`${json ? JSON.stringify(document) : text}\n`);
}

export interface Command {
  /** Name and arguments, as `simulate <scenario>`; in brackets what may be left out. */
  readonly usage: string;
  readonly about: string;
  readonly positionals?: Shape;
  readonly options?: Shape;
  /** Words after the program's name, and their effect. */
  readonly examples?: readonly (readonly [string, string])[];
  /** Gets positionals and options by their names in the library. */
  readonly run?: (args: never) => unknown;
  /** In place of `run`. */
  readonly commands?: readonly Command[];
  /** Help lists it below the others. */
  readonly isAdvanced?: boolean;
}

/** A command whose `run` gets what it declares. */
export function command<P extends Shape, O extends Shape>(
  declared: Omit<Command, "commands"> & {
    readonly positionals?: P;
    readonly options?: O;
    readonly run: (args: Arguments<P, O>) => unknown;
  },
): Command {
  return declared;
}

export interface Program {
  readonly name: string;
  readonly about: string;
  readonly version: string;
  readonly examples: Command["examples"];
  readonly commands: readonly Command[];
}

/** Runs the command that `words` ask for. Rejects with Fault("usage") where they ask for none. */
export async function runProgram(program: Program, words: readonly string[]): Promise<void> {
  const { name, version, commands, about, examples } = program;
  const asked = words[0] === "help" ? [...words.slice(1), "--help"] : words;
  const usage = `$0 <command> [options]\n\n${about}${exampleLines(examples)}`;
  await descend({ words: name, usage, commands }, version, joined(asked));
}

interface Group {
  /** The words that lead here. */
  readonly words: string;
  readonly usage: string;
  readonly commands: readonly Command[];
}

/** Word by word to the command asked for: yargs writes the help of commands beside, asked or not. */
async function descend(group: Group, version: string, given: readonly string[]): Promise<void> {
  const { words, commands } = group;
  const names = commands.map(nameOf);
  const at = given.findIndex((word) => names.includes(word));
  const command = commands[names.indexOf(given[at])];
  const rest = given.filter((_, i) => i !== at);
  if (command === undefined) {
    refuseUnknown(given, words, names);
    // Without a word, the commands are the answer.
    const asked = given.length === 0 ? ["--help"] : given;
    await menu(yargs(asked), group).version(version).parseAsync();
  } else if (command.commands === undefined) {
    await only(rest, command, `${words} ${given[at]}`).version(version).parseAsync();
  } else {
    const usage = `$0 <action> [options]\n\n${command.about}${exampleLines(command.examples)}`;
    await descend(
      { words: `${words} ${given[at]}`, usage, commands: command.commands },
      version,
      rest,
    );
  }
}

/** Throws Fault("usage") where a command is named that there is not. */
function refuseUnknown(given: readonly string[], words: string, known: readonly string[]): void {
  const name = given.find((word) => !word.startsWith("-"));
  if (name === undefined) return;
  throw usageFault(`there is no command \`${words} ${name}\``, words, nearest(name, known));
}

/** The commands of a group, for help or a missing word. */
function menu(parser: Argv, { words, usage, commands }: Group): Argv {
  for (const { usage: own, about, isAdvanced } of commands) {
    if (isAdvanced === true) parser.command(own, false);
    else parser.command(own, about);
  }
  const advanced = commands.filter(({ isAdvanced }) => isAdvanced === true);
  const lines = advanced.map(({ usage: own, about }) => `  ${words} ${own}  ${about}`);
  if (lines.length > 0) parser.epilogue(["Advanced:", ...lines].join("\n"));
  return common(parser, words).usage(usage).demandCommand(1, "name a command");
}

function only(given: readonly string[], command: Command, words: string): Argv {
  const parser = yargs(given);
  const { usage, about, positionals = {}, options = {}, examples, run } = command;
  const needed = usage.split(" ").slice(1).join(" ");
  const requires = { one: `\`${words}\` needs --%s`, other: `\`${words}\` needs these: %s` };
  // In a message, %c takes a value and shows nothing.
  const tooFew = `\`${words}\` needs ${needed}%c%c`;
  parser.command(
    usage.replace(nameOf(command), "$0"),
    about,
    (built) => {
      for (const [name, type] of Object.entries(positionals)) {
        built.positional(name, { type: "string", describe: description(type) });
      }
      // Groups are shown in the order in which they are named.
      const usual = Object.keys(options).filter((name) => factsOf(options[name]).advanced !== true);
      built.group(
        usual.map((name) => optionName(name, options[name])),
        "Options:",
      );
      const all = Object.entries(options).map(([name, type]) => [
        optionName(name, type),
        yargsOption(type),
      ]);
      built.options(Object.fromEntries(all)).epilogue(exampleLines(examples).trimStart());
    },
    async (read) => {
      await run?.(checkedArguments(command, words, read) as never);
    },
  );
  return common(parser, words)
    .strict(false)
    .parserConfiguration({ "greedy-arrays": false, "camel-case-expansion": false })
    .updateStrings({
      "Not enough arguments following: %s": "--%s needs a value",
      "Missing required argument: %s": requires as unknown as string,
      "Not enough non-option arguments: got %s, need at least %s": {
        one: tooFew,
        other: tooFew,
      } as unknown as string,
    });
}

const YARGS_KINDS: Readonly<Record<ReturnType<typeof kindOf>["kind"], Options>> = {
  flag: { type: "boolean" },
  number: { type: "number", requiresArg: true },
  text: { type: "string", requiresArg: true },
  list: { type: "string", array: true, requiresArg: true },
  pair: { type: "string", nargs: 2 },
};

function yargsOption(type: Shape[string]): Options {
  const { kind, initial, isRequired } = kindOf(type);
  const isShown = typeof initial === "number" || (typeof initial === "string" && initial !== "");
  return {
    ...YARGS_KINDS[kind],
    describe: description(type),
    demandOption: isRequired,
    ...(isShown && { defaultDescription: String(initial) }),
    ...(factsOf(type).advanced === true && { group: "Advanced:" }),
  };
}

/** With the words to choose from. */
function description(type: Shape[string]): string {
  const choices = kindOf(type).choices ?? [];
  return [factsOf(type).description, ...(choices.length > 0 ? [choices.join(", ")] : [])].join(
    ": ",
  );
}

/** Positionals and options by their names in the library, checked. Throws Fault("usage"). */
function checkedArguments(
  { positionals = {}, options = {} }: Command,
  words: string,
  { _, $0: __, ...read }: Readonly<Record<string, unknown>> & { readonly _: readonly unknown[] },
): unknown {
  if (_.length > 0) throw usageFault(`\`${words}\` takes no "${_[0]}"`, words);
  const names = new Map(
    Object.keys(options).map((name) => [optionName(name, options[name]), name]),
  );
  const given: Record<string, unknown> = {};
  for (const [word, value] of Object.entries(read)) {
    const name = names.get(word) ?? (word in positionals ? word : undefined);
    if (name === undefined) {
      const near = nearest(word, names.keys());
      throw usageFault(`there is no option --${word}`, words, near && `--${near}`);
    }
    given[name] = value;
    const type = options[name] ?? positionals[name];
    if (Array.isArray(value) && !["list", "pair"].includes(kindOf(type).kind)) {
      throw new Fault("usage", `--${word} was given ${value.length} times`);
    }
    const { needs } = factsOf(type);
    if (needs !== undefined && value !== undefined && !(needs in read)) {
      throw usageFault(`--${word} needs --${needs}`, words);
    }
  }
  return checkedOptions({ ...positionals, ...options }, given, (name) =>
    name in positionals ? name : `--${optionName(name, options[name])}`,
  );
}

function common(parser: Argv, words: string): Argv {
  return parser
    .scriptName(words)
    .detectLocale(false)
    .strict()
    .help()
    .alias("help", "h")
    .wrap(Math.min(MOST_COLUMNS, columns()))
    .fail((message, error) => {
      // Keep errors that a command threw.
      if (error !== undefined && error.name !== "YError") throw error;
      throw usageFault(error?.message ?? message ?? "", words);
    });
}

export function nameOf({ usage }: Command): string {
  return usage.split(" ")[0];
}

/** `near`: the word that may have been meant. */
function usageFault(message: string, words: string, near?: string): Fault {
  const hint = near === undefined ? `see \`${words} --help\`` : `did you mean "${near}"?`;
  return new Fault("usage", message, { hint });
}

const ASSIGNMENTS = "--set";

/** `--set a=1 b=2` as `--set a=1 --set b=2`. */
function joined(words: readonly string[]): string[] {
  const result: string[] = [];
  for (let i = 0; i < words.length; i++) {
    result.push(words[i]);
    if (words[i] !== ASSIGNMENTS || i + 1 === words.length) continue;
    result.push(words[++i]);
    refuseSplit(words[i], words[i + 1]);
    while (/^[^-=][^=]*=/.test(words[i + 1] ?? "")) result.push(ASSIGNMENTS, words[++i]);
  }
  return result;
}

/** Throws Fault("usage") for a value that the shell has split at its first space. */
function refuseSplit(word: string, next: string | undefined): void {
  const count = (brackets: RegExp): number => word.match(brackets)?.length ?? 0;
  if (next === undefined || count(/[[{]/g) <= count(/[\]}]/g)) return;
  throw new Fault("usage", `${ASSIGNMENTS} ${word}: a bracket is not closed`, {
    hint: `quote the value, as a shell splits it at spaces: ${ASSIGNMENTS} '${word} ${next} …'`,
  });
}

/** Examples as lines, after an empty line. */
function exampleLines(pairs: Command["examples"] = []): string {
  if (pairs.length === 0) return "";
  const width = Math.max(...pairs.map(([words]) => words.length));
  const lines = pairs.map(([words, about]) =>
    width + about.length + 13 <= MOST_COLUMNS
      ? `  tandem ${words.padEnd(width)}  ${about}`
      : `  tandem ${words}\n      ${about}`,
  );
  return `\n\nExamples:\n${lines.join("\n")}`;
}
