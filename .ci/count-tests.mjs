// count-tests.mjs FILE…: one line for all of vitest's JSON reports. Fails where a test, a file or a report does.
import { readFileSync } from "node:fs";

let [passed, failed, skipped] = [0, 0, 0];
for (const file of process.argv.slice(2)) {
  const report = JSON.parse(readFileSync(file, "utf8"));
  passed += report.numPassedTests;
  skipped += report.numPendingTests + report.numTodoTests;
  // A file that does not load, or whose set-up fails, has no test that failed.
  for (const { status, assertionResults } of report.testResults) {
    const tests = assertionResults.filter((test) => test.status === "failed").length;
    failed += status === "failed" ? Math.max(1, tests) : tests;
  }
}
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exitCode = failed > 0 ? 1 : 0;
