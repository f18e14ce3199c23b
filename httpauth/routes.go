package httpauth

import (
	"cmp"
	"fmt"
	"net/http"
	"reflect"
	"slices"

	"github.com/datixlab/auth"
)

// An access says which credentials may make a call. The zero value is not public.
type access int

const (
	sessionOnly   access = iota // an access token
	anyCredential               // an access token or an API key
	anyone
	// unprovenToken is an access token that the endpoint itself passes to the Manager. Refresh
	// and logout take tokens that open nothing any more.
	unprovenToken
	// operatorOnly is whoever the function of NewAdmin lets in. It is asked before the route is known.
	operatorOnly
)

// A Tag names a group of routes, in the OpenAPI document and in [Config].Without.
type Tag string

// The tags. Each may be left out: a route that is not served cannot be misused, and the
// Manager's methods do the same. Users with a second factor need TagLogin to log in, but not
// TagTwoFactor. Users whom auth.Config.TwoFactorPolicy binds need TagTwoFactor, or a page of
// yours, to set one up.
const (
	TagRegistration Tag = "Registration" // register
	TagLogin        Tag = "Login"        // login, verify-2fa, refresh, logout
	TagEmail        Tag = "Email"        // verify-email, resend-verification, confirm-email, me/pending-email; with auth.Config.Mailer
	TagSessions     Tag = "Sessions"     // sessions, logout-others
	TagTwoFactor    Tag = "Two-factor"   // enable-2fa, confirm-2fa, two-factor, backup-codes, disable-2fa; trusted-devices, with auth.Config.TrustedDevices
	TagAPIKeys      Tag = "API keys"     // api-keys
	TagAccount      Tag = "Account"      // me, change-password, me/export, delete-account
	TagOrganization Tag = "Organization" // organization, accept-invitation; register takes an invitation all the same
	TagRecovery     Tag = "Recovery"     // forgot-password, reset-password; with auth.Config.Mailer
	TagPublicKeys   Tag = "Public keys"  // .well-known/jwks.json
	TagDocument     Tag = "Document"     // openapi.json
)

// A tagInfo has what the document contains about a tag.
type tagInfo struct {
	tag         Tag
	description string
}

// tags are all tags, in the order of the document.
var tags = []tagInfo{
	{TagRegistration, "New accounts."},
	{TagLogin, "Sessions and their access tokens."},
	{TagEmail, "The proof that a user reads the mail of an address. These calls are there if the service sends mail."},
	{TagSessions, "Where the caller's user is logged in, and the end of it."},
	{TagTwoFactor, "The second factor: TOTP (RFC 6238) and backup codes."},
	{TagAPIKeys, "Long-lived credentials for programs."},
	{TagAccount, "The caller's own account."},
	{TagOrganization, "The organization of the caller, and its members."},
	{TagRecovery, "A forgotten password. These calls are there if the service sends mail."},
	{TagPublicKeys, "The keys with which other services verify access tokens."},
	{TagDocument, "This description of the API."},
}

// allTags returns the names of all tags.
func allTags() (all []Tag) {
	for _, t := range tags {
		all = append(all, t.tag)
	}
	return all
}

// A route is a row of the one table of routes. Requests are routed by it, the OpenAPI document
// is made from it, and the tests go through it.
type route struct {
	method, path string // a segment {name} of the path is a variable, which stands for an identifier
	tag          Tag
	id           string // operationId
	summary      string // 2 to 4 words
	description  string
	access       access
	call         endpoint
	part         func(*auth.Manager) bool // whether what it is about is configured; nil is always
	enrolment    bool                     // also for a session that can do nothing but set up a second factor
	bodyOptional bool
	challenges   bool // a login that is not fresh is answered with 401 and a challenge, not with 403
	status       int
	success      string   // what the answer with that status is
	answers      []any    // a value of each type the call answers with, the usual one first; nil is the OpenAPI document
	codes        []Code   // problems of its own, besides those that all such routes share
	media        string   // of the answer; "" is jsonMedia
	cookies      string   // what the cookies of the answer do, for the document; "" if it never has one
	schemes      []string // of the document, where access does not name the credential
	long         bool     // it may take longer than the server gives an answer
	ownOrigin    bool     // only a page of the same origin may make it, by a browser
	public       bool     // the answer is the same for everybody: it may be cached, has an ETag, and any page may read it

	variables []string // the names in path, set by newRouting
}

