// Walks through the whole API with the client that hey-api's openapi-ts makes of the document.
import assert from "node:assert/strict";
import { createClient } from "./generated/hey-api/client/index.js";
import * as sdk from "./generated/hey-api/index.js";
import { walk, type Api } from "./life.js";

const address = process.env["AUTH_URL"];
assert(address, "AUTH_URL is not set");

function as(credential?: string): Api {
  const client = createClient({ baseUrl: address!, headers: credential ? { Authorization: `Bearer ${credential}` } : {} });
  const o = { client, throwOnError: true } as const;
  return {
    register: async (body) => (await sdk.register({ ...o, body })).data,
    login: async (body) => (await sdk.login({ ...o, body })).data,
    verify: async (body) => (await sdk.verifyTwoFactor({ ...o, body })).data,
    refresh: async () => (await sdk.refresh(o)).data,
    logout: async () => (await sdk.logout(o)).data,
    verifyEmail: async (body) => (await sdk.verifyEmail({ ...o, body })).data,
    resendVerification: async (body) => (await sdk.resendVerification({ ...o, body })).data,
    forgotPassword: async (body) => (await sdk.forgotPassword({ ...o, body })).data,
    resetPassword: async (body) => (await sdk.resetPassword({ ...o, body })).data,
    changePassword: async (body) => (await sdk.changePassword({ ...o, body })).data,
    profile: async () => (await sdk.getProfile(o)).data,
    update: async (body) => (await sdk.updateProfile({ ...o, body })).data,
    confirmEmail: async (body) => (await sdk.confirmEmail({ ...o, body })).data,
    cancelEmailChange: async () => (await sdk.cancelEmailChange(o)).data,
    exportAccount: async (body) => (await sdk.exportAccount({ ...o, body })).data,
    deleteAccount: async (body) => (await sdk.deleteAccount({ ...o, body })).data,
    organization: async () => (await sdk.getOrganization(o)).data,
    rename: async (body) => (await sdk.updateOrganization({ ...o, body })).data,
    members: async () => (await sdk.listMembers(o)).data,
    changeMember: async (user_id, body) => (await sdk.updateMember({ ...o, path: { user_id }, body })).data,
    removeMember: async (user_id) => (await sdk.removeMember({ ...o, path: { user_id } })).data,
    invite: async (body) => (await sdk.invite({ ...o, body })).data,
    invitations: async () => (await sdk.listInvitations(o)).data,
    revokeInvitation: async (invitation_id) => (await sdk.revokeInvitation({ ...o, path: { invitation_id } })).data,
    acceptInvitation: async (body) => (await sdk.acceptInvitation({ ...o, body })).data,
    leave: async () => (await sdk.leaveOrganization(o)).data,
    sessions: async () => (await sdk.listSessions(o)).data,
    endSession: async (session_id) => (await sdk.endSession({ ...o, path: { session_id } })).data,
    logoutOthers: async () => (await sdk.logoutOthers(o)).data,
    createKey: async (body) => (await sdk.createApiKey({ ...o, body })).data,
    keys: async () => (await sdk.listApiKeys(o)).data,
    updateKey: async (key_id, body) => (await sdk.updateApiKey({ ...o, path: { key_id }, body })).data,
    rotateKey: async (key_id, body) => (await sdk.rotateApiKey({ ...o, path: { key_id }, body })).data,
    keyUsage: async (key_id) => (await sdk.getApiKeyUsage({ ...o, path: { key_id } })).data,
    revoke: async (key_id) => (await sdk.revokeApiKey({ ...o, path: { key_id } })).data,
    enable: async () => (await sdk.enableTwoFactor(o)).data,
    confirm: async (body) => (await sdk.confirmTwoFactor({ ...o, body })).data,
    twoFactor: async () => (await sdk.getTwoFactor(o)).data,
    replaceBackupCodes: async (body) => (await sdk.replaceBackupCodes({ ...o, body })).data,
    disable: async (body) => (await sdk.disableTwoFactor({ ...o, body })).data,
    devices: async () => (await sdk.listTrustedDevices(o)).data,
    removeDevice: async (device_id) => (await sdk.removeTrustedDevice({ ...o, path: { device_id } })).data,
  };
}

await walk("hey-api", as, async (body) => {
  const { error } = await sdk.login({ client: createClient({ baseUrl: address }), body });
  assert(error, "the old password still opens");
  return error.code;
});
