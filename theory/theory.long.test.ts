import "./theory.test.ts";