const (
	jsonMedia = "application/json"
	noStore   = "no-store"
)

func (rt *route) mediaType() string { return cmp.Or(rt.media, jsonMedia) }

func (rt *route) contentType() []string {
	if rt.media != "" {
		return []string{rt.media}
	}
	return contentJSON
}

func (rt *route) cacheControl() []string {
	if rt.public {
		return publiclyCached
	}
	return notStored
}

// An endpoint runs a call. It writes nothing: its answer is marshalled, its error
// becomes a problem.
type endpoint struct {
	body  reflect.Type // nil if it reads none
	query reflect.Type // nil if it has no parameters
	run   func(*call) (any, error)
}

// withBody returns the endpoint of a function that takes a body. If the route's body is
// optional and was not sent, the function gets the zero Body.
func withBody[Body any](f func(*call, Body) (any, error)) endpoint {
	return endpoint{body: reflect.TypeFor[Body](), run: func(c *call) (any, error) {
		var in Body
		if c.body != nil {
			if err := decode(c.body, &in); err != nil {
				return nil, withFaultsOf(in, c, err)
			}
		}
		return f(c, in)
	}}
}

// served returns those of all routes whose group is not left out and whose part is
// configured. The error names a tag that does not exist.
func served(all []route, m *auth.Manager, without []Tag) ([]route, error) {
	for _, t := range without {
		if !slices.ContainsFunc(all, func(rt route) bool { return rt.tag == t }) {
			return nil, fmt.Errorf("httpauth: Without: there is no tag %q, the tags are %q", t, allTags())
		}
	}
	return slices.DeleteFunc(all, func(rt route) bool {
		return slices.Contains(without, rt.tag) || rt.part != nil && !rt.part(m)
	}), nil
}

