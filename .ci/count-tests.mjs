// count-tests.mjs FILE…: one line for all of vitest's JSON reports, after those that passed only when tried again,
// with their first failure. Fails where a test, a file or a report does.
import { readFileSync } from "node:fs";

let [passed, failed, skipped, retried] = [0, 0, 0, 0];
for (const file of process.argv.slice(2)) {
  const report = JSON.parse(readFileSync(file, "utf8"));
  passed += report.numPassedTests;
  skipped += report.numPendingTests + report.numTodoTests;
  // A file that does not load, or whose set-up fails, has no test that failed.
  for (const { name, status, assertionResults } of report.testResults) {
    for (const { status: end, fullName, failureMessages } of assertionResults) {
      if (end !== "passed" || failureMessages.length === 0) continue;
      retried++;
      console.log(`passed when tried again: ${name}: ${fullName}\n${failureMessages[0]}\n`);
    }
    const tests = assertionResults.filter((test) => test.status === "failed").length;
    failed += status === "failed" ? Math.max(1, tests) : tests;
  }
}
if (retried > 0) console.log(`${retried} of the tests passed only when tried again`);
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exitCode = failed > 0 ? 1 : 0;
