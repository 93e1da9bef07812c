/** Every rebuilt claim, in the order of the page. */
import type { Claim } from "../claim.ts";
import { ANSWERS } from "./answers.ts";
import { BATCHES } from "./batches.ts";
import { ORDERS } from "./orders.ts";
import { RESOURCES } from "./resources.ts";
import { SCALING } from "./scaling.ts";

export const CLAIMS: readonly Claim[] = [
  ...RESOURCES,
  ...BATCHES,
  ...ANSWERS,
  ...SCALING,
  ...ORDERS,
];
