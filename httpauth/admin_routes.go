package httpauth

import "net/http"

// The tags of the administration's document. None can be left out.
const (
	tagUsers         Tag = "Users"
	tagOrganizations Tag = "Organizations"
	tagService       Tag = "Service"
)

// aboutAdmin is what the document of the administration says about all of it.
var aboutAdmin = about{
	title: "Administration of an authentication service",
	description: "What operators do to accounts, organizations and the store. Who may call is the decision of the service. An API key may not. " +
		"JSON in UTF-8; times are RFC 3339 in UTC. Every refusal is a problem of RFC 9457 with a stable code.",
	tags: []tagInfo{
		{tagUsers, "Accounts. Every act is an event with the operator as its actor."},
		{tagOrganizations, "Organizations."},
		{tagService, "The service and its store."},
		{TagDocument, "This description of the API."},
	},
}

// adminTable returns every route of the administration.
func (h *Handler) adminTable() []route {
	act := func(verb, id, summary, description, done string, do func(*call) (any, error), codes ...Code) route {
		return route{
			method: http.MethodPost, path: "/users/{user_id}/" + verb, tag: tagUsers, id: id, summary: summary, description: description,
			access: operatorOnly, call: endpoint{run: do}, status: http.StatusOK, success: done, answers: []any{success{}},
			codes: append([]Code{CodeNotFound}, codes...),
		}
	}
	guarded := func(rt route, call endpoint, optional bool) route {
		rt.call, rt.bodyOptional = call, optional
		rt.codes = append(rt.codes, CodeLastAdmin)
		return rt
	}
	return []route{
		{
			method: http.MethodGet, path: "/users", tag: tagUsers, id: "listUsers", summary: "List users",
			description: "Returns a page of all accounts, in no order, or with organization_id of its members. A page may have fewer than limit, even none, and more while accounts change. An account may come twice; none that was there throughout is missing. With email it returns the account that has it, or none.",
			access:      operatorOnly, call: withQuery(adminListUsers), status: http.StatusOK, success: "The users.", answers: []any{adminUsers{}},
			codes: []Code{CodeNotFound, CodeCursorGone, CodeUnsupported},
		},
		{
			method: http.MethodPost, path: "/users", tag: tagUsers, id: "createUser", summary: "Make an account",
			description: "Makes an account in an organization, or in a new one with organization_name. No mail is sent.",
			access:      operatorOnly, call: withBody(adminCreateUser), status: http.StatusCreated, success: "The account.", answers: []any{adminUser{}},
			codes: []Code{CodeWeakPassword, CodeNotFound, CodeEmailTaken, CodeOverloaded},
		},
		{
			method: http.MethodPost, path: "/users/import", tag: tagUsers, id: "importUser", summary: "Import an account",
			description: "Makes an account of another system, with its password hash and its second factor. The body is one line of users.ndjson, and is read strictly. No mail is sent.",
			access:      operatorOnly, call: importUser(), status: http.StatusOK, success: "The account, or with dry_run what it would be.", answers: []any{importedUser{}},
			codes: []Code{CodeNotFound, CodeEmailTaken},
		},
		{
			method: http.MethodGet, path: "/users/{user_id}", tag: tagUsers, id: "getUser", summary: "Read an account",
			description: "Returns the account with its sessions, trusted devices, API keys, second factor and locks. Never a secret.",
			access:      operatorOnly, call: endpoint{run: adminGetUser}, status: http.StatusOK, success: "The account.", answers: []any{adminUserDetails{}},
			codes: []Code{CodeNotFound},
		},
		{
			method: http.MethodPatch, path: "/users/{user_id}", tag: tagUsers, id: "updateUser", summary: "Change an account",
			description: "Changes the email, the name, or whether the email is verified. Whoever reads the mail of an email can reset the password. Both emails get a notice.",
			access:      operatorOnly, call: withBody(adminUpdateUser), status: http.StatusOK, success: "The changed account.", answers: []any{adminUser{}},
			codes: []Code{CodeNotFound, CodeEmailTaken},
		},
		guarded(act("disable", "disableUser", "Disable a user", "Refuses every credential of the user, everywhere, at once.", "The user is disabled.", nil),
			withBody(adminGuardedAct("User disabled", h.manager.DisableUser)), true),
		act("enable", "enableUser", "Enable a user", "Lets a disabled user log in again. API keys work as before.", "The user is enabled.", adminAct("User enabled", enableUser)),
		act("unlock", "unlockUser", "Unlock a user", "Refills the budgets of wrong passwords and codes.", "The budgets are full.", adminAct("User unlocked", unlockUser)),
		act("reset-2fa", "resetTwoFactor", "Reset the second factor", "Turns the second factor off, ends every session and refills the budgets. Make sure that it is the user who asks.", "The second factor is off.", adminAct("Two-factor authentication reset", resetTwoFactor)),
		act("revoke-sessions", "revokeSessions", "End all sessions", "Ends every session of the user, at once.", "No session is left.", adminAct("Sessions revoked", revokeSessions)),
		act("send-reset", "sendReset", "Mail a reset", "Mails a token for reset-password to the email of the user.", "The mail is on its way.", adminSendReset, CodeForbidden, CodeRateLimited, CodeUnsupported),
		guarded(act("role", "setRole", "Give a role", "Gives the user a role, which the next request has.", "The user has the role.", nil), withBody(adminSetRole), false),
		guarded(act("delete", "deleteUser", "Delete a user", "Removes everything that the service has of the user. There is no undo.", "The user is deleted.", nil),
			withBody(adminGuardedAct("User deleted", h.manager.DeleteUser)), true),
		{
			method: http.MethodDelete, path: "/users/{user_id}/api-keys/{key_id}", tag: tagUsers, id: "revokeUserAPIKey", summary: "Revoke an API key",
			description: "Ends a key of the user, at once and for good.",
			access:      operatorOnly, call: endpoint{run: adminRevokeKey}, status: http.StatusOK, success: "The key is revoked.", answers: []any{success{}},
			codes: []Code{CodeNotFound},
		},
		{
			method: http.MethodGet, path: "/organizations", tag: tagOrganizations, id: "listOrganizations", summary: "List organizations",
			description: "Returns a page of all organizations, by the rules of the list of users.",
			access:      operatorOnly, call: withQuery(adminListOrganizations), status: http.StatusOK, success: "The organizations.", answers: []any{adminOrganizations{}},
			codes: []Code{CodeCursorGone, CodeUnsupported},
		},
		{
			method: http.MethodPost, path: "/revoke-all", tag: tagService, id: "revokeAll", summary: "End everything",
			description: "Ends all sessions, trusted devices and API keys of all users, as after the restore of a backup. If it fails, call it again.",
			access:      operatorOnly, call: withBody(adminRevokeAll), bodyOptional: true, long: true, status: http.StatusOK, success: "What was ended.", answers: []any{revokedAll{}},
			codes: []Code{CodeUnsupported},
		},
		{
			method: http.MethodGet, path: "/backup", tag: tagService, id: "getBackup", summary: "Copy the store",
			description: "Returns a copy of the store while it is in use. It is good only if the answer is whole: its last chunk is missing if the copy failed.",
			access:      operatorOnly, call: endpoint{run: adminBackup}, long: true, status: http.StatusOK, success: "The copy.", media: "application/octet-stream",
			codes: []Code{CodeUnsupported},
		},
		{
			method: http.MethodGet, path: "/doctor", tag: tagService, id: "getDoctor", summary: "Examine the service",
			description: "Looks at the running service and its store. A check that fails is no error.",
			access:      operatorOnly, call: endpoint{run: h.adminDoctor}, status: http.StatusOK, success: "The checks.", answers: []any{diagnosis{}},
		},
		{
			method: http.MethodGet, path: "/stats", tag: tagService, id: "getStats", summary: "Read numbers",
			description: "Returns numbers of this process.",
			access:      operatorOnly, call: endpoint{run: adminStats}, status: http.StatusOK, success: "The numbers.", answers: []any{adminNumbers{}},
		},
		{
			method: http.MethodGet, path: documentPath, tag: TagDocument, id: "getOpenAPI", summary: "Read this document",
			description: "Returns the OpenAPI 3.1 document of what is served.",
			access:      operatorOnly, call: endpoint{run: h.getDocument}, status: http.StatusOK, success: "This document.",
		},
	}
}
