/** Numbers that policies take as parameters. Their upper bounds keep sums of times and counts finite. */
import { z } from "zod";

/** Above 0. */
export const positive = (most = 1e6) => z.number().positive().max(most);

/** From 0. */
export const nonNegative = (most = 1e6) => z.number().nonnegative().max(most);

/** A whole number from 1. */
export const positiveInt = (most: number) => z.int().positive().max(most);

/** Time between two askings, in s. */
export const intervalS = z.number().min(0.001).max(1e6);

/** Jobs in a batch. */
export const batchSize = z.int().min(1).max(1024);
