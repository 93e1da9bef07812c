import "./kill.test.ts";
