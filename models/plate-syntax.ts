/** How European plates order letters and digits, and what a line of characters says by that. */

/** A character of a line, with the likeliest of the other kind: a digit for a letter, or reverse. */
export interface WeighedCharacter {
  readonly character: string;
  readonly probability: number;
  readonly other: { readonly character: string; readonly probability: number };
}

export interface PlateText {
  readonly text: string;
  /** Mean probability of the characters, from 0 to 1, less what changes take; 0 without any. */
  readonly confidence: number;
  /** Whether its letters and digits come in an order that plates have. */
  readonly isUsual: boolean;
}

/**
 * L a letter, D a digit, N a digit but 0, ? what may be missing. Source: the countries' own systems
 * since about 1970, without spaces.
 */
const ORDERS = [
  "LLL?L?L?ND?D?D?", // D
  "LDD?D?D?D?D?|LLDDD?D?D?D?|LLLDDD?D?D?", // DK, N, PL, CH, L, FIN, H, LT, S, SLO, GR, CZ, SK
  "DLLDDDD|DLDDDDD", // CZ
  "LLDDLL?L?|LLDDDLL?L?|LLDDDDLL?L?", // SK, F, I, HR, GB, BG, A, RO, NL, PL
  "LNLL?L?|LNDLL?L?|LNDDLL?L?|LNDDDLL?L?|LNDDDDLL?L?", // A, GB before 2001, RO, NL, E
  "LLLND?D?L|LLLDDDDL|LLLDDLL|LLLDDDLL", // GB before 1983, S, PL
  "LLLDLDD|LLLDDLD|LLLDLLD|LLDLDDD|LLDLLDD", // PL
  "DDDDLLL|DDDLLL|DLLLDDD", // E, EST, B
  "DD?DDLLDD|DD?DLLLDD", // F before 2009
  "DDLLLD|DLLLDD|DDLLLL|LLLLDD|DDLLDD|DDDDLL", // NL, P
].flatMap(asPatterns);
/** Usual ones that nothing is changed to: a date is soon like them. */
const DATED_ORDERS = ["DDLND?D?D?D?|DDLLND?D?D?|DDDLND?D?D?"].flatMap(asPatterns); // IRL

/** Characters that are alike on plates, and the cost of taking one for the other. */
const ALIKE: Readonly<Record<string, readonly [other: string, cost: number]>> = {
  O: ["0", 1],
  "0": ["O", 1],
  I: ["1", 1],
  "1": ["I", 1.5],
  D: ["0", 2.5],
  Q: ["0", 2],
  B: ["8", 2.5],
  "8": ["B", 2.5],
  S: ["5", 2.5],
  "5": ["S", 2.5],
  Z: ["2", 2.5],
  "2": ["Z", 2.5],
  G: ["6", 2.5],
  "6": ["G", 2.5],
};
/** What an unusual order costs, in the same measure: the logarithm of odds. */
const UNUSUAL = 3.9;
/** How much costs take from the confidence. */
const DOUBT = 0.1;
/** A reader that gives another character so much has an opinion. */
const MIN_FOUND = 0.03;
/** No country has longer ones. */
const MAX_LENGTH = 8;

interface Change {
  readonly at: number;
  readonly cost: number;
  readonly character: string;
}

/**
 * The likeliest text, where an order that plates have is worth more than one that they do not
 * have: in GNO6BGV, the O is a zero. At most two characters are taken for others, and words stay.
 */
export function plateText(characters: readonly WeighedCharacter[]): PlateText {
  const read = characters.map(({ character }) => character);
  const sum = characters.reduce((total, { probability }) => total + probability, 0);
  const confidence = read.length === 0 ? 0 : sum / read.length;
  const text = read.join("");
  if (hasUsualOrder(text)) return { text, confidence, isUsual: true };
  if (!/[0-9]/.test(text)) return { text, confidence, isUsual: false };
  let best: { readonly text: string; readonly cost: number } | undefined;
  for (const changes of onesAndPairs(characters.map(cheapestChange))) {
    const cost = changes.reduce((total, change) => total + change.cost, 0);
    if (cost >= (best?.cost ?? UNUSUAL)) continue;
    const changed = [...read];
    for (const { at, character } of changes) changed[at] = character;
    if (matches(ORDERS, changed.join(""))) best = { text: changed.join(""), cost };
  }
  if (best === undefined) return { text, confidence, isUsual: false };
  const doubted = confidence * Math.exp(-DOUBT * best.cost);
  return { text: best.text, confidence: doubted, isUsual: true };
}

/** Whether letters and digits come in an order that plates have. */
export function hasUsualOrder(text: string): boolean {
  return matches(ORDERS, text) || matches(DATED_ORDERS, text);
}

function matches(orders: readonly RegExp[], text: string): boolean {
  return text.length <= MAX_LENGTH && orders.some((order) => order.test(text));
}

function asPatterns(orders: string): readonly RegExp[] {
  return orders.split("|").map((order) => {
    const body = order.replaceAll("L", "[A-Z]").replaceAll("D", "[0-9]").replaceAll("N", "[1-9]");
    return new RegExp(`^(?:${body})$`);
  });
}

/** To what the reader itself found likeliest of the other kind, else to what looks alike. */
function cheapestChange({ character, probability, other }: WeighedCharacter, at: number): Change {
  const byReader = Math.log(probability / other.probability);
  const [alike, byLooks] = ALIKE[character] ?? [other.character, byReader];
  if (alike === other.character) return { at, character: alike, cost: Math.min(byReader, byLooks) };
  const isFound = other.probability >= MIN_FOUND || byReader <= byLooks;
  return isFound
    ? { at, character: other.character, cost: byReader }
    : { at, character: alike, cost: byLooks };
}

function onesAndPairs<T>(items: readonly T[]): readonly (readonly T[])[] {
  const pairs = items.flatMap((a, i) => items.slice(i + 1).map((b) => [a, b]));
  return [...items.map((item) => [item]), ...pairs];
}
