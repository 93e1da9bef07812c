/** `tandem completion`: a script by which a shell asks `tandem --complete LINE` for candidates. */
import { readdirSync } from "node:fs";
import { kindOf, optionName } from "../library/option.ts";
import { catalogue } from "../schedulers/catalogue.ts";
import { PRESETS } from "../schedulers/registry.ts";
import { type Command, nameOf, type Program } from "./command-line.ts";

/** Prints candidates for the last word of a line up to the cursor; none where a shell completes any file itself. */
export function printCandidates({ commands }: Program, line: string): void {
  const words = line.split(/[\s=]+/).slice(1);
  const word = words.pop() ?? "";
  let command: Command = { usage: "", about: "", commands };
  for (const given of words) {
    command = command.commands?.find((one) => nameOf(one) === given) ?? command;
  }
  const found = following(command, words.at(-1) ?? "", word).filter((one) => one.startsWith(word));
  process.stdout.write(found.map((one) => `${one}\n`).join(""));
}

/** Words that may follow `before` in a command. */
function following(command: Command, before: string, word: string): readonly string[] {
  if (before === "scheduler") return Object.keys(PRESETS);
  const { usage, options = {}, positionals = {} } = command;
  const names = Object.keys(options).map((name) => optionName(name, options[name]));
  const [, asked] = Object.entries(options)[names.indexOf(before.replace(/^--/, ""))] ?? [];
  const { kind, choices } = asked === undefined ? { kind: "flag" } : kindOf(asked);
  if (choices !== undefined) return choices;
  if (kind !== "flag") return [];
  if (word.startsWith("-")) {
    return [...names, "help", ...(usage === "" ? ["version"] : [])].map((name) => `--${name}`);
  }
  if (command.commands !== undefined) return command.commands.map(nameOf);
  if (nameOf(command) === "schedulers") {
    const { presets, policies, iterations } = catalogue();
    return [...new Set([...presets, ...policies, ...iterations].map(({ name }) => name))];
  }
  if ("scenario" in positionals) return scenarioFiles(word);
  return Object.values(positionals).flatMap((one) => kindOf(one).choices ?? []);
}

/** Folders and YAML files beside what is typed. */
function scenarioFiles(word: string): readonly string[] {
  const folder = word.slice(0, word.lastIndexOf("/") + 1);
  try {
    return readdirSync(folder || ".", { withFileTypes: true })
      .filter((entry) => entry.isDirectory() || /\.ya?ml$/.test(entry.name))
      .map(({ name }) => folder + name);
  } catch {
    return [];
  }
}

/** The scripts, which complete file names where there are no candidates. */
export const COMPLETION_SCRIPTS = {
  bash: `_tandem() {
  # bash splits words at "=", as tandem does.
  mapfile -t COMPREPLY < <(tandem --complete "\${COMP_LINE:0:COMP_POINT}")
}
complete -o default -o filenames -F _tandem tandem
`,
  zsh: `#compdef tandem
_tandem() {
  local -a found=(\${(f)"$(tandem --complete "\${words[1,CURRENT]}")"})
  compset -P '*='
  (( $#found )) && compadd -f -- $found || _files
}
(( $+functions[compdef] )) || { autoload -U compinit && compinit }
compdef _tandem tandem
# As a file of fpath, the first completion runs all of this.
[[ $funcstack[1] != _tandem ]] || _tandem "$@"
`,
  fish: `function __tandem_ask
  set -g __tandem_found (string replace -r '[^=]*$' '' -- (commandline -ct))(tandem --complete (commandline -cp))
  test -n "$__tandem_found"
end
complete -c tandem -n __tandem_ask -f -a '$__tandem_found'
`,
} as const;
