package httpauth

import (
	"cmp"
	"encoding/json"
	"net/http"
	"reflect"
)

// An access says who may make a call. A route that says nothing is not public.
type access int

const (
	sessionOnly   access = iota // an access token
	anyCredential               // an access token or an API key
	anyone
	// unprovenToken is an access token that the endpoint itself gives to the
	// Manager: refreshing with a superseded one must get there, because it ends
	// the session that the token was stolen from.
	unprovenToken
)

// variable stands in a route's path for an identifier.
const variable = "{key_id}"

// A route is a row of the one table that requests are routed by, that the OpenAPI
// document is made of and that the tests walk.
type route struct {
	method, path string
	id           string // operationId
	summary      string
	access       access
	call         endpoint
	enrolment    bool // also for a session that can do nothing but set up a second factor
	bodyOptional bool
	challenges   bool // a login that is not fresh is answered with 401 and a challenge, not with 403
	status       int
	answers      []any  // a value of each type the call answers with; nil is the OpenAPI document
	codes        []Code // problems of its own, besides those that all such routes share
	media        string // of the answer; "" is jsonMedia
	cached       string // the Cache-Control of the answer; "" is noStore
}

const (
	jsonMedia = "application/json"
	noStore   = "no-store"
)

func (rt *route) mediaType() string { return cmp.Or(rt.media, jsonMedia) }

func (rt *route) contentType() string {
	if rt.media != "" {
		return rt.media
	}
	return jsonMedia + "; charset=utf-8"
}

func (rt *route) cacheControl() string { return cmp.Or(rt.cached, noStore) }

// An endpoint runs a call. It writes nothing: its answer is marshalled, its error
// becomes a problem.
type endpoint struct {
	in  reflect.Type // of the body; nil if it reads none
	run func(*call) (any, error)
}

// withBody makes an endpoint of a function that takes a body. Where the route's body
// is optional and was not sent, the function gets the zero In.
func withBody[In any](f func(*call, In) (any, error)) endpoint {
	return endpoint{reflect.TypeFor[In](), func(c *call) (any, error) {
		var in In
		if c.body != nil {
			if err := decode(c.body, &in); err != nil {
				return nil, err
			}
		}
		return f(c, in)
	}}
}

