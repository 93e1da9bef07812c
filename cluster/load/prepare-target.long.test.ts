import "./prepare-target.test.ts";
