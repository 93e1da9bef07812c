import "./parse.test.ts";
