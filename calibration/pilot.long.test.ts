import "./pilot.test.ts";
