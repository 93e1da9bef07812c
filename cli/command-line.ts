/** How options are written, on top of commander: numbers that are numbers, and faults with a hint. */
import { Command, CommanderError, Help, InvalidArgumentError, Option } from "commander";
import { Fault } from "../core/fault.ts";

const MOST_COLUMNS = 100;

/** The program `name`, to which commands are added; `parse` runs the one that is asked for. */
export function program(name: string): Command {
  const silent = (): void => undefined;
  return new Command(name)
    .helpOption("-h, --help", "show help, with examples")
    .helpCommand("help [command]", "the same as --help")
    .configureOutput({
      // What is wrong is thrown, and printed as any other fault.
      writeErr: silent,
      outputError: silent,
      getOutHelpWidth: () => Math.min(MOST_COLUMNS, process.stdout.columns ?? MOST_COLUMNS),
    })
    .configureHelp({ optionDescription: withDefault })
    .exitOverride();
}

/** Without what goes without saying: that a flag is off and a list empty. */
function withDefault(option: Option): string {
  const { defaultValue, description } = option;
  const off = defaultValue === false || (Array.isArray(defaultValue) && defaultValue.length === 0);
  return off ? description : new Help().optionDescription(option);
}

/** Runs the command that `words` ask for. Rejects with Fault("usage") where they ask for none. */
export async function parse(program: Command, words: readonly string[]): Promise<void> {
  try {
    await program.parseAsync(joined(words), { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode !== 0) throw asFault(error, program, words[0]);
  }
}

function asFault({ code, message }: CommanderError, program: Command, first: string): Fault {
  const known = program.commands.some((command) => command.name() === first);
  const help = `see \`${program.name()} ${known ? `${first} ` : ""}--help\``;
  if (code === "commander.help") return new Fault("usage", "name a command", { hint: help });
  const [said, meant] = message.replace(/^error: /, "").split("\n");
  return new Fault("usage", said, { hint: meant?.replace(/^\((.*)\)$/, "$1") ?? help });
}

/** Words that follow an option, and how many: as commander, which takes one or all, cannot say. */
const PAIRS = "--sample";
const ASSIGNMENTS = "--set";

/** `--set a=1 b=2` as `--set a=1 --set b=2`, and `--sample METHOD N` as one word of two. */
function joined(words: readonly string[]): string[] {
  const result: string[] = [];
  for (let i = 0; i < words.length; i++) {
    result.push(words[i]);
    if (words[i] === PAIRS && i + 2 < words.length) result.push(`${words[++i]} ${words[++i]}`);
    if (words[i] !== ASSIGNMENTS || i + 1 === words.length) continue;
    result.push(words[++i]);
    while (/^[^-=][^=]*=/.test(words[i + 1] ?? "")) result.push(ASSIGNMENTS, words[++i]);
  }
  return result;
}

/** An option with a number. */
export function number(flags: string, description: string): Option {
  return new Option(flags, description).argParser((text) => {
    const value = Number(text);
    if (text.trim() !== "" && Number.isFinite(value)) return value;
    throw new InvalidArgumentError("Expected a number.");
  });
}

/** An option with one of some words. */
export function choice(flags: string, description: string, words: readonly string[]): Option {
  return new Option(flags, description).choices(words);
}

/** An option of two words. */
export function pair(flags: string, description: string): Option {
  return new Option(flags, description).argParser((words) => words.split(" "));
}

/** An option that may be given several times. */
export function repeated(flags: string, description: string): Option {
  return new Option(flags, description)
    .argParser<string[]>((word, before) => [...(before ?? []), word])
    .default([]);
}

/** Lines under the help of a command: what to type, and what that does. */
export function examples(command: Command, ...pairs: (readonly [string, string])[]): Command {
  const width = Math.max(...pairs.map(([words]) => words.length));
  const lines = pairs.map(([words, about]) =>
    width + about.length + 6 <= MOST_COLUMNS
      ? `  ${words.padEnd(width)}  ${about}`
      : `  ${words}\n      ${about}`,
  );
  return command.addHelpText("after", `\nExamples:\n${lines.join("\n")}`);
}
