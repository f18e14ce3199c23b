// A user's whole life with the API, for clients that differ in how they are called. The
// compiler holds what a generator makes against the types here.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import { Secret, TOTP } from "otpauth";

type Token = { access_token: string };
type SecondStep = { requires_2fa: boolean; temp_token: string };
type Done = { success: boolean };
type Profile = { id: string; organization_id: string; role: string; email: string; email_verified: boolean; pending_email?: string; full_name: string; two_factor_enabled: boolean };
type Organization = { id: string; name: string; members: number };
type Role = "member" | "admin"; // what members give each other
type Member = { id: string; email: string; role: string };
type Key = { id: string; enabled: boolean; description: string; last_used_at: string | null; replaced_by?: string; sunset_at?: string };

// An Api is a client with a credential, or without. Each call fails if it is refused.
export interface Api {
  register(body: { email: string; password: string; full_name: string; organization_name?: string; invitation_token?: string }): Promise<{ id: string; email: string; organization_id: string }>;
  login(body: { email: string; password: string; device_token?: string }): Promise<Token | SecondStep>;
  verify(body: { temp_token: string; code: string; trust_device?: boolean }): Promise<Token & { user: { two_factor_enabled: boolean }; device_token?: string }>;
  refresh(): Promise<Token>;
  logout(): Promise<Done>;

  verifyEmail(body: { token: string }): Promise<Done>;
  resendVerification(body: { email: string }): Promise<Done>;
  forgotPassword(body: { email: string }): Promise<Done>;
  resetPassword(body: { token: string; new_password: string }): Promise<Done>;
  changePassword(body: { current_password: string; new_password: string }): Promise<Done>;

  profile(): Promise<Profile>;
  update(body: { full_name?: string; email?: string; current_password?: string; code?: string }): Promise<Profile>;
  confirmEmail(body: { token: string }): Promise<Done>;
  cancelEmailChange(): Promise<Done>;
  exportAccount(body?: { password: string; code: string }): Promise<{ account: { email: string }; trusted_devices: { id: string }[] }>;
  deleteAccount(body: { password: string }): Promise<Done>;

  organization(): Promise<Organization>;
  rename(body: { name: string }): Promise<Organization>;
  members(): Promise<{ members: Member[]; next: string | null }>;
  changeMember(id: string, body: { role: Role }): Promise<Member>;
  removeMember(id: string): Promise<Done>;
  invite(body: { email: string; role: Role }): Promise<{ id: string; email: string; role: string; invitation_token?: string }>;
  invitations(): Promise<{ invitations: { id: string; email: string; role: string }[] }>;
  revokeInvitation(id: string): Promise<Done>;
  acceptInvitation(body: { token: string }): Promise<Profile>;
  leave(): Promise<Done>;

  sessions(): Promise<{ sessions: { id: string; current: boolean; amr: string[] }[] }>;
  endSession(id: string): Promise<Done>;
  logoutOthers(): Promise<Done & { ended: number }>;

  createKey(body: { name: string; scopes: string[]; expires_in_days: number }): Promise<{ id: string; key: string; expires_at: string | null }>;
  keys(): Promise<{ api_keys: Key[] }>;
  updateKey(id: string, body: { description?: string; enabled?: boolean }): Promise<Key>;
  rotateKey(id: string, body: { overlap_hours: number }): Promise<{ id: string; key: string; replaces: string }>;
  keyUsage(id: string): Promise<{ total: number; hours: { uses: number }[] }>;
  revoke(id: string): Promise<Done>;

  enable(): Promise<{ secret: string; otpauth_url: string; backup_codes: string[] }>;
  confirm(body: { code: string }): Promise<Done>;
  twoFactor(): Promise<{ enabled: boolean; backup_codes_left: number }>;
  replaceBackupCodes(body: { password: string; code: string }): Promise<{ backup_codes: string[] }>;
  disable(body: { password: string; code: string }): Promise<Done>;
  devices(): Promise<{ trusted_devices: { id: string; expires_at: string }[] }>;
  removeDevice(id: string): Promise<Done>;
}

// mailed returns the token of the first mail of this purpose to the address, or of a later one.
// The server writes each mail as a line of the file AUTH_MAILS, after it has answered.
async function mailed(purpose: string, to: string, nth = 1): Promise<string> {
  const file = process.env["AUTH_MAILS"];
  assert(file, "AUTH_MAILS is not set");
  for (let tries = 0; tries < 100; tries++) {
    const lines = (await readFile(file, "utf8")).split("\n").slice(0, -1);
    const mail = lines.map((line) => JSON.parse(line)).filter((m) => m.mail === purpose && m.to === to)[nth - 1];
    if (mail) {
      return mail.token;
    }
    await pause(100);
  }
  throw new Error(`no mail ${purpose} was sent to ${to}`);
}

type Client = (credential?: string) => Api;

