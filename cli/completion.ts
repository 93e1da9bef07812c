/** `tandem completion`: a script that lets a shell complete commands, options and their values. */
import type { Options } from "yargs";
import { unreachable } from "../core/fault.ts";
import { catalogue } from "../schedulers/catalogue.ts";
import { PRESETS } from "../schedulers/registry.ts";
import { type Command, nameOf, type Program } from "./command-line.ts";

export type Shell = "bash" | "zsh" | "fish";

/** The script of one shell, made from the commands: it starts no process to complete a word. */
export function completionScript(program: Program, shell: Shell): string {
  const entries = entriesOf(program.commands, "");
  switch (shell) {
    case "bash":
      return `${wordsFunction(program, entries)}\n${BASH}`;
    case "zsh":
      return `#compdef tandem\n${wordsFunction(program, entries)}\n${ZSH}`;
    case "fish":
      return fishScript(program, entries);
    default:
      return unreachable(shell);
  }
}

/** A command as it is typed, as `cluster up`. */
interface Entry {
  readonly words: string;
  readonly command: Command;
}

function entriesOf(commands: readonly Command[], above: string): Entry[] {
  return commands.flatMap((command) => {
    const words = `${above}${nameOf(command)}`;
    return [{ words, command }, ...entriesOf(command.commands ?? [], `${words} `)];
  });
}

function optionsOf({ options = {} }: Command): [string, Options][] {
  const help: Options = { type: "boolean", describe: "show help" };
  return Object.entries({ ...options, help });
}

/** Values that an option takes; undefined where it takes none, empty where they are the user's. */
function valuesOf({ type, choices, nargs }: Options): readonly string[] | undefined {
  if (choices !== undefined) return (choices as readonly unknown[]).map(String);
  return type === "boolean" && nargs === undefined ? undefined : [];
}

/** Words that may follow a command itself: its actions, or its argument's values. */
function argumentsOf({ command, words }: Entry): readonly string[] {
  if (command.commands !== undefined) return command.commands.map(nameOf);
  if (words === "schedulers") {
    const { presets, policies } = catalogue();
    return [...new Set([...presets, ...policies].map(({ name }) => name))];
  }
  const positionals = Object.values(command.positionals ?? {});
  return positionals.flatMap(({ choices = [] }) => choices as readonly string[]);
}

function takesScenario({ command }: Entry): boolean {
  return command.usage.includes("scenario");
}

/** The values after `scheduler=` of --set. */
const PRESET_NAMES = Object.keys(PRESETS);

/**
 * `_tandem_command WORD…` sets `command`; `_tandem_words COMMAND BEFORE WORD` prints candidates, a
 * line each, `*.yaml` for scenario files, nothing for any file. In what bash and zsh both read.
 */
function wordsFunction(program: Program, entries: readonly Entry[]): string {
  const free: string[] = [];
  const values: string[] = [];
  for (const { words, command } of entries) {
    for (const [name, option] of optionsOf(command)) {
      const taken = valuesOf(option);
      if (taken === undefined) continue;
      const key = `"${words}:--${name}"`;
      if (taken.length === 0) free.push(key);
      else values.push(`    ${key}) ${printed(taken)}; return ;;`);
    }
  }
  const options = entries.map(
    ({ words, command }) =>
      `    "${words}:-"*) ${printed(optionsOf(command).map(([name]) => `--${name}`))} ;;`,
  );
  const following = entries.flatMap((entry) => {
    const known = argumentsOf(entry);
    if (known.length > 0) return [`    "${entry.words}:"*) ${printed(known)} ;;`];
    return takesScenario(entry) ? [`    "${entry.words}:"*) echo '*.yaml' ;;`] : [];
  });
  return `_tandem_command() {
  local word
  command=""
  for word in "$@"; do
    case "$command:$word" in
      ${entries.map(stepPattern).join("|")}) command="\${command:+$command }$word" ;;
    esac
  done
}
_tandem_words() {
  case "$1:$2" in
    *:scheduler) ${printed(PRESET_NAMES)}; return ;;
    ${free.join("|")}) return ;;
${values.join("\n")}
  esac
  case "$1:$3" in
    :-*) ${printed(["--help", "--version"])} ;;
    :*) ${printed(program.commands.map(nameOf))} ;;
${[...options, ...following].join("\n")}
  esac
}`;
}

