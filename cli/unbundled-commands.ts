/** Commands that draw charts: their packages have a top-level await, which no bundle can hold. */
export const UNBUNDLED_COMMANDS: readonly string[] = ["demo", "report"];