// walk takes the client under a credential, and the code with which the API refuses a login.
export async function walk(name: string, as: Client, refused: (body: { email: string; password: string }) => Promise<string>) {
  const email = `${name}.${process.pid}@example.com`;
  const password = "a passphrase nobody else has";
  const { id } = await as().register({ email, password, full_name: "Ada Lovelace", organization_name: "Analytical Engines" });

  const session = await proveEmail(as, email, password, id);
  await useKeys(as, session, email);
  await shareOrganization(as, session, email, password);
  const codes = await turnOn(session, password);
  await trustDevice(as, email, password, codes);

  const current = as((await as(await secondStep(as, email, password, codes)).refresh()).access_token);
  assert.equal((await current.update({ full_name: "Ada King" })).full_name, "Ada King");
  const moved = await changeEmail(current, email, password, codes);
  const changed = "another passphrase nobody has";
  await current.changePassword({ current_password: password, new_password: changed });
  const copy = await current.exportAccount({ password: changed, code: next(codes) });
  assert.equal(copy.account.email, moved);
  assert.deepEqual(copy.trusted_devices, []);
  await current.disable({ password: changed, code: next(codes) });
  await current.logout();
  await assert.rejects(current.profile());
  assert.equal(await refused({ email: moved, password }), "invalid_credentials");

  const last = as(await loggedIn(as, moved, changed));
  await last.deleteAccount({ password: changed });
  await assert.rejects(last.profile());
  assert.equal(await refused({ email: moved, password: changed }), "invalid_credentials");
  console.log(`${name}: the walk is done`);
}

function next(codes: string[]): string {
  const code = codes.pop();
  assert(code, "no backup code is left");
  return code;
}

// loggedIn returns the access token of a login that no code is asked for.
async function loggedIn(as: Client, email: string, password: string, device_token?: string): Promise<string> {
  const answer = await as().login({ email, password, ...(device_token && { device_token }) });
  assert("access_token" in answer, "a second step is due");
  return answer.access_token;
}

async function tempToken(as: Client, email: string, password: string, device_token?: string): Promise<string> {
  const answer = await as().login({ email, password, ...(device_token && { device_token }) });
  assert("temp_token" in answer, "no second step is due");
  return answer.temp_token;
}

async function secondStep(as: Client, email: string, password: string, codes: string[]): Promise<string> {
  const answer = await as().verify({ temp_token: await tempToken(as, email, password), code: next(codes) });
  assert.equal(answer.user.two_factor_enabled, true);
  assert.equal(answer.device_token, undefined);
  return answer.access_token;
}

// proveEmail verifies the address, and sets the password again by a mail. That ends the first
// session, so it returns another.
async function proveEmail(as: Client, email: string, password: string, id: string): Promise<Api> {
  const first = as(await loggedIn(as, email, password));
  const before = await first.profile();
  assert.equal(before.id, id);
  assert.equal(before.email_verified, false);
  await as().resendVerification({ email });
  await as().verifyEmail({ token: await mailed("verify_email", email) });
  assert.equal((await first.profile()).email_verified, true);

  await as().forgotPassword({ email });
  const token = await mailed("reset_password", email);
  await as().resetPassword({ token, new_password: password });
  await assert.rejects(as().resetPassword({ token, new_password: password }), "a token of a mail works twice");
  await assert.rejects(first.profile(), "a session outlives the reset");
  return as(await loggedIn(as, email, password));
}

async function useKeys(as: Client, me: Api, email: string) {
  const key = await me.createKey({ name: "Nightly", expires_in_days: 90, scopes: ["reports:read"] });
  assert.equal((await as(key.key).profile()).email, email);
  assert.deepEqual((await me.keys()).api_keys.map((k) => k.id), [key.id]);
  const usage = await me.keyUsage(key.id);
  assert.equal(usage.total, 1);
  assert.deepEqual(usage.hours.map((h) => h.uses), [1]);

  assert.equal((await me.updateKey(key.id, { enabled: false, description: "of the night" })).enabled, false);
  await assert.rejects(as(key.key).profile(), "a disabled key opens something");
  assert.equal((await me.updateKey(key.id, { enabled: true })).description, "of the night");

  const rotated = await me.rotateKey(key.id, { overlap_hours: 1 });
  assert.equal(rotated.replaces, key.id);
  assert.equal((await as(key.key).profile()).email, email); // within the overlap
  assert.equal((await as(rotated.key).profile()).email, email);
  const old = (await me.keys()).api_keys.find((k) => k.id === key.id);
  assert.equal(old?.replaced_by, rotated.id);
  assert(old.sunset_at);
  for (const one of [key, rotated]) {
    assert.equal((await me.revoke(one.id)).success, true);
    await assert.rejects(as(one.key).profile());
  }
}

