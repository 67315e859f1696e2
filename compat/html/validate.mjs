// What html-validate finds in a file, one line each.
import { readFileSync } from "node:fs";
import { HtmlValidate } from "html-validate";

const checker = new HtmlValidate({ extends: ["html-validate:recommended"] });
const report = await checker.validateString(readFileSync(process.argv[2], "utf8"));
for (const { messages } of report.results) {
  for (const { line, column, ruleId, message } of messages) {
    console.log(`${line}:${column} ${ruleId}: ${message}`);
  }
}
process.exitCode = report.valid ? 0 : 1;