func table() []route {
	return []route{
		{
			method: http.MethodPost, path: "/register", id: "register",
			summary: "Create an account and its organization, with the account as the organization's first admin.",
			access:  anyone, call: withBody(register), status: http.StatusCreated, answers: []any{registration{}},
			codes: []Code{CodeInvalidInput, CodeWeakPassword, CodeEmailTaken, CodeRateLimited, CodeOverloaded},
		},
		{
			method: http.MethodPost, path: "/login", id: "login",
			summary: "Log in with email and password. With two-factor authentication on, the answer is a temp token for verify-2fa.",
			access:  anyone, call: withBody(login), status: http.StatusOK, answers: []any{session{}, secondStep{}},
			codes: []Code{CodeInvalidInput, CodeInvalidCredentials, CodeRateLimited, CodeOverloaded},
		},
		{
			method: http.MethodPost, path: "/verify-2fa", id: "verifyTwoFactor",
			summary: "Finish a login with a TOTP or backup code.",
			access:  anyone, call: withBody(verifyTwoFactor), status: http.StatusOK, answers: []any{session{}},
			codes: []Code{CodeInvalidInput, CodeInvalidToken, CodeInvalidCode, CodeRateLimited, CodeOverloaded},
		},
		{
			method: http.MethodPost, path: "/enable-2fa", id: "enableTwoFactor",
			summary: "Begin setting up two-factor authentication. Needs a fresh login or the password. What it answers is shown once.",
			access:  sessionOnly, enrolment: true, call: withBody(enableTwoFactor), bodyOptional: true, status: http.StatusOK, answers: []any{enrollment{}},
			codes: []Code{CodeInvalidInput, CodeInvalidCredentials, CodeReauthenticationRequired, CodeTwoFactorAlreadyEnabled, CodeRateLimited, CodeOverloaded},
		},
		{
			method: http.MethodPost, path: "/confirm-2fa", id: "confirmTwoFactor",
			summary: "Turn two-factor authentication on with a first TOTP code. Ends the user's other sessions.",
			access:  sessionOnly, enrolment: true, call: withBody(confirmTwoFactor), status: http.StatusOK, answers: []any{success{}},
			codes: []Code{CodeInvalidInput, CodeTwoFactorNotEnabled, CodeInvalidCode, CodeTwoFactorAlreadyEnabled, CodeRateLimited, CodeOverloaded},
		},
		{
			method: http.MethodPost, path: "/disable-2fa", id: "disableTwoFactor",
			summary: "Turn two-factor authentication off with the password and a TOTP or backup code. Ends the user's other sessions.",
			access:  sessionOnly, call: withBody(disableTwoFactor), status: http.StatusOK, answers: []any{success{}},
			codes: []Code{CodeInvalidInput, CodeTwoFactorNotEnabled, CodeInvalidCredentials, CodeRateLimited, CodeOverloaded},
		},
		{
			method: http.MethodPost, path: "/refresh", id: "refresh",
			summary: "Take a new access token for the same session. The old one stays good for a short grace.",
			access:  unprovenToken, call: endpoint{run: refresh}, status: http.StatusOK, answers: []any{accessToken{}},
		},
		{
			method: http.MethodPost, path: "/logout", id: "logout",
			summary: "End the session and every token of it.",
			access:  sessionOnly, enrolment: true, call: endpoint{run: logout}, status: http.StatusOK, answers: []any{success{}},
		},
		{
			method: http.MethodPost, path: "/api-keys", id: "createAPIKey",
			summary: "Create an API key. The key itself is shown once. Where the service asks for it, needs a fresh login or the password.",
			access:  sessionOnly, call: withBody(createAPIKey), status: http.StatusCreated, answers: []any{createdKey{}},
			codes: []Code{CodeInvalidInput, CodeInvalidCredentials, CodeReauthenticationRequired, CodeAPIKeyLimit, CodeRateLimited, CodeOverloaded},
		},
		{
			method: http.MethodGet, path: "/api-keys", id: "listAPIKeys",
			summary: "List the user's API keys.",
			access:  sessionOnly, call: endpoint{run: listAPIKeys}, status: http.StatusOK, answers: []any{keyList{}},
		},
		{
			method: http.MethodDelete, path: "/api-keys/" + variable, id: "revokeAPIKey",
			summary: "Revoke one of the user's API keys, at once and for good.",
			access:  sessionOnly, call: endpoint{run: revokeAPIKey}, status: http.StatusOK, answers: []any{success{}},
			codes: []Code{CodeNotFound},
		},
		{
			method: http.MethodGet, path: "/me", id: "getProfile",
			summary: "Read the profile of the credential's owner.",
			access:  anyCredential, enrolment: true, call: endpoint{run: getProfile}, status: http.StatusOK, answers: []any{profile{}},
		},
		{
			method: http.MethodPatch, path: "/me", id: "updateProfile",
			summary: "Change full name or email. A new email needs a fresh login or the current password, and with two-factor authentication on a code beside it.",
			access:  sessionOnly, call: withBody(updateProfile), challenges: true, status: http.StatusOK, answers: []any{profile{}},
			codes: []Code{CodeInvalidInput, CodeInvalidCredentials, CodeReauthenticationRequired, CodeEmailTaken, CodeRateLimited, CodeOverloaded},
		},
		{
			method: http.MethodPost, path: "/change-password", id: "changePassword",
			summary: "Change the password. Ends the user's other sessions.",
			access:  sessionOnly, call: withBody(changePassword), status: http.StatusOK, answers: []any{success{}},
			codes: []Code{CodeInvalidInput, CodeWeakPassword, CodeInvalidCredentials, CodeRateLimited, CodeOverloaded},
		},
		{
			method: http.MethodGet, path: "/.well-known/jwks.json", id: "getJWKS",
			summary: "Read the public keys that access tokens may be signed with (RFC 7517); none where they are HS256.",
			access:  anyone, call: endpoint{run: getJWKS}, status: http.StatusOK, answers: []any{keySet{}},
			media: "application/jwk-set+json", cached: "public, max-age=300",
		},
	}
}

// documentRoute serves the document that is made of the table, and that has this
// route in it too.
func documentRoute(document json.RawMessage) route {
	return route{
		method: http.MethodGet, path: "/openapi.json", id: "getOpenAPI",
		summary: "Read this document.",
		access:  anyone, call: endpoint{run: func(*call) (any, error) { return document, nil }}, status: http.StatusOK,
	}
}

// problems returns the codes that rt can answer with, shared ones included.
func (rt *route) problems() []Code {
	codes := []Code{CodeInternalError}
	if rt.access != anyone || rt.call.in != nil { // the others ask nobody
		codes = append(codes, CodeUnavailable)
	}
	if rt.call.in != nil {
		codes = append(codes, CodeInvalidJSON, CodeInvalidRequest, CodeRequestTimeout, CodeBodyTooLarge, CodeUnsupportedMediaType)
	}
	if rt.access != anyone {
		codes = append(codes, CodeInvalidRequest, CodeAuthenticationRequired, CodeInvalidToken, CodeTwoFactorSetupRequired)
	}
	if rt.access == sessionOnly || rt.access == unprovenToken {
		codes = append(codes, CodeForbidden)
	}
	return append(codes, rt.codes...)
}
