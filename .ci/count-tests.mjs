// count-tests.mjs FILE…: what failed, then one line, for all of vitest's JSON reports. Fails where a test, a file or a report does.
import { readFileSync } from "node:fs";

let [passed, skipped] = [0, 0];
const failures = [];
for (const file of process.argv.slice(2)) {
  const report = JSON.parse(readFileSync(file, "utf8"));
  passed += report.numPassedTests;
  skipped += report.numPendingTests + report.numTodoTests;
  for (const { name, status, message, assertionResults } of report.testResults) {
    const tests = assertionResults.filter((test) => test.status === "failed");
    for (const { fullName, failureMessages } of tests) {
      failures.push(`${name} > ${fullName}\n${failureMessages.join("\n")}`);
    }
    // A file that does not load, or whose set-up fails, has no test that failed.
    if (status === "failed" && tests.length === 0) failures.push(`${name}\n${message}`);
  }
}
// A log is often kept by its end alone.
for (const failure of failures) console.log(`failed: ${failure.slice(0, 2000)}\n`);
console.log(`${passed} passed, ${failures.length} failed, ${skipped} skipped`);
process.exitCode = failures.length > 0 ? 1 : 0;
