import "./device-controllers.test.ts";
