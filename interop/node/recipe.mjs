// Runs a recipe of docs/clients.md: see ../recipes/main.go.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const recipe = await import(pathToFileURL(process.argv[2]).href);

// guarded calls a middleware as Express does.
const guarded = (token) => new Promise((resolve, reject) => {
  const headers = { authorization: `Bearer ${token}`, host: "my-api.example.com" };
  const request = { method: "GET", url: "/", originalUrl: "/", protocol: "https", headers, query: {}, body: {}, is: () => false, get: (name) => headers[name.toLowerCase()] };
  recipe.guard(request, {}, (error) => (error ? reject(error) : resolve(request.auth.payload)));
});

const validated = (token) => recipe.validate(new Request("https://my-api.example.com/", { headers: { authorization: `Bearer ${token}` } }));

const verify = recipe.verify ?? (recipe.guard ? guarded : validated);
const accepted = [];
for (const token of JSON.parse(readFileSync(0, "utf8"))) {
  try {
    const claims = await verify(token);
    accepted.push(claims.sub.startsWith("user_"));
  } catch (error) {
    console.error(String(error));
    accepted.push(false);
  }
}
process.stdout.write(JSON.stringify(accepted), () => process.exit(0));
