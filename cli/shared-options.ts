/** Arguments and options that several commands have. */
import { flag, number, repeated, text } from "./command-line.ts";

export const SCENARIO = {
  scenario: { type: "string", demandOption: true, describe: "scenario file (YAML)" },
} as const;

export const SET = { set: repeated("override a value of the scenario: path=value") };

export const JSON_OPTION = { json: flag("print one JSON document on stdout and nothing else") };

export const SEED = { seed: number("seed of the first stream of chance") };

export const INPUTS = {
  inputs: text("tensors to send, in the protocol's JSON; default: at random"),
};

export const IMAGES = { images: text("folder of photographs to measure with, or to send") };
