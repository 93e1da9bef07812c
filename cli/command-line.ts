/** The command line, read by yargs: commands as data, numbers that are numbers, faults with a hint. */
import yargs, { type Argv, type Options, type PositionalOptions } from "yargs";
import { Fault } from "../core/fault.ts";
import { nearest } from "../core/scenario/issues.ts";

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
  readonly positionals?: Readonly<Record<string, PositionalOptions>>;
  readonly options?: Readonly<Record<string, Options>>;
  /** Words after the program's name, and their effect. */
  readonly examples?: readonly (readonly [string, string])[];
  /** Gets positionals and options by name, in camel case. */
  readonly run?: (args: never) => unknown;
  /** In place of `run`. */
  readonly commands?: readonly Command[];
  /** Help lists it below the others. */
  readonly isAdvanced?: boolean;
}

/** Options that few need, in a group below the others in help. */
export function advanced(options: Readonly<Record<string, Options>>) {
  const grouped = ([name, given]: readonly [string, Options]) => [
    name,
    { ...given, group: "Advanced:" },
  ];
  return Object.fromEntries(Object.entries(options).map(grouped));
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
  return common(parser, words, () => undefined)
    .usage(usage)
    .demandCommand(1, "name a command");
}

function only(given: readonly string[], command: Command, words: string): Argv {
  const parser = yargs(given);
  const { usage, about, positionals = {}, options = {}, examples, run } = command;
  parser.command(
    usage.replace(nameOf(command), "$0"),
    about,
    (built) => {
      for (const [name, given] of Object.entries(positionals)) built.positional(name, given);
      // Groups are shown in the order in which they are named.
      const usual = Object.keys(options).filter((name) => options[name].group === undefined);
      built.group(usual, "Options:");
      built.options(checked(options)).epilogue(exampleLines(examples).trimStart());
    },
    async (args) => {
      await run?.(args as never);
    },
  );
  return common(parser, words, (said) => {
    const phrase = PHRASES.find(([pattern]) => pattern.test(said));
    if (phrase !== undefined) {
      return usageFault(said.replace(...phrase).replace("COMMAND", `\`${words}\``), words);
    }
    const [, name, wrong, choices] = /Argument: (\S+), Given: (.*), Choices: (.*)/.exec(said) ?? [];
    if (name !== undefined) {
      const one = `${name in options ? "--" : ""}${name}: expected one of`;
      return usageFault(`${one} ${choices.replaceAll('"', "")}, got ${wrong}`, words);
    }
    const [, unknown] = /^Unknown arguments?: ([^,]+)/.exec(said) ?? [];
    const needed = usage.split(" ").slice(1).join(" ");
    if (said.startsWith("Not enough")) return usageFault(`\`${words}\` needs ${needed}`, words);
    if (unknown === undefined) return undefined;
    const option = given.find((word) => word.startsWith("-") && word.includes(unknown));
    if (option === undefined) return usageFault(`\`${words}\` takes no "${unknown}"`, words);
    const near = nearest(unknown, Object.keys(options));
    return usageFault(`there is no option ${option.split("=")[0]}`, words, near && `--${near}`);
  });
}

/** Messages of yargs, and what is said in their place. */
const PHRASES: readonly (readonly [RegExp, string])[] = [
  [/^Not enough arguments following: (\S+).*/s, "--$1 needs a value"],
  [/^Missing dependent arguments:\s+(\S+) -> (\S+).*/s, "--$1 needs --$2"],
  [/^Missing required arguments?: ([^,]+).*/s, "COMMAND needs --$1"],
];

/** `inOurWords` turns a message of yargs into a Fault with a hint, where it knows one. */
function common(
  parser: Argv,
  words: string,
  inOurWords: (said: string) => Fault | undefined,
): Argv {
  return parser
    .scriptName(words)
    .parserConfiguration({ "greedy-arrays": false })
    .detectLocale(false)
    .strict()
    .help()
    .alias("help", "h")
    .wrap(Math.min(MOST_COLUMNS, columns()))
    .fail((message, error) => {
      // Keep errors that a command threw.
      if (error !== undefined && error.name !== "YError") throw error;
      const said = error?.message ?? message ?? "";
      throw inOurWords(said) ?? usageFault(said, words);
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

/** An argument that must be given. */
export function required(describe: string) {
  return { type: "string", demandOption: true, describe } as const;
}

export const SCENARIO = { scenario: required("scenario file (YAML)") };

export const SET = { set: repeated("override a value of the scenario: path=value") };

export const JSON_OPTION = { json: flag("print one JSON document on stdout and nothing else") };

export const SEED = { seed: number("seed of the first stream of chance") };

export const INPUTS = {
  inputs: text("tensors to send, in the protocol's JSON; default: at random"),
};

export const ON = {
  on: text("inventory file: where the scenario's nodes are; default: on this machine"),
};

export const IMAGES = { images: text("folder of photographs to measure with, or to send") };

/** Kinds of arrivals that `tandem load` offers. */
export const ARRIVALS: readonly string[] = [
  ...["poisson", "deterministic", "burst", "closed"],
  ...["mlperf-single-stream", "mlperf-multi-stream", "mlperf-server", "mlperf-offline"],
];

/** The options of `tandem load`, whose work knows them by their names. */
export const LOAD_OPTIONS: Readonly<Record<string, Options>> = {
  url: text("host:port, grpc(s)://host:port, http(s)://host:port[/path]", { demandOption: true }),
  model: text("send to this model, not to the scenario's pipelines"),
  arrivals: text("in place of the scenario's", { choices: ARRIVALS }),
  rate: number("open loop, so many a second"),
  clients: number("closed loop: each waits for its answer, then sends again"),
  rates: text(
    "search from:to[:step] for the highest rate that meets --threshold; without one, all",
  ),
  concurrency: text("the same for clients of a closed loop, as 1:16"),
  duration: number("requests stop after so many s; without a scenario: 10"),
  count: number("requests stop after so many"),
  timeout: number("a client gives up an attempt after so many ms; 0: never; default: 60000"),
  images: text("photographs to send; default, for our own gateway: drawn scenes"),
  ...INPUTS,
  body: text("to a plain address with a path: what is sent"),
  certs: text("of `tandem cluster certs`: TLS, with its client certificate"),
  ca: text("certificates (PEM) to trust, of a server that is not ours"),
  "token-file": text("a bearer token to show"),
  threshold: repeated("exit 3 unless it holds: p50 to p99.99, mean or max in ms, as 'p99<500'"),
  out: text("folder for the report (load.json)"),
  ...SET,
  ...SEED,
  ...JSON_OPTION,
  ...advanced({
    retries: number("a client that gives up tries again so often"),
    "content-type": text("of the body; default: application/octet-stream"),
    method: text("to a plain address; default: POST with a body, else GET"),
    stream: { type: "boolean", describe: "by Triton's streams, where a server has them" },
    connections: number("of HTTP, at most", { default: 1024 }),
    "warm-up": flag("send unmeasured requests before, until they get no faster"),
  }),
};
