// Walks through the whole API by the types that openapi-typescript makes of the document.
import assert from "node:assert/strict";
import createClient from "openapi-fetch";
import { Secret, TOTP } from "otpauth";
import type { paths } from "./generated/schema.js";

const address = process.env["AUTH_URL"];
assert(address, "AUTH_URL is not set");

// A call must be answered within ten seconds.
const bounded = (request: Request) => fetch(request, { signal: AbortSignal.timeout(10_000) });
const as = (credential?: string) =>
  createClient<paths>({ baseUrl: address, fetch: bounded, headers: credential ? { Authorization: `Bearer ${credential}` } : {} });

type Result<T> = { data?: T; error?: unknown; response: Response };

function granted<T>(result: Result<T>): T {
  if (result.data === undefined) {
    throw new Error(`${result.response.url}: ${result.response.status} ${JSON.stringify(result.error)}`);
  }
  return result.data;
}

const email = "openapi-typescript@example.com";
const password = "a passphrase nobody else has";
const anyone = as();

const registered = granted(await anyone.POST("/register", { body: { email, password, full_name: "Ada Lovelace", organization_name: "Analytical Engines" } }));
assert.equal(registered.email, email);

async function login(secret: string) {
  return granted(await anyone.POST("/login", { body: { email, password: secret } }));
}

const first = await login(password);
assert(!("requires_2fa" in first), "a second step is due without a second factor");
assert.equal(first.token_type, "bearer");
const me = as(first.access_token);
assert.equal(granted(await me.GET("/me")).id, registered.id);

const key = granted(await me.POST("/api-keys", { body: { name: "Nightly", expires_in_days: 90, scopes: ["reports:read"] } }));
const byKey = as(key.key);
assert.equal(granted(await byKey.GET("/me")).email, email);
assert.deepEqual(granted(await me.GET("/api-keys")).api_keys.map((k) => k.id), [key.id]);
assert.equal(granted(await me.DELETE("/api-keys/{key_id}", { params: { path: { key_id: key.id } } })).success, true);
assert.equal((await byKey.GET("/me")).response.status, 401);

const enrollment = granted(await me.POST("/enable-2fa"));
const [firstCode, secondCode] = enrollment.backup_codes;
assert(firstCode && secondCode);
const code = new TOTP({ secret: Secret.fromBase32(enrollment.secret) }).generate();
granted(await me.POST("/confirm-2fa", { body: { code } }));

const second = await login(password);
assert("requires_2fa" in second, "no second step is due with a second factor");
const verified = granted(await anyone.POST("/verify-2fa", { body: { temp_token: second.temp_token, code: firstCode } }));
assert.equal(verified.user.two_factor_enabled, true);

const refreshed = granted(await as(verified.access_token).POST("/refresh"));
const current = as(refreshed.access_token);
assert.equal(granted(await current.PATCH("/me", { body: { full_name: "Ada King" } })).full_name, "Ada King");
const changed = "another passphrase nobody has";
granted(await current.POST("/change-password", { body: { current_password: password, new_password: changed } }));
granted(await current.POST("/disable-2fa", { body: { password: changed, code: secondCode } }));
granted(await current.POST("/logout"));
assert.equal((await current.GET("/me")).response.status, 401);

// What went wrong is told apart by the type of the error: a code that the operation does
// not have does not compile.
const { error } = await anyone.POST("/login", { body: { email, password } });
assert(error, "the old password still opens");
type Code = typeof error.code;
const codesAreTold: string extends Code ? false : true = true;
assert(codesAreTold);
// @ts-expect-error: this is no code of login's
const foreign: Code = "api_key_limit";
assert.notEqual(error.code, foreign);
assert.equal(error.code satisfies Code, "invalid_credentials");
if (error.code === "invalid_credentials") {
  assert.equal(error.status, 401);
}
console.log("openapi-typescript: the walk is done");
