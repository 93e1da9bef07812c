/** A test that is skipped says nothing by itself. */

/** Gives `isHere`, for `skipIf(!needs(…))`; where it is false, says that what is needed is not here. */
export function needs(what: string, isHere: boolean): boolean {
  if (!isHere) console.log(`skipped: ${what} is not here`);
  return isHere;
}