// table returns every route, in the order of the document: as a user needs them, from the
// registration on.
func (h *Handler) table() []route {
	registering := []Code{CodeWeakPassword, CodeEmailTaken, CodeRateLimited, CodeOverloaded}
	if h.manager.RegistrationOpen() {
		registering = append(registering, CodeInvalidOneTimeToken)
	} else {
		registering = append(registering, CodeRegistrationClosed)
	}
	loggingIn := []Code{CodeInvalidCredentials, CodeRateLimited, CodeOverloaded}
	verifying := []Code{CodeInvalidToken, CodeInvalidCode, CodeRateLimited, CodeOverloaded}
	if h.manager.RequiresVerifiedEmail() {
		loggingIn, verifying = append(loggingIn, CodeEmailNotVerified), append(verifying, CodeEmailNotVerified)
	}
	mail, trust := (*auth.Manager).SendsMail, (*auth.Manager).TrustsDevices
	loginCall, verifyCall, loggedIn := withBody(login), withBody(verifyTwoFactor), any(session{})
	if h.manager.TrustsDevices() {
		loginCall, verifyCall, loggedIn = withBody(loginOnDevice), withBody(verifyAndTrust), sessionOnDevice{}
	}
	refreshCall, refreshed, halfway := endpoint{run: refresh}, any(accessToken{}), any(secondStep{})
	step, code := "the answer is a temp token for verify-2fa", "Takes the temp token of a login with a TOTP code or a backup code."
	var setSession, setStep, cleared string
	var halfwayIn []string
	if h.names != nil {
		step, code = "a cookie begins the second step, for verify-2fa", "Takes the cookie of the second step with a TOTP code or a backup code."
		setSession, cleared = "Sets the cookie of the session.", "Clears the cookies of the session and of the second step, unless a header has the credential."
		setStep, halfwayIn = "Sets the cookie of the session, or that of the second step.", []string{schemeSecondStep}
		loginCall, verifyCall, loggedIn = withBody(loginInBrowser), withBody(verifyInBrowser), browserSession{}
		refreshCall, refreshed, halfway = endpoint{run: refreshInBrowser}, browserToken{}, browserStep{}
		if h.manager.TrustsDevices() {
			verifyCall = withBody(verifyAndTrustInBrowser)
		}
	}
	return []route{
		{
			method: http.MethodPost, path: "/register", tag: TagRegistration, id: "register", summary: "Register",
			description: "Creates an account and its organization, with the account as the organization's first admin. With an invitation the account joins that organization, with the invited role. The email is the invited one, and is verified if the token was mailed.",
			access:      anyone, call: withBody(register), status: http.StatusCreated, success: "The account.", answers: []any{registration{}},
			codes: registering,
		},
		{
			method: http.MethodPost, path: "/login", tag: TagLogin, id: "login", summary: "Log in",
			description: "Checks email and password. If two-factor authentication is on, " + step + ".",
			access:      anyone, call: loginCall, status: http.StatusOK, success: "A session, or the second step.", answers: []any{loggedIn, halfway},
			codes: loggingIn, cookies: setStep,
		},
		{
			method: http.MethodPost, path: "/verify-2fa", tag: TagLogin, id: "verifyTwoFactor", summary: "Finish a login",
			description: code,
			access:      anyone, call: verifyCall, status: http.StatusOK, success: "A session.", answers: []any{loggedIn},
			codes: verifying, cookies: setSession, schemes: halfwayIn,
		},
		{
			method: http.MethodPost, path: "/refresh", tag: TagLogin, id: "refresh", summary: "Refresh the token",
			description: "Returns a new access token of the same session. The old one stays valid for a short grace. If the answer was lost, send the same token again.",
			access:      unprovenToken, call: refreshCall, status: http.StatusOK, success: "The new access token.", answers: []any{refreshed},
			cookies: setSession,
		},
		{
			method: http.MethodPost, path: "/verify-email", tag: TagEmail, id: "verifyEmail", summary: "Verify an email",
			description: "Takes the token of the mail that a registration sends. The address of its account is verified then. No session begins or ends.",
			access:      anyone, part: mail, call: withBody(verifyEmail), status: http.StatusOK, success: "The email is verified.", answers: []any{success{}},
			codes: []Code{CodeInvalidOneTimeToken, CodeRateLimited},
		},
		{
			method: http.MethodPost, path: "/resend-verification", tag: TagEmail, id: "resendVerification", summary: "Resend the verification",
			description: "Sends the mail for verify-email again, if the address has an account and is not verified. The answer is the same for every address.",
			access:      anyone, part: mail, call: withBody(resendVerification), status: http.StatusAccepted, success: "The request is accepted, whoever has the address.", answers: []any{success{}},
			codes: []Code{CodeRateLimited},
		},
		{
			method: http.MethodGet, path: "/sessions", tag: TagSessions, id: "listSessions", summary: "List the sessions",
			description: "Returns the user's sessions that open something or can be refreshed, the newest login first. Never a token.",
			access:      sessionOnly, call: endpoint{run: listSessions}, status: http.StatusOK, success: "The sessions.", answers: []any{sessionList{}},
		},
		{
			method: http.MethodDelete, path: "/sessions/{session_id}", tag: TagSessions, id: "endSession", summary: "End a session",
			description: "Ends one of the user's sessions and every token of it, at once. It may be the session of the call itself.",
			access:      sessionOnly, call: endpoint{run: endSession}, status: http.StatusOK, success: "The session is over.", answers: []any{success{}},
			codes: []Code{CodeNotFound},
		},
		{
			method: http.MethodPost, path: "/logout-others", tag: TagSessions, id: "logoutOthers", summary: "Log out elsewhere",
			description: "Ends all other sessions of the user, logins that wait for their second step, and the trust in devices. The session of the call goes on.",
			access:      sessionOnly, call: endpoint{run: logoutOthers}, status: http.StatusOK, success: "The other sessions are over.", answers: []any{endedOthers{}},
		},
		{
			method: http.MethodGet, path: "/me", tag: TagAccount, id: "getProfile", summary: "Read the profile",
			description: "Returns the profile of the credential's owner. An API key is enough.",
			access:      anyCredential, enrolment: true, call: endpoint{run: getProfile}, status: http.StatusOK, success: "The profile.", answers: []any{profile{}},
		},
		{
			method: http.MethodPatch, path: "/me", tag: TagAccount, id: "updateProfile", summary: "Change the profile",
			description: "Changes the full name, the email, or both. A new email needs a fresh login, or the current password. With two-factor authentication on, the password needs a code too. A service that confirms emails sends a mail to the new one, and the old one stays until confirm-email.",
			access:      sessionOnly, call: withBody(updateProfile), challenges: true, status: http.StatusOK, success: "The changed profile.", answers: []any{profile{}},
			codes: []Code{CodeInvalidCredentials, CodeReauthenticationRequired, CodeEmailTaken, CodeRateLimited, CodeOverloaded},
		},
		{
			method: http.MethodPost, path: "/confirm-email", tag: TagEmail, id: "confirmEmail", summary: "Confirm a new email",
			description: "Takes the token of the mail that went to the new address of PATCH /me. The account has that address then. Ends the user's other sessions.",
			access:      sessionOnly, part: mail, call: withBody(confirmEmail), status: http.StatusOK, success: "The email is changed.", answers: []any{success{}},
			codes: []Code{CodeInvalidOneTimeToken, CodeEmailTaken, CodeRateLimited},
		},
		{
			method: http.MethodDelete, path: "/me/pending-email", tag: TagEmail, id: "cancelEmailChange", summary: "Cancel a new email",
			description: "Ends the wait for confirm-email. The tokens of its mails are void.",
			access:      sessionOnly, part: mail, call: endpoint{run: cancelEmailChange}, status: http.StatusOK, success: "No email waits to be confirmed.", answers: []any{success{}},
			codes: []Code{CodeNotFound},
		},
		{
			method: http.MethodPost, path: "/api-keys", tag: TagAPIKeys, id: "createAPIKey", summary: "Create an API key",
			description: "The key itself is shown in this answer only. The service may ask for a fresh login, or the password. With two-factor authentication on, the password needs a code too.",
			access:      sessionOnly, call: withBody(createAPIKey), status: http.StatusCreated, success: "The new API key.", answers: []any{createdKey{}},
			codes: []Code{CodeInvalidCredentials, CodeReauthenticationRequired, CodeAPIKeyLimit, CodeRateLimited, CodeOverloaded},
		},
		{
			method: http.MethodGet, path: "/api-keys", tag: TagAPIKeys, id: "listAPIKeys", summary: "List the API keys",
			description: "Returns the user's keys, without their secrets.",
			access:      sessionOnly, call: endpoint{run: listAPIKeys}, status: http.StatusOK, success: "The API keys.", answers: []any{keyList{}},
		},
		{
			method: http.MethodGet, path: "/api-keys/{key_id}/usage", tag: TagAPIKeys, id: "getAPIKeyUsage", summary: "Read a key's usage",
			description: "Returns when, how often and from which networks the key was used. A use shows within seconds.",
			access:      sessionOnly, call: endpoint{run: getAPIKeyUsage}, status: http.StatusOK, success: "The usage.", answers: []any{keyUsage{}},
			codes: []Code{CodeNotFound},
		},
		{
			method: http.MethodPost, path: "/api-keys/{key_id}/rotate", tag: TagAPIKeys, id: "rotateAPIKey", summary: "Rotate an API key",
			description: "Makes a key with the name, scopes and lifetime of the old one, which works on for the overlap. Meanwhile answers to the old key have the headers Deprecation (RFC 9745) and Sunset (RFC 8594). The key itself is shown in this answer only.",
			access:      sessionOnly, call: withBody(rotateAPIKey), bodyOptional: true, status: http.StatusCreated, success: "The new API key.", answers: []any{rotatedKey{}},
			codes: []Code{CodeInvalidCredentials, CodeReauthenticationRequired, CodeAPIKeyLimit, CodeNotFound, CodeAPIKeyNotActive, CodeRateLimited, CodeOverloaded},
		},
		{
			method: http.MethodPatch, path: "/api-keys/{key_id}", tag: TagAPIKeys, id: "updateAPIKey", summary: "Change an API key",
			description: "Changes the name, the description, or whether the key is enabled. A disabled key is refused as a revoked one is. To enable one, the service may ask for a fresh login, or the password. With two-factor authentication on, the password needs a code too.",
			access:      sessionOnly, call: withBody(updateAPIKey), status: http.StatusOK, success: "The changed key.", answers: []any{listedKey{}},
			codes: []Code{CodeInvalidCredentials, CodeReauthenticationRequired, CodeNotFound, CodeRateLimited, CodeOverloaded},
		},
		{
			method: http.MethodDelete, path: "/api-keys/{key_id}", tag: TagAPIKeys, id: "revokeAPIKey", summary: "Revoke an API key",
			description: "Ends one of the user's keys, at once and for good.",
			access:      sessionOnly, call: endpoint{run: revokeAPIKey}, status: http.StatusOK, success: "The key is revoked.", answers: []any{success{}},
			codes: []Code{CodeNotFound},
		},
		{
			method: http.MethodPost, path: "/enable-2fa", tag: TagTwoFactor, id: "enableTwoFactor", summary: "Set up two-factor",
			description: "Begins to set up two-factor authentication; confirm-2fa turns it on. Needs a fresh login or the password. The answer is shown once.",
			access:      sessionOnly, enrolment: true, call: withBody(enableTwoFactor), bodyOptional: true, status: http.StatusOK, success: "What an authenticator needs, and the backup codes.", answers: []any{enrollment{}},
			codes: []Code{CodeInvalidCredentials, CodeReauthenticationRequired, CodeTwoFactorAlreadyEnabled, CodeRateLimited, CodeOverloaded},
		},
		{
			method: http.MethodPost, path: "/confirm-2fa", tag: TagTwoFactor, id: "confirmTwoFactor", summary: "Turn two-factor on",
			description: "Takes a first TOTP code. Ends the user's other sessions.",
			access:      sessionOnly, enrolment: true, call: withBody(confirmTwoFactor), status: http.StatusOK, success: "Two-factor authentication is on.", answers: []any{success{}},
			codes: []Code{CodeTwoFactorNotEnabled, CodeInvalidCode, CodeTwoFactorAlreadyEnabled, CodeRateLimited, CodeOverloaded},
		},
		{
			method: http.MethodGet, path: "/two-factor", tag: TagTwoFactor, id: "getTwoFactor", summary: "Read the two-factor state",
			description: "Says whether two-factor authentication is on, how many backup codes are left, and whether the service demands it of the user.",
			access:      sessionOnly, enrolment: true, call: endpoint{run: getTwoFactor}, status: http.StatusOK, success: "The state of the second factor.", answers: []any{twoFactorStatus{}},
		},
		{
			method: http.MethodPost, path: "/backup-codes", tag: TagTwoFactor, id: "replaceBackupCodes", summary: "Replace the backup codes",
			description: "Takes the password with a TOTP code or a backup code, however fresh the login is. The old backup codes are void. The new ones are shown once.",
			access:      sessionOnly, call: withBody(replaceBackupCodes), challenges: true, status: http.StatusOK, success: "The new backup codes.", answers: []any{newBackupCodes{}},
			codes: []Code{CodeTwoFactorNotEnabled, CodeInvalidCredentials, CodeReauthenticationRequired, CodeRateLimited, CodeOverloaded},
		},
		{
			method: http.MethodPost, path: "/disable-2fa", tag: TagTwoFactor, id: "disableTwoFactor", summary: "Turn two-factor off",
			description: "Takes the password with a TOTP code or a backup code. Ends the user's other sessions.",
			access:      sessionOnly, call: withBody(disableTwoFactor), challenges: true, status: http.StatusOK, success: "Two-factor authentication is off.", answers: []any{success{}},
			codes: []Code{CodeTwoFactorNotEnabled, CodeInvalidCredentials, CodeReauthenticationRequired, CodeRateLimited, CodeOverloaded},
		},
		{
			method: http.MethodGet, path: "/trusted-devices", tag: TagTwoFactor, id: "listTrustedDevices", summary: "List trusted devices",
			description: "Returns the devices on which a login of the user needs no code, the latest first. Never a token. A new password, another second factor, a confirmed email and logout-others end the trust in all of them.",
			access:      sessionOnly, part: trust, call: endpoint{run: listTrustedDevices}, status: http.StatusOK, success: "The devices.", answers: []any{deviceList{}},
		},
		{
			method: http.MethodDelete, path: "/trusted-devices/{device_id}", tag: TagTwoFactor, id: "removeTrustedDevice", summary: "Remove a trusted device",
			description: "Ends the trust in a device, at once. The next login there needs a code. Its sessions go on.",
			access:      sessionOnly, part: trust, call: endpoint{run: removeTrustedDevice}, status: http.StatusOK, success: "The device is trusted no longer.", answers: []any{success{}},
			codes: []Code{CodeNotFound},
		},
		{
			method: http.MethodPost, path: "/change-password", tag: TagAccount, id: "changePassword", summary: "Change the password",
			description: "Takes the current password and the new one, or sets the first. Ends the user's other sessions.",
			access:      sessionOnly, call: withBody(changePassword), challenges: true, status: http.StatusOK, success: "The password is changed.", answers: []any{success{}},
			codes: []Code{CodeWeakPassword, CodeInvalidCredentials, CodeReauthenticationRequired, CodeRateLimited, CodeOverloaded},
		},
		{
			method: http.MethodPost, path: "/me/export", tag: TagAccount, id: "exportAccount", summary: "Export one's data",
			description: "Returns what the service has of the user, without any secret. Needs a fresh login, or the password. With two-factor authentication on, the password needs a code too.",
			access:      sessionOnly, call: withBody(exportAccount), bodyOptional: true, challenges: true, status: http.StatusOK, success: "The user's data.", answers: []any{export{}},
			codes: []Code{CodeInvalidCredentials, CodeReauthenticationRequired, CodeRateLimited, CodeOverloaded},
		},
		{
			method: http.MethodGet, path: "/organization", tag: TagOrganization, id: "getOrganization", summary: "Read the organization",
			description: "Returns the organization of the user, and how many members it has.",
			access:      sessionOnly, call: endpoint{run: getOrganization}, status: http.StatusOK, success: "The organization.", answers: []any{organization{}},
		},
		{
			method: http.MethodPatch, path: "/organization", tag: TagOrganization, id: "updateOrganization", summary: "Rename the organization",
			description: "For admins: changes the name.",
			access:      sessionOnly, call: withBody(updateOrganization), status: http.StatusOK, success: "The organization.", answers: []any{organization{}},
			codes: []Code{CodeRateLimited},
		},
		{
			method: http.MethodGet, path: "/organization/members", tag: TagOrganization, id: "listMembers", summary: "List the members",
			description: "Returns the members of the user's organization by pages, in a fixed order. Admins also see who has a second factor and who is disabled.",
			access:      sessionOnly, call: withQuery(listMembers), status: http.StatusOK, success: "A page of members.", answers: []any{memberList{}},
		},
		{
			method: http.MethodPatch, path: "/organization/members/{user_id}", tag: TagOrganization, id: "updateMember", summary: "Change a role",
			description: "For admins: gives a member a role, none above the admin's own. Needs a fresh login, or the password. With two-factor authentication on, the password needs a code too. The next request of the member has the role.",
			access:      sessionOnly, call: withBody(updateMember), challenges: true, status: http.StatusOK, success: "The member.", answers: []any{listedMember{}},
			codes: []Code{CodeInvalidCredentials, CodeReauthenticationRequired, CodeNotFound, CodeLastAdmin, CodeRateLimited, CodeOverloaded},
		},
		{
			method: http.MethodPost, path: "/organization/members/{user_id}/remove", tag: TagOrganization, id: "removeMember", summary: "Remove a member",
			description: "For admins: ends a membership, and the member's sessions and API keys with it. Needs what a change of a role needs. The account goes on in an organization of its own. Where nobody can register, it is disabled.",
			access:      sessionOnly, call: withBody(removeMember), bodyOptional: true, challenges: true, status: http.StatusOK, success: "The member is removed.", answers: []any{success{}},
			codes: []Code{CodeInvalidCredentials, CodeReauthenticationRequired, CodeNotFound, CodeLastAdmin, CodeRateLimited, CodeOverloaded},
		},
		{
			method: http.MethodPost, path: "/organization/invitations", tag: TagOrganization, id: "invite", summary: "Invite somebody",
			description: "For admins: invites an email into the organization for 7 days, with a role that is not above the admin's own. A new invitation replaces that for the same email. The token goes there by mail. A service without mail returns it, once.",
			access:      sessionOnly, call: withBody(invite), status: http.StatusCreated, success: "The invitation.", answers: []any{createdInvitation{}},
			codes: []Code{CodeAlreadyMember, CodeInvitationLimit, CodeRateLimited},
		},
		{
			method: http.MethodGet, path: "/organization/invitations", tag: TagOrganization, id: "listInvitations", summary: "List the invitations",
			description: "For admins: returns the invitations that wait, the newest first. Never a token.",
			access:      sessionOnly, call: endpoint{run: listInvitations}, status: http.StatusOK, success: "The invitations.", answers: []any{invitationList{}},
		},
		{
			method: http.MethodDelete, path: "/organization/invitations/{invitation_id}", tag: TagOrganization, id: "revokeInvitation", summary: "Revoke an invitation",
			description: "For admins: ends an invitation, at once. Nobody has joined by it, and nobody will.",
			access:      sessionOnly, call: endpoint{run: revokeInvitation}, status: http.StatusOK, success: "The invitation is over.", answers: []any{success{}},
			codes: []Code{CodeNotFound, CodeRateLimited},
		},
		{
			method: http.MethodPost, path: "/accept-invitation", tag: TagOrganization, id: "acceptInvitation", summary: "Accept an invitation",
			description: "Moves the user to the organization of an invitation to their email, with the invited role. Only a user who is alone in an organization can move; that one ends. Ends the other sessions and the API keys. Needs a fresh login, or the password. With two-factor authentication on, the password needs a code too.",
			access:      sessionOnly, call: withBody(acceptInvitation), challenges: true, status: http.StatusOK, success: "The profile.", answers: []any{profile{}},
			codes: []Code{CodeInvalidOneTimeToken, CodeInvalidCredentials, CodeReauthenticationRequired, CodeOrganizationNotEmpty, CodeRateLimited, CodeOverloaded},
		},
		{
			method: http.MethodPost, path: "/organization/leave", tag: TagOrganization, id: "leaveOrganization", summary: "Leave the organization",
			description: "Ends the user's own membership, with the other sessions and the API keys. The session of the call goes on, in an organization of its own. Where nobody can register, the account is disabled. Needs a fresh login, or the password. With two-factor authentication on, the password needs a code too.",
			access:      sessionOnly, call: withBody(leaveOrganization), bodyOptional: true, challenges: true, status: http.StatusOK, success: "The user has left.", answers: []any{success{}},
			codes: []Code{CodeInvalidCredentials, CodeReauthenticationRequired, CodeLastAdmin, CodeRateLimited, CodeOverloaded},
		},
		{
			method: http.MethodPost, path: "/logout", tag: TagLogin, id: "logout", summary: "Log out",
			description: "Ends the session and every token of it. Takes any token that the session ever had, also one that expired or was refreshed.",
			access:      unprovenToken, call: h.ending(endpoint{run: logout}), status: http.StatusOK, success: "The session is over.", answers: []any{success{}},
			cookies: cleared,
		},
		{
			method: http.MethodPost, path: "/forgot-password", tag: TagRecovery, id: "forgotPassword", summary: "Ask for a reset",
			description: "Sends a mail with a token for reset-password, if the address has an account. The answer is the same for every address.",
			access:      anyone, part: mail, call: withBody(forgotPassword), status: http.StatusAccepted, success: "The request is accepted, whoever has the address.", answers: []any{success{}},
			codes: []Code{CodeRateLimited},
		},
		{
			method: http.MethodPost, path: "/reset-password", tag: TagRecovery, id: "resetPassword", summary: "Set a new password",
			description: "Takes the token of the mail and a new password. Ends every session of the user. A second factor stays on: the next login asks for it.",
			access:      anyone, part: mail, call: withBody(resetPassword), status: http.StatusOK, success: "The password is changed.", answers: []any{success{}},
			codes: []Code{CodeWeakPassword, CodeInvalidOneTimeToken, CodeRateLimited, CodeOverloaded},
		},
		{
			method: http.MethodPost, path: "/delete-account", tag: TagAccount, id: "deleteAccount", summary: "Delete the account",
			description: "Takes the password and, with two-factor authentication on, a code, however fresh the login is. Everything that the service has of the user is removed. There is no undo.",
			access:      sessionOnly, call: h.ending(withBody(deleteAccount)), bodyOptional: true, challenges: true, status: http.StatusOK, success: "The account is deleted.", answers: []any{success{}},
			codes: []Code{CodeInvalidCredentials, CodeReauthenticationRequired, CodeLastAdmin, CodeRateLimited, CodeOverloaded}, cookies: cleared,
		},
		{
			method: http.MethodGet, path: "/.well-known/jwks.json", tag: TagPublicKeys, id: "getJWKS", summary: "Read the public keys",
			description: "Returns the keys that access tokens may be signed with (RFC 7517). The set is empty if tokens are HS256.",
			access:      anyone, call: endpoint{run: h.getJWKS}, status: http.StatusOK, success: "The key set.", answers: []any{keySet{}},
			media: "application/jwk-set+json", public: true,
		},
		{
			method: http.MethodGet, path: documentPath, tag: TagDocument, id: "getOpenAPI", summary: "Read this document",
			description: "Returns the OpenAPI 3.1 document of what is served.",
			access:      anyone, call: endpoint{run: h.getDocument}, status: http.StatusOK, success: "This document.",
			public: true,
		},
	}
}

