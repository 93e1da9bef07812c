import "./threads.test.ts";
