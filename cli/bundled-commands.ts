/** Commands whose start-up counts, for they may be over in a moment. `main.ts` imports each from its file. */
export const BUNDLED_COMMANDS: readonly string[] = ["check", "help", "init", "query", "simulate"];
