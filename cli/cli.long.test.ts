import "./cli.test.ts";
