import "./load.test.ts";
