// A user's whole life with the API, for clients that differ in how they are called. The
// compiler holds what a generator makes against the types here.
import assert from "node:assert/strict";
import { Secret, TOTP } from "otpauth";

type Token = { access_token: string };
type SecondStep = { requires_2fa: boolean; temp_token: string };
type Done = { success: boolean };
type Profile = { id: string; email: string; full_name: string; two_factor_enabled: boolean };

// An Api is a client with a credential, or without. Each call fails if it is refused.
export interface Api {
  register(body: { email: string; password: string; full_name: string; organization_name?: string }): Promise<{ id: string; email: string }>;
  login(body: { email: string; password: string }): Promise<Token | SecondStep>;
  verify(body: { temp_token: string; code: string }): Promise<Token & { user: { two_factor_enabled: boolean } }>;
  refresh(): Promise<Token>;
  profile(): Promise<Profile>;
  update(body: { full_name: string }): Promise<Profile>;
  createKey(body: { name: string; scopes: string[]; expires_in_days: number }): Promise<{ id: string; key: string; expires_at: string | null }>;
  keys(): Promise<{ api_keys: { id: string; last_used_at: string | null }[] }>;
  revoke(id: string): Promise<Done>;
  enable(): Promise<{ secret: string; backup_codes: string[] }>;
  confirm(body: { code: string }): Promise<Done>;
  disable(body: { password: string; code: string }): Promise<Done>;
  changePassword(body: { current_password: string; new_password: string }): Promise<Done>;
  logout(): Promise<Done>;
}

// walk takes the client under a credential, and the code with which the API refuses a login.
export async function walk(name: string, as: (credential?: string) => Api, refused: (body: { email: string; password: string }) => Promise<string>) {
  const email = `${name}.${process.pid}@example.com`;
  const password = "a passphrase nobody else has";
  const anyone = as();
  const { id } = await anyone.register({ email, password, full_name: "Ada Lovelace", organization_name: "Analytical Engines" });

  const first = await anyone.login({ email, password });
  assert("access_token" in first, "a second step is due without a second factor");
  const me = as(first.access_token);
  assert.equal((await me.profile()).id, id);

  const key = await me.createKey({ name: "Nightly", expires_in_days: 90, scopes: ["reports:read"] });
  assert.equal((await as(key.key).profile()).email, email);
  assert.deepEqual((await me.keys()).api_keys.map((k) => k.id), [key.id]);
  assert.equal((await me.revoke(key.id)).success, true);
  await assert.rejects(as(key.key).profile());

  const enrollment = await me.enable();
  const [firstCode, secondCode] = enrollment.backup_codes;
  assert(firstCode && secondCode);
  await me.confirm({ code: new TOTP({ secret: Secret.fromBase32(enrollment.secret) }).generate() });
  const second = await anyone.login({ email, password });
  assert("temp_token" in second, "no second step is due with a second factor");
  const verified = await anyone.verify({ temp_token: second.temp_token, code: firstCode });
  assert.equal(verified.user.two_factor_enabled, true);

  const current = as((await as(verified.access_token).refresh()).access_token);
  assert.equal((await current.update({ full_name: "Ada King" })).full_name, "Ada King");
  const changed = "another passphrase nobody has";
  await current.changePassword({ current_password: password, new_password: changed });
  await current.disable({ password: changed, code: secondCode });
  await current.logout();
  await assert.rejects(current.profile());
  assert.equal(await refused({ email, password }), "invalid_credentials");
  console.log(`${name}: the walk is done`);
}
