/** Requests with a body of JSON, for tests of REST routes. */

export function inJson(method: "POST" | "PUT" | "PATCH", body: object): RequestInit {
  const headers = { "content-type": "application/json" };
  return { method, headers, body: JSON.stringify(body) };
}
