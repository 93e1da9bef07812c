/** Commands that draw charts: what they draw with is waited for while it loads, as no bundle can. */
export const UNBUNDLED_COMMANDS: readonly string[] = ["demo", "report"];
