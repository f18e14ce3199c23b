// Gives tokens to a recipe: a function of a token, one of a request, or a middleware for
// Express.
import { createInterface } from "node:readline";
import * as recipe from "./recipe.mjs";

const guarded = (token) => new Promise((resolve, reject) => {
  const headers = { authorization: `Bearer ${token}`, host: "my-api.example.com" };
  const request = { method: "GET", url: "/", originalUrl: "/", protocol: "https", headers, query: {}, is: () => false, get: (name) => headers[name.toLowerCase()] };
  recipe.guard(request, {}, (error) => (error ? reject(error) : resolve(request.auth.payload)));
});

const validated = (token) => recipe.validate(new Request("https://my-api.example.com/", { headers: { authorization: `Bearer ${token}` } }));

const verify = recipe.verify ?? (recipe.guard ? guarded : validated);
for await (const token of createInterface({ input: process.stdin })) {
  try {
    console.log("ok", (await verify(token)).sub);
  } catch (error) {
    console.log("no", String(error.message).replaceAll("\n", " "));
  }
}
