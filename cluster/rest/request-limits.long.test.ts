import "./request-limits.test.ts";
