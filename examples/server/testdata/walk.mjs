// The whole contract from JavaScript, with fetch. Usage: node walk.mjs http://HOST:PORT
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";

const base = process.argv[2];
const [email, password, changed] = ["margaret@example.com", "there is a moon to land on", "there was a moon to land on"];
let calls = 0;

// call makes one call and returns the answer, which must have the status that is wanted.
async function call(want, method, path, credential, body) {
  calls++;
  const headers = {};
  if (credential) headers.Authorization = `Bearer ${credential}`;
  if (body) headers["Content-Type"] = "application/json";
  const response = await fetch(base + path, {
    method, headers, body: body && JSON.stringify(body), signal: AbortSignal.timeout(20_000),
  });
  const answer = await response.json();
  assert.equal(response.status, want, `${method} ${path}: ${response.status} ${answer.code}`);
  assert.equal(response.headers.get("x-content-type-options"), "nosniff");
  return answer;
}

const auth = (want, method, path, credential, body) => call(want, method, "/v1/auth" + path, credential, body);

// code is what an authenticator shows now, or some steps of 30 seconds from now.
function code(secret, steps = 0) {
  const now = `@${Math.floor(Date.now() / 1000) + 30 * steps}`;
  return execFileSync("oathtool", ["--totp", "-b", secret, "--now", now], { encoding: "utf8" }).trim();
}

const user = await auth(201, "POST", "/register", null, { email, password, full_name: "Margaret Hamilton", organization_name: "Apollo" });
assert.equal(user.role, "admin");
await auth(409, "POST", "/register", null, { email, password, full_name: "Other" });
await auth(401, "POST", "/login", null, { email, password: "not " + password });
let { access_token: token, ...rest } = await auth(200, "POST", "/login", null, { email, password });
assert.deepEqual([rest.token_type, rest.expires_in, rest.user.id], ["bearer", 3600, user.id]);
assert.deepEqual((await auth(200, "GET", "/me", token)).assigned_agents, []);
assert.equal((await auth(200, "PATCH", "/me", token, { email: "hamilton@example.com" })).email, "hamilton@example.com");
await auth(401, "POST", "/login", null, { email, password });
await auth(200, "POST", "/change-password", token, { current_password: password, new_password: changed });

const enrolment = await auth(200, "POST", "/enable-2fa", token);
assert.equal(enrolment.backup_codes.length, 10);
await auth(200, "POST", "/confirm-2fa", token, { code: code(enrolment.secret) });
const half = await auth(200, "POST", "/login", null, { email: "hamilton@example.com", password: changed });
assert.equal(half.requires_2fa, true);
assert.equal(half.access_token, undefined);
token = (await auth(200, "POST", "/verify-2fa", null, { temp_token: half.temp_token, code: code(enrolment.secret, 1) })).access_token;
await auth(401, "POST", "/verify-2fa", null, { temp_token: half.temp_token, code: enrolment.backup_codes[1] });

const key = await auth(201, "POST", "/api-keys", token, { name: "Production", expires_in_days: 30 });
await call(200, "GET", "/v1/agents", key.key);
await call(200, "GET", "/v1/agents", token);
const { api_keys: keys } = await auth(200, "GET", "/api-keys", token);
assert.equal(keys.length, 1);
assert.ok(keys[0].last_used_at);
assert.equal((await auth(200, "DELETE", `/api-keys/${key.id}`, token)).message, "API key revoked");
await call(401, "GET", "/v1/agents", key.key);

await auth(200, "POST", "/disable-2fa", token, { password: changed, code: enrolment.backup_codes[0] });
const { access_token: refreshed } = await auth(200, "POST", "/refresh", token);
assert.equal((await auth(200, "POST", "/logout", refreshed)).message, "Logged out successfully");
await auth(401, "GET", "/me", refreshed);
await auth(401, "GET", "/me", token);

console.log(JSON.stringify({ calls }));
