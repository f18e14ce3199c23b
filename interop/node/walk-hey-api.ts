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
    profile: async () => (await sdk.getProfile(o)).data,
    update: async (body) => (await sdk.updateProfile({ ...o, body })).data,
    createKey: async (body) => (await sdk.createApiKey({ ...o, body })).data,
    keys: async () => (await sdk.listApiKeys(o)).data,
    revoke: async (key_id) => (await sdk.revokeApiKey({ ...o, path: { key_id } })).data,
    enable: async () => (await sdk.enableTwoFactor(o)).data,
    confirm: async (body) => (await sdk.confirmTwoFactor({ ...o, body })).data,
    disable: async (body) => (await sdk.disableTwoFactor({ ...o, body })).data,
    changePassword: async (body) => (await sdk.changePassword({ ...o, body })).data,
    logout: async () => (await sdk.logout(o)).data,
  };
}

await walk("hey-api", as, async (body) => {
  const { error } = await sdk.login({ client: createClient({ baseUrl: address }), body });
  assert(error, "the old password still opens");
  return error.code;
});