// problems returns the codes of all refusals of rt, shared ones included.
func (rt *route) problems() []Code {
	var codes []Code
	if rt.call.body != nil {
		codes = append(codes, CodeInvalidJSON)
	}
	if rt.access != anyone || rt.call.body != nil || rt.call.query != nil {
		codes = append(codes, CodeInvalidRequest)
	}
	if rt.call.body != nil || rt.call.query != nil {
		codes = append(codes, CodeInvalidInput)
	}
	switch rt.access {
	case operatorOnly:
		codes = append(codes, CodeAuthenticationRequired, CodeInvalidToken)
	case sessionOnly, anyCredential, unprovenToken:
		codes = append(codes, CodeAuthenticationRequired, CodeInvalidToken, CodeTwoFactorSetupRequired)
	}
	if rt.ownOrigin || rt.access != anyone && rt.access != anyCredential {
		codes = append(codes, CodeForbidden)
	}
	codes = append(codes, rt.codes...)
	if rt.call.body != nil {
		codes = append(codes, CodeRequestTimeout, CodeBodyTooLarge, CodeUnsupportedMediaType)
	}
	codes = append(codes, CodeInternalError)
	if rt.access != anyone || rt.call.body != nil { // the others ask nobody
		codes = append(codes, CodeUnavailable)
	}
	return codes
}