// shareOrganization has a colleague who joins by an invitation, is removed, moves back with the
// account that there is now, leaves, and deletes the account.
async function shareOrganization(as: Client, me: Api, email: string, password: string) {
  const before = await me.organization();
  assert.equal((await me.rename({ name: "Difference Engines" })).id, before.id);
  assert.deepEqual(await me.organization(), { ...before, name: "Difference Engines" });

  const mistyped = await me.invite({ email: `nobody.${email}`, role: "admin" });
  assert.deepEqual((await me.invitations()).invitations.map((i) => [i.id, i.role]), [[mistyped.id, "admin"]]);
  await me.revokeInvitation(mistyped.id);
  assert.deepEqual((await me.invitations()).invitations, []);
  const revoked = { email: `nobody.${email}`, password, full_name: "Nobody", invitation_token: await mailed("invitation", mistyped.email) };
  await assert.rejects(as().register(revoked), "a revoked invitation opens an account");

  const invited = await me.invite({ email: `colleague.${email}`, role: "member" });
  assert.equal(invited.invitation_token, undefined, "the answer has a token that was mailed");
  const joined = await as().register({ email: invited.email, password, full_name: "Charles Babbage", invitation_token: await mailed("invitation", invited.email) });
  assert.equal(joined.organization_id, before.id);
  const colleague = as(await loggedIn(as, invited.email, password));
  const { members, next } = await colleague.members();
  assert.deepEqual(members.map((m) => [m.email, m.role]).sort(), [[invited.email, "member"], [email, "admin"]].sort());
  assert.equal(next, null);
  await assert.rejects(colleague.invitations(), "a member sees the invitations");

  await assert.rejects(me.leave(), "an organization is left without an admin");
  assert.equal((await me.changeMember(joined.id, { role: "admin" })).role, "admin");
  assert.equal((await colleague.profile()).role, "admin");
  await me.removeMember(joined.id);
  await assert.rejects(colleague.profile(), "a session outlives the membership");
  assert.equal((await me.organization()).members, 1);

  const alone = as(await loggedIn(as, invited.email, password));
  assert.notEqual((await alone.profile()).organization_id, before.id);
  await me.invite({ email: invited.email, role: "member" });
  const moved = await alone.acceptInvitation({ token: await mailed("invitation", invited.email, 2) });
  assert.deepEqual([moved.organization_id, moved.role], [before.id, "member"]);
  await alone.leave();
  assert.notEqual((await alone.profile()).organization_id, before.id);
  await alone.deleteAccount({ password });
  assert.equal((await me.organization()).members, 1);
}

// turnOn turns the second factor on, and returns new backup codes.
async function turnOn(me: Api, password: string): Promise<string[]> {
  const enrollment = await me.enable();
  assert(enrollment.otpauth_url.includes(enrollment.secret));
  await me.confirm({ code: new TOTP({ secret: Secret.fromBase32(enrollment.secret) }).generate() });
  const { backup_codes } = await me.replaceBackupCodes({ password, code: next(enrollment.backup_codes) });
  const state = await me.twoFactor();
  assert(state.enabled);
  assert.equal(state.backup_codes_left, backup_codes.length);
  return backup_codes;
}

// trustDevice skips the code on a trusted device, until the trust is removed or the others are
// logged out.
async function trustDevice(as: Client, email: string, password: string, codes: string[]) {
  const verify = async () => {
    const answer = await as().verify({ temp_token: await tempToken(as, email, password), code: next(codes), trust_device: true });
    assert(answer.device_token, "no device is trusted");
    return { me: as(answer.access_token), device: answer.device_token };
  };
  const { me, device } = await verify();
  const onDevice = as(await loggedIn(as, email, password, device));
  await assert.rejects(onDevice.exportAccount(), "a login without a code is fresh");
  const { sessions } = await me.sessions();
  assert.deepEqual(sessions.filter((s) => s.current).map((s) => s.amr), [["pwd", "mfa"]]);
  const own = (await onDevice.sessions()).sessions.find((s) => s.current);
  assert.deepEqual(own?.amr, ["pwd"]);

  const [trusted] = (await me.devices()).trusted_devices;
  assert(trusted && Date.parse(trusted.expires_at) > Date.now());
  await me.removeDevice(trusted.id);
  await tempToken(as, email, password, device);
  assert.equal((await onDevice.profile()).email, email); // its session goes on
  await me.endSession(own.id);
  await assert.rejects(onDevice.profile());

  const again = await verify();
  const others = (await again.me.sessions()).sessions.length - 1;
  assert.equal((await again.me.logoutOthers()).ended, others);
  await tempToken(as, email, password, again.device);
  assert.deepEqual((await again.me.devices()).trusted_devices, []);
}

// changeEmail moves the account to another address, and returns that.
async function changeEmail(me: Api, email: string, password: string, codes: string[]): Promise<string> {
  const moved = `moved.${email}`;
  await me.update({ email: `mistyped.${email}`, current_password: password, code: next(codes) });
  await me.cancelEmailChange();
  const waiting = await me.update({ email: moved, current_password: password, code: next(codes) });
  assert.equal(waiting.email, email);
  assert.equal(waiting.pending_email, moved);
  await me.confirmEmail({ token: await mailed("change_email", moved) });
  const profile = await me.profile();
  assert.equal(profile.email, moved);
  assert.equal(profile.pending_email, undefined);
  return moved;
}