/** `cluster up` as what is there before its last word, and that word. */
function stepPattern({ words }: Entry): string {
  const at = words.lastIndexOf(" ");
  return `"${words.slice(0, Math.max(0, at))}:${words.slice(at + 1)}"`;
}

function printed(words: readonly string[]): string {
  return `printf '%s\\n' ${words.join(" ")}`;
}

const BASH = `_tandem() {
  local command words word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]}
  # bash splits words at "=".
  if [ "$word" = "=" ]; then word=""
  elif [ "$before" = "=" ]; then before=\${COMP_WORDS[COMP_CWORD-2]}
  fi
  _tandem_command "\${COMP_WORDS[@]:1:COMP_CWORD-1}"
  words=$(_tandem_words "$command" "$before" "$word")
  COMPREPLY=()
  if [ "$words" = "*.yaml" ]; then
    compopt -o filenames 2>/dev/null
    words=$(compgen -f -X '!*.y*ml' -- "$word"; compgen -d -- "$word")
  else
    words=$(compgen -W "$words" -- "$word")
  fi
  while IFS= read -r word; do [ -z "$word" ] || COMPREPLY+=("$word"); done <<< "$words"
}
complete -o default -F _tandem tandem
`;

const ZSH = `_tandem() {
  local command found word=\${words[CURRENT]} before=\${words[CURRENT-1]}
  if [[ $word == *=* ]]; then before=\${word%%=*}; word=\${word#*=}; compset -P '*='; fi
  _tandem_command "\${(@)words[2,CURRENT-1]}"
  found=$(_tandem_words "$command" "$before" "$word")
  case $found in
    '*.yaml') _files -g '*.(yaml|yml)' ;;
    '') _files ;;
    *) compadd -- \${(f)found} ;;
  esac
}
(( $+functions[compdef] )) || { autoload -U compinit && compinit }
compdef _tandem tandem
# As a file of fpath, the first completion runs all of this.
[[ $funcstack[1] != _tandem ]] || _tandem "$@"
`;

function fishScript(program: Program, entries: readonly Entry[]): string {
  const top = program.commands.map(
    (command) => `${fishRule("__fish_use_subcommand")} -f -a ${nameOf(command)}${about(command)}`,
  );
  const rest = entries.flatMap((entry) => {
    const { words, command } = entry;
    const here = words
      .split(" ")
      .map((word) => `__fish_seen_subcommand_from ${word}`)
      .join("; and ");
    const known = argumentsOf(entry);
    const none =
      known.length === 0 ? "" : `; and not __fish_seen_subcommand_from ${known.join(" ")}`;
    const following =
      known.length === 0 ? [] : [`${fishRule(here + none)} -f -a '${known.join(" ")}'`];
    return [...following, ...optionsOf(command).map((option) => fishOption(here, option))];
  });
  return `${[...top, ...rest].join("\n")}\n`;
}

function fishRule(condition: string): string {
  return `complete -c tandem -n '${condition}'`;
}

function fishOption(condition: string, [name, option]: [string, Options]): string {
  const presets = PRESET_NAMES.map((preset) => `scheduler=${preset}`);
  const values = name === "set" ? presets : valuesOf(option);
  const taken =
    values === undefined ? "" : values.length === 0 ? " -r" : ` -x -a '${values.join(" ")}'`;
  return `${fishRule(condition)} -l ${name}${taken}${about({ about: option.describe ?? "" })}`;
}

function about({ about: text }: { readonly about: string }): string {
  return ` -d '${text.replace(/[\\']/g, "\\$&")}'`;
}
