/**
 * Which ends of a shard's process are tried again: failures of the world around it. A bug (exit code 1), bad
 * input (2) and a verdict (3) would come again.
 */
const RETRIED_CODES: readonly number[] = [4, 130];

/** For Kubernetes, which asks for the codes. */
export const NEVER_RETRIED: readonly number[] = [1, 2, 3];
export const MOST_RETRIES = 3;

/**
 * Lines of a POSIX shell that run `command`, again while that pays, and exit with its code. Retries count
 * from the value of the variable `already`, which may be unset. After a SIGTERM nothing is tried again.
 */
export function retryingLines(command: string, already: string): readonly string[] {
  // A shell's exit code for a signal is 128 and its number.
  const retried = [...RETRIED_CODES.map(String), "129", "1[3-9][0-9]", "2[0-9][0-9]"].join("|");
  return [
    `tries=$((${already} + 0))`,
    "ended=",
    "trap 'ended=1' TERM",
    "while :; do",
    `  ${command}`,
    "  code=$?",
    `  case $code in ${retried}) ;; *) exit $code ;; esac`,
    `  if [ -n "$ended" ] || [ "$tries" -ge ${MOST_RETRIES} ]; then exit $code; fi`,
    "  tries=$((tries + 1))",
    "done",
  ];
}
