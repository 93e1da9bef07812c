/** Numbers and words that policies take as parameters: upper bounds keep sums of times and counts finite. */
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

// With a default, and in words.

/** From `least` to `most`. */
export const within = (least: number, most: number, usual: number, about: string) =>
  z.number().min(least).max(most).default(usual).describe(about);

/** Jobs in the largest batch. */
export const largestBatch = (usual: number, about: string) =>
  batchSize.default(usual).describe(`${about}; the model's own maximum holds too`);

/** Whether; true unless it is given. */
export const flag = (about: string) => z.boolean().default(true).describe(about);

/** A time from 0, in ms. */
export const ms = (usual: number, about: string, most?: number) =>
  nonNegative(most).default(usual).describe(`${about}, in ms`);

/** A time above 0, in s. */
export const seconds = (usual: number, about: string, most?: number) =>
  positive(most).default(usual).describe(`${about}, in s`);

/** Above 0. */
export const amount = (usual: number, about: string, most?: number) =>
  positive(most).default(usual).describe(about);

/** Above 0, to 1. */
export const share = (usual: number, about: string) => amount(usual, about, 1);

/** A whole number, from 1 unless `least` says otherwise. */
export const count = (usual: number, about: string, most: number, least = 1) =>
  z.int().min(least).max(most).default(usual).describe(about);
