import "./retrying-clients.invariants.test.ts";
