// Walks through the whole API with the functions that orval makes of the document.
import assert from "node:assert/strict";
import * as api from "./generated/orval.js";
import { walk, type Api } from "./life.js";

// granted returns the data of an answer whose status the type names as a success.
async function granted<S extends number, R extends { status: number; data: unknown }>(status: S, answer: Promise<R>) {
  const r = await answer;
  assert.equal(r.status, status, JSON.stringify(r.data));
  return (r as Extract<R, { status: S }>).data as Extract<R, { status: S }>["data"];
}

function as(credential?: string): Api {
  const o: RequestInit = { headers: credential ? { Authorization: `Bearer ${credential}` } : {} };
  return {
    register: (body) => granted(201, api.register(body, o)),
    login: (body) => granted(200, api.login(body, o)),
    verify: (body) => granted(200, api.verifyTwoFactor(body, o)),
    refresh: () => granted(200, api.refresh(o)),
    logout: () => granted(200, api.logout(o)),
    verifyEmail: (body) => granted(200, api.verifyEmail(body, o)),
    resendVerification: (body) => granted(202, api.resendVerification(body, o)),
    forgotPassword: (body) => granted(202, api.forgotPassword(body, o)),
    resetPassword: (body) => granted(200, api.resetPassword(body, o)),
    changePassword: (body) => granted(200, api.changePassword(body, o)),
    profile: () => granted(200, api.getProfile(o)),
    update: (body) => granted(200, api.updateProfile(body, o)),
    confirmEmail: (body) => granted(200, api.confirmEmail(body, o)),
    cancelEmailChange: () => granted(200, api.cancelEmailChange(o)),
    exportAccount: (body) => granted(200, api.exportAccount(body, o)),
    deleteAccount: (body) => granted(200, api.deleteAccount(body, o)),
    organization: () => granted(200, api.getOrganization(o)),
    rename: (body) => granted(200, api.updateOrganization(body, o)),
    members: () => granted(200, api.listMembers(undefined, o)),
    changeMember: (id, body) => granted(200, api.updateMember(id, body, o)),
    removeMember: (id) => granted(200, api.removeMember(id, undefined, o)),
    invite: (body) => granted(201, api.invite(body, o)),
    invitations: () => granted(200, api.listInvitations(o)),
    revokeInvitation: (id) => granted(200, api.revokeInvitation(id, o)),
    acceptInvitation: (body) => granted(200, api.acceptInvitation(body, o)),
    leave: () => granted(200, api.leaveOrganization(undefined, o)),
    sessions: () => granted(200, api.listSessions(o)),
    endSession: (id) => granted(200, api.endSession(id, o)),
    logoutOthers: () => granted(200, api.logoutOthers(o)),
    createKey: (body) => granted(201, api.createAPIKey(body, o)),
    keys: () => granted(200, api.listAPIKeys(o)),
    updateKey: (id, body) => granted(200, api.updateAPIKey(id, body, o)),
    rotateKey: (id, body) => granted(201, api.rotateAPIKey(id, body, o)),
    keyUsage: (id) => granted(200, api.getAPIKeyUsage(id, o)),
    revoke: (id) => granted(200, api.revokeAPIKey(id, o)),
    enable: () => granted(200, api.enableTwoFactor(undefined, o)),
    confirm: (body) => granted(200, api.confirmTwoFactor(body, o)),
    twoFactor: () => granted(200, api.getTwoFactor(o)),
    replaceBackupCodes: (body) => granted(200, api.replaceBackupCodes(body, o)),
    disable: (body) => granted(200, api.disableTwoFactor(body, o)),
    devices: () => granted(200, api.listTrustedDevices(o)),
    removeDevice: (id) => granted(200, api.removeTrustedDevice(id, o)),
  };
}

await walk("orval", as, async (body) => (await granted(401, api.login(body))).code);
