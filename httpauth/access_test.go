package httpauth_test

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/httpauth"
)

// accessTable says which caller may call what: a line for every mounted route and every rule of a
// program's route, a column for every kind of principal. The words are those of verdicts
// and principals below. Whatever is refused writes nothing, but for "end".
const accessTable = `
                          | nobody | two  | temp | live | old  | mfa  | enr  | due  | sup  | out  | rev  | exp  | off  | del  | key  | kexp | krev | koff | kdel | kdue | str  | col  | strk | colk | ksco | koth
POST /register            | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok | ok   | ok
POST /login               | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok | ok   | ok
POST /verify-2fa          | tok  | tok  | ok   | tok  | tok  | tok  | tok  | tok  | tok  | tok  | tok  | tok  | tok  | tok  | tok  | tok  | tok  | tok  | tok  | tok  | tok  | tok  | tok  | tok | tok  | tok
GET /openapi.json         | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok | ok   | ok
GET /.well-known/jwks.json| ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok | ok   | ok
GET /me                   | none | 400  | tok  | ok   | ok   | ok   | ok   | ok   | tok  | tok  | tok  | tok  | tok  | tok  | ok   | tok  | tok  | tok  | tok  | 2fa  | ok   | ok   | ok   | ok | ok   | ok
PATCH /me                 | none | 400  | tok  | ok   | ok   | ok   | ok   | 2fa  | tok  | tok  | tok  | tok  | tok  | tok  | no   | tok  | tok  | tok  | tok  | 2fa  | ok   | ok   | no   | no | no   | no
PATCH /me (email)         | none | 400  | tok  | ok   | step | ok   | ok   | 2fa  | tok  | tok  | tok  | tok  | tok  | tok  | no   | tok  | tok  | tok  | tok  | 2fa  | ok   | ok   | no   | no | no   | no
POST /change-password     | none | 400  | tok  | ok   | ok   | ok   | ok   | 2fa  | tok  | tok  | tok  | tok  | tok  | tok  | no   | tok  | tok  | tok  | tok  | 2fa  | ok   | ok   | no   | no | no   | no
POST /delete-account      | none | 400  | tok  | ok   | ok   | ok   | ok   | 2fa  | tok  | tok  | tok  | tok  | tok  | tok  | no   | tok  | tok  | tok  | tok  | 2fa  | ok   | ok   | no   | no | no   | no
POST /me/export           | none | 400  | tok  | ok   | step | ok   | ok   | 2fa  | tok  | tok  | tok  | tok  | tok  | tok  | no   | tok  | tok  | tok  | tok  | 2fa  | ok   | ok   | no   | no | no   | no
POST /enable-2fa          | none | 400  | tok  | ok   | auth | on   | on   | ok   | tok  | tok  | tok  | tok  | tok  | tok  | no   | tok  | tok  | tok  | tok  | 2fa  | ok   | ok   | no   | no | no   | no
POST /confirm-2fa         | none | 400  | tok  | no2f | no2f | on   | on   | no2f | tok  | tok  | tok  | tok  | tok  | tok  | no   | tok  | tok  | tok  | tok  | 2fa  | no2f | no2f | no   | no | no   | no
GET /two-factor           | none | 400  | tok  | ok   | ok   | ok   | ok   | ok   | tok  | tok  | tok  | tok  | tok  | tok  | no   | tok  | tok  | tok  | tok  | 2fa  | ok   | ok   | no   | no | no   | no
POST /backup-codes        | none | 400  | tok  | no2f | no2f | ok   | ok   | 2fa  | tok  | tok  | tok  | tok  | tok  | tok  | no   | tok  | tok  | tok  | tok  | 2fa  | no2f | no2f | no   | no | no   | no
POST /disable-2fa         | none | 400  | tok  | no2f | no2f | ok   | ok   | 2fa  | tok  | tok  | tok  | tok  | tok  | tok  | no   | tok  | tok  | tok  | tok  | 2fa  | no2f | no2f | no   | no | no   | no
POST /refresh             | none | 400  | tok  | ok   | ok   | ok   | ok   | ok   | end  | tok  | tok  | tok  | tok  | tok  | no   | tok  | tok  | tok  | tok  | 2fa  | ok   | ok   | no   | no | no   | no
POST /logout              | none | 400  | tok  | ok   | ok   | ok   | ok   | ok   | ok   | tok  | tok  | ok   | tok  | tok  | no   | tok  | tok  | tok  | tok  | 2fa  | ok   | ok   | no   | no | no   | no
POST /api-keys            | none | 400  | tok  | ok   | ok   | ok   | ok   | 2fa  | tok  | tok  | tok  | tok  | tok  | tok  | no   | tok  | tok  | tok  | tok  | 2fa  | ok   | ok   | no   | no | no   | no
POST /api-keys (input)    | none | 400  | tok  | in   | in   | in   | in   | 2fa  | tok  | tok  | tok  | tok  | tok  | tok  | no   | tok  | tok  | tok  | tok  | 2fa  | in   | in   | no   | no | no   | no
GET /api-keys             | none | 400  | tok  | ok   | ok   | ok   | ok   | 2fa  | tok  | tok  | tok  | tok  | tok  | tok  | no   | tok  | tok  | tok  | tok  | 2fa  | ok   | ok   | no   | no | no   | no
DELETE /api-keys/{key_id} | none | 400  | tok  | ok   | ok   | ok   | ok   | 2fa  | tok  | tok  | tok  | tok  | tok  | tok  | no   | tok  | tok  | tok  | tok  | 2fa  | 404  | 404  | no   | no | no   | no
PATCH /api-keys/{key_id} | none | 400  | tok  | ok   | ok   | ok   | ok   | 2fa  | tok  | tok  | tok  | tok  | tok  | tok  | no   | tok  | tok  | tok  | tok  | 2fa  | 404  | 404  | no   | no | no   | no
POST /api-keys/{key_id}/rotate | none | 400  | tok  | ok   | ok   | ok   | ok   | 2fa  | tok  | tok  | tok  | tok  | tok  | tok  | no   | tok  | tok  | tok  | tok  | 2fa  | 404  | 404  | no   | no | no   | no
GET /api-keys/{key_id}/usage | none | 400  | tok  | ok   | ok   | ok   | ok   | 2fa  | tok  | tok  | tok  | tok  | tok  | tok  | no   | tok  | tok  | tok  | tok  | 2fa  | 404  | 404  | no   | no | no   | no
GET /sessions             | none | 400  | tok  | ok   | ok   | ok   | ok   | 2fa  | tok  | tok  | tok  | tok  | tok  | tok  | no   | tok  | tok  | tok  | tok  | 2fa  | ok   | ok   | no   | no | no   | no
DELETE /sessions/{session_id} | none | 400  | tok  | ok   | ok   | ok   | ok   | 2fa  | tok  | tok  | tok  | tok  | tok  | tok  | no   | tok  | tok  | tok  | tok  | 2fa  | 404  | 404  | no   | no | no   | no
POST /logout-others       | none | 400  | tok  | ok   | ok   | ok   | ok   | 2fa  | tok  | tok  | tok  | tok  | tok  | tok  | no   | tok  | tok  | tok  | tok  | 2fa  | ok   | ok   | no   | no | no   | no
GET /trusted-devices      | none | 400  | tok  | ok   | ok   | ok   | ok   | 2fa  | tok  | tok  | tok  | tok  | tok  | tok  | no   | tok  | tok  | tok  | tok  | 2fa  | ok   | ok   | no   | no | no   | no
DELETE /trusted-devices/{device_id} | none | 400  | tok  | 404  | 404  | 404  | 404  | 2fa  | tok  | tok  | tok  | tok  | tok  | tok  | no   | tok  | tok  | tok  | tok  | 2fa  | 404  | 404  | no   | no | no   | no
GET /organization         | none | 400  | tok  | ok   | ok   | ok   | ok   | 2fa  | tok  | tok  | tok  | tok  | tok  | tok  | no   | tok  | tok  | tok  | tok  | 2fa  | ok   | ok   | no   | no   | no   | no  
GET /organization/members | none | 400  | tok  | ok   | ok   | ok   | ok   | 2fa  | tok  | tok  | tok  | tok  | tok  | tok  | no   | tok  | tok  | tok  | tok  | 2fa  | ok   | ok   | no   | no   | no   | no  
PATCH /organization       | none | 400  | tok  | ok   | ok   | ok   | no   | 2fa  | tok  | tok  | tok  | tok  | tok  | tok  | no   | tok  | tok  | tok  | tok  | 2fa  | ok   | no   | no   | no   | no   | no  
PATCH /organization/members/{user_id}| none | 400  | tok  | ok   | step | ok   | no   | 2fa  | tok  | tok  | tok  | tok  | tok  | tok  | no   | tok  | tok  | tok  | tok  | 2fa  | 404  | no   | no   | no   | no   | no  
POST /organization/members/{user_id}/remove| none | 400  | tok  | ok   | step | ok   | no   | 2fa  | tok  | tok  | tok  | tok  | tok  | tok  | no   | tok  | tok  | tok  | tok  | 2fa  | 404  | no   | no   | no   | no   | no  
POST /organization/leave  | none | 400  | tok  | ok   | step | ok   | ok   | 2fa  | tok  | tok  | tok  | tok  | tok  | tok  | no   | tok  | tok  | tok  | tok  | 2fa  | ok   | ok   | no   | no   | no   | no  
POST /organization/invitations| none | 400 | tok | ok | ok | ok | no | 2fa | tok | tok | tok | tok | tok | tok | no | tok | tok | tok | tok | 2fa | ok | no | no | no | no | no
GET /organization/invitations| none | 400 | tok | ok | ok | ok | no | 2fa | tok | tok | tok | tok | tok | tok | no | tok | tok | tok | tok | 2fa | ok | no | no | no | no | no
DELETE /organization/invitations/{invitation_id}| none | 400 | tok | 404 | 404 | 404 | no | 2fa | tok | tok | tok | tok | tok | tok | no | tok | tok | tok | tok | 2fa | 404 | no | no | no | no | no
POST /accept-invitation   | none | 400 | tok | otok | otok | otok | otok | 2fa | tok | tok | tok | tok | tok | tok | no | tok | tok | tok | tok | 2fa | otok | otok | no | no | no | no
POST /verify-email        | otok | otok | otok | otok | otok | otok | otok | otok | otok | otok | otok | otok | otok | otok | otok | otok | otok | otok | otok | otok | otok | otok | otok | otok| otok | otok
POST /resend-verification | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok | ok   | ok
POST /forgot-password     | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok   | ok | ok   | ok
POST /reset-password      | otok | otok | otok | otok | otok | otok | otok | otok | otok | otok | otok | otok | otok | otok | otok | otok | otok | otok | otok | otok | otok | otok | otok | otok| otok | otok
POST /confirm-email       | none | 400  | tok  | otok | otok | otok | otok | 2fa  | tok  | tok  | tok  | tok  | tok  | tok  | no   | tok  | tok  | tok  | tok  | 2fa  | otok | otok | no   | no | no   | no
DELETE /me/pending-email  | none | 400  | tok  | 404   | 404   | 404   | 404   | 2fa  | tok  | tok  | tok  | tok  | tok  | tok  | no   | tok  | tok  | tok  | tok  | 2fa  | 404   | 404   | no   | no | no   | no
Require()                 | none | 400  | tok  | ok   | ok   | ok   | ok   | 2fa  | tok  | tok  | tok  | tok  | tok  | tok  | ok   | tok  | tok  | tok  | tok  | 2fa  | ok   | ok   | ok   | ok | ok   | ok
Require(SessionOnly)      | none | 400  | tok  | ok   | ok   | ok   | ok   | 2fa  | tok  | tok  | tok  | tok  | tok  | tok  | no   | tok  | tok  | tok  | tok  | 2fa  | ok   | ok   | no   | no | no   | no
Require(APIKeyOnly)       | none | 400  | tok  | no   | no   | no   | no   | 2fa  | tok  | tok  | tok  | tok  | tok  | tok  | ok   | tok  | tok  | tok  | tok  | 2fa  | no   | no   | ok   | ok | ok   | ok
Require(Role "admin")     | none | 400  | tok  | ok   | ok   | ok   | no   | 2fa  | tok  | tok  | tok  | tok  | tok  | tok  | ok   | tok  | tok  | tok  | tok  | 2fa  | ok   | no   | ok   | no | ok   | ok
Require(Role "reader")    | none | 400  | tok  | no   | no   | no   | no   | 2fa  | tok  | tok  | tok  | tok  | tok  | tok  | no   | tok  | tok  | tok  | tok  | 2fa  | no   | ok   | no   | ok | no   | no
Require(Scope)            | none | 400  | tok  | ok   | ok   | ok   | ok   | 2fa  | tok  | tok  | tok  | tok  | tok  | tok  | ok   | tok  | tok  | tok  | tok  | 2fa  | ok   | ok   | ok   | ok   | ok   | scop
Require(FreshLogin)       | none | 400  | tok  | ok   | step | ok   | ok   | 2fa  | tok  | tok  | tok  | tok  | tok  | tok  | no   | tok  | tok  | tok  | tok  | 2fa  | ok   | ok   | no   | no | no   | no
Require(MultiFactor)      | none | 400  | tok  | step | step | ok   | step | 2fa  | tok  | tok  | tok  | tok  | tok  | tok  | no   | tok  | tok  | tok  | tok  | 2fa  | step | step | no   | no | no   | no
Require(TwoFactorUser)    | none | 400  | tok  | 2fa  | 2fa  | ok   | ok   | 2fa  | tok  | tok  | tok  | tok  | tok  | tok  | 2fa  | tok  | tok  | tok  | tok  | 2fa  | 2fa  | 2fa  | 2fa  | 2fa | 2fa  | 2fa
Require(StepUp)           | none | 400  | tok  | step | step | step | step | 2fa  | tok  | tok  | tok  | tok  | tok  | tok  | step | tok  | tok  | tok  | tok  | 2fa  | step | step | step | step | step | step
Require(own organization) | none | 400  | tok  | ok   | ok   | ok   | ok   | 2fa  | tok  | tok  | tok  | tok  | tok  | tok  | ok   | tok  | tok  | tok  | tok  | 2fa  | no   | ok   | no   | ok | ok   | ok
`

// verdicts are the words of the table's cells. A status of 0 is any that is no refusal.
var verdicts = map[string]struct {
	status int
	code   httpauth.Code
}{
	"ok":   {0, ""},
	"400":  {400, httpauth.CodeInvalidRequest},
	"in":   {400, httpauth.CodeInvalidInput},        // let in: what is sent is checked last
	"otok": {400, httpauth.CodeInvalidOneTimeToken}, // let in, but the token of a mail is none
	"no2f": {400, httpauth.CodeTwoFactorNotEnabled}, // let in, but there is no second factor yet
	"none": {401, httpauth.CodeAuthenticationRequired},
	"tok":  {401, httpauth.CodeInvalidToken},
	"end":  {401, httpauth.CodeInvalidToken}, // and the session is ended: a superseded token was refreshed
	"step": {401, httpauth.CodeReauthenticationRequired},
	"auth": {403, httpauth.CodeReauthenticationRequired},
	"no":   {403, httpauth.CodeForbidden},
	"scop": {403, httpauth.CodeInsufficientScope},
	"2fa":  {403, httpauth.CodeTwoFactorSetupRequired},
	"404":  {404, httpauth.CodeNotFound},
	"on":   {409, httpauth.CodeTwoFactorAlreadyEnabled},
}

// A principal is one that a request can come from, and what it brings along.
type principal struct {
	email, user, token string // of the account that it is, or was
	with               with   // its credential
	temp, secret       string // of a login that waits, of a second factor
	object, owner      string // the id of an API key that it calls for, and that key's organization
	session            string // the id of a session that it calls for
	member             string // the id of a user that it calls for
}

// principals are the table's columns. Each makes a principal with an account of its own.
var principals = map[string]func(b *builder) principal{
	"nobody": func(b *builder) principal { return b.user().as(func(*http.Request) {}) },
	"two": func(b *builder) principal {
		p := b.user()
		key := b.key(p)
		return p.as(func(r *http.Request) { bearer(p.token)(r); r.Header.Set("X-API-Key", key) })
	},
	"temp": func(b *builder) principal { p := b.waiting(); return p.as(bearer(p.temp)) }, // a login that waits for its second factor
	"live": func(b *builder) principal { return b.user() },
	"old":  func(b *builder) principal { p := b.user(); b.clock.advance(11 * time.Minute); return p }, // logged in too long ago for what is sensitive
	"mfa": func(b *builder) principal { // logged in with a second factor
		p := b.waiting()
		p.token = b.call("POST", "/verify-2fa", members{"temp_token": p.temp, "code": b.code(p.secret)}).want(200).text("access_token")
		b.clock.advance(time.Minute)
		return p.as(bearer(p.token))
	},
	"enr": func(b *builder) principal { // who had to set up a second factor, and has
		p := b.due(b.user())
		p.secret, _ = b.enrol(p.token)
		return p
	},
	"due": func(b *builder) principal { return b.due(b.user()) }, // who has to set one up
	"sup": func(b *builder) principal { // a token that was refreshed, after its grace and a use of the new one
		p := b.user()
		fresh := b.call("POST", "/refresh", nil, p.with).want(200).text("access_token")
		b.call("GET", "/me", nil, bearer(fresh)).want(200)
		b.clock.advance(time.Minute)
		return p
	},
	"out": func(b *builder) principal { p := b.user(); b.call("POST", "/logout", nil, p.with).want(200); return p },
	"rev": func(b *builder) principal {
		p := b.user()
		b.must(b.manager.RevokeSessions(b.t.Context(), p.user))
		return p
	},
	"exp": func(b *builder) principal { p := b.user(); b.clock.advance(time.Hour); return p },
	"off": func(b *builder) principal { return b.disabled(b.user()) },
	"del": func(b *builder) principal { return b.deleted(b.user()) },

	"key":  func(b *builder) principal { return b.withKey(b.user()) },
	"kexp": func(b *builder) principal { p := b.withKey(b.user()); b.clock.advance(365 * 24 * time.Hour); return p },
	"krev": func(b *builder) principal {
		p := b.user()
		id, key := b.apiKey(p.token)
		b.call("DELETE", "/api-keys/"+id, nil, p.with).want(200)
		return p.as(bearer(key))
	},
	"koff": func(b *builder) principal { return b.disabled(b.withKey(b.user())) },
	"kdel": func(b *builder) principal { return b.deleted(b.withKey(b.user())) },
	"kdue": func(b *builder) principal { return b.due(b.withKey(b.user())) },

	"ksco": func(b *builder) principal { return b.withKey(b.user(), "reports:read", "reports:write") }, // a key with scopes
	"koth": func(b *builder) principal { return b.withKey(b.user(), "reports", "*") },                  // with others

	"str":  func(b *builder) principal { return b.user().about(b.user()) },            // of another organization
	"strk": func(b *builder) principal { return b.withKey(b.user()).about(b.user()) }, // with a key
	"col":  func(b *builder) principal { p := b.user(); return b.colleague(p).about(p) },
	"colk": func(b *builder) principal { p := b.user(); return b.withKey(b.colleague(p)).about(p) },
}

// calls are the table's lines: a mounted route, what a program guards, or such with a remark
// in parentheses. A line of no rules has the body that it is sent.
// Wherever the line is a GET, HEAD has the same cell, and OPTIONS is answered to every caller.
var calls = map[string]struct {
	body  func(b *builder, p principal) any
	rules func(p principal) []httpauth.Rule
}{
	"POST /register": {body: func(b *builder, _ principal) any {
		return members{"email": b.address(), "password": password, "full_name": "Ada"}
	}},
	"POST /login": {body: func(b *builder, _ principal) any { return members{"email": b.regular, "password": password} }},
	"POST /verify-2fa": {body: func(b *builder, p principal) any {
		return members{"temp_token": cmp.Or(p.temp, "temp_1"), "code": b.codeOr(p, "123456")}
	}},
	"GET /openapi.json":          {},
	"GET /.well-known/jwks.json": {},
	"GET /me":                    {},
	"PATCH /me":                  {body: func(*builder, principal) any { return members{"full_name": "Ada King"} }},
	"PATCH /me (email)":          {body: func(b *builder, _ principal) any { return members{"email": b.address()} }},
	"POST /change-password": {body: func(*builder, principal) any {
		return members{"current_password": password, "new_password": "NewPass456!"}
	}},
	"POST /delete-account": {body: func(b *builder, p principal) any {
		return members{"password": password, "code": b.codeOr(p, "123456")}
	}},
	"POST /me/export":   {},
	"POST /enable-2fa":  {},
	"POST /confirm-2fa": {body: func(*builder, principal) any { return members{"code": "123456"} }},
	"GET /two-factor":   {},
	"POST /backup-codes": {body: func(b *builder, p principal) any {
		return members{"password": password, "code": b.codeOr(p, "123456")}
	}},
	"POST /disable-2fa": {body: func(b *builder, p principal) any {
		return members{"password": password, "code": b.codeOr(p, "123456")}
	}},
	"POST /refresh":                                    {},
	"POST /logout":                                     {},
	"POST /api-keys":                                   {body: func(*builder, principal) any { return members{"name": "x"} }},
	"POST /api-keys (input)":                           {body: func(*builder, principal) any { return members{} }},
	"GET /api-keys":                                    {},
	"DELETE /api-keys/{key_id}":                        {},
	"PATCH /api-keys/{key_id}":                         {body: func(*builder, principal) any { return members{"enabled": true} }},
	"POST /api-keys/{key_id}/rotate":                   {},
	"GET /api-keys/{key_id}/usage":                     {},
	"GET /sessions":                                    {},
	"DELETE /sessions/{session_id}":                    {},
	"POST /logout-others":                              {},
	"GET /trusted-devices":                             {},
	"DELETE /trusted-devices/{device_id}":              {},
	"GET /organization":                                {},
	"GET /organization/members":                        {},
	"PATCH /organization":                              {body: func(*builder, principal) any { return members{"name": "Looms"} }},
	"PATCH /organization/members/{user_id}":            {body: func(*builder, principal) any { return members{"role": "admin"} }},
	"POST /organization/members/{user_id}/remove":      {},
	"POST /organization/leave":                         {},
	"POST /organization/invitations":                   {body: func(b *builder, _ principal) any { return members{"email": b.address(), "role": "admin"} }},
	"GET /organization/invitations":                    {},
	"DELETE /organization/invitations/{invitation_id}": {},
	"POST /accept-invitation":                          {body: func(*builder, principal) any { return members{"token": "inv_1"} }},
	"POST /verify-email":                               {body: func(*builder, principal) any { return members{"token": "vrf_1"} }},
	"POST /resend-verification":                        {body: func(b *builder, _ principal) any { return members{"email": b.address()} }},
	"POST /forgot-password":                            {body: func(b *builder, _ principal) any { return members{"email": b.address()} }},
	"POST /reset-password":                             {body: func(*builder, principal) any { return members{"token": "rst_1", "new_password": "NewPass456!"} }},
	"POST /confirm-email":                              {body: func(*builder, principal) any { return members{"token": "chg_1"} }},
	"DELETE /me/pending-email":                         {},

	"Require()":              {rules: ruled()},
	"Require(SessionOnly)":   {rules: ruled(httpauth.SessionOnly)},
	"Require(APIKeyOnly)":    {rules: ruled(httpauth.APIKeyOnly)},
	`Require(Role "admin")`:  {rules: ruled(httpauth.Role("admin"))},
	`Require(Role "reader")`: {rules: ruled(httpauth.Role("reader"))},
	"Require(Scope)":         {rules: ruled(httpauth.Scope("reports:read"))},
	"Require(FreshLogin)":    {rules: ruled(httpauth.FreshLogin(10 * time.Minute))},
	"Require(MultiFactor)":   {rules: ruled(httpauth.MultiFactor)},
	"Require(TwoFactorUser)": {rules: ruled(httpauth.TwoFactorUser)},
	"Require(StepUp)":        {rules: ruled(func(httpauth.Access) error { return httpauth.StepUp(0) })},
	"Require(own organization)": {rules: func(p principal) []httpauth.Rule {
		return rules(func(a httpauth.Access) error {
			if a.Identity.User.OrganizationID != p.owner {
				return auth.ErrForbidden
			}
			return nil
		})
	}},
}

func ruled(rs ...httpauth.Rule) func(principal) []httpauth.Rule {
	return func(principal) []httpauth.Rule { return rs }
}

// TestEveryRouteForEveryPrincipal holds every cell of the table.
// OT-21: GET and HEAD write nothing.
func TestEveryRouteForEveryPrincipal(t *testing.T) {
	columns, rows := parseTable(t)
	for _, missing := range difference(slices.Sorted(maps.Keys(principals)), columns) {
		t.Errorf("%s has no column", missing)
	}
	bare := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(rows)) {
		if _, ok := calls[name]; !ok {
			t.Fatalf("%s is in the table, and nobody knows how to call it", name)
		}
		route, _, _ := strings.Cut(name, " (")
		bare[route] = true
	}
	guarded := strings.Join(slices.Collect(maps.Keys(rows)), " ")
	for _, rule := range exportedRules(t) {
		if !strings.Contains(guarded, "Require("+rule) {
			t.Errorf("the rule %s has no row", rule)
		}
	}
	stores := func(t *testing.T, f *fixture) {
		for _, route := range f.handler.Routes() {
			if !bare[route] {
				t.Errorf("%s has no row", route)
			}
		}
		holdTable(f, f, columns, rows, columns)
	}
	onEachStoreWith(t, func(c *auth.Config) { c.TwoFactorPolicy.Of = func(u auth.User) bool { return u.Role == "bound" } }, stores)
}

// TestAGroupOfRoutesThatIsLeftOutIsNotFound holds the table of a Handler without some groups:
// their routes are 404 for every caller, and all other cells are what they were.
func TestAGroupOfRoutesThatIsLeftOutIsNotFound(t *testing.T) {
	columns, rows := parseTable(t)
	for _, without := range [][]httpauth.Tag{
		{httpauth.TagRegistration, httpauth.TagLogin, httpauth.TagAccount, httpauth.TagDocument},
		{httpauth.TagTwoFactor, httpauth.TagSessions, httpauth.TagAPIKeys, httpauth.TagPublicKeys},
	} {
		f := newFixture(t, setup{auth: func(c *auth.Config) { c.TwoFactorPolicy.Of = func(u auth.User) bool { return u.Role == "bound" } }})
		holdTable(f, f.without(without...), columns, rows, []string{"nobody", "two", "live", "mfa", "due", "rev", "key", "koth", "col"})
	}
}

// holdTable holds the cells of some columns for the handler of served, with accounts that
// the handler of f makes.
func holdTable(f, served *fixture, columns []string, rows map[string][]string, some []string) {
	f.t.Helper()
	b := &builder{fixture: f, served: served, mounted: served.handler.Routes()}
	b.regular = b.user().email
	for _, column := range some {
		p, spent := principal{}, true
		i := slices.Index(columns, column)
		for _, name := range slices.Sorted(maps.Keys(rows)) {
			if spent {
				p = principals[column](b)
			}
			spent = b.hold(name, column, rows[name][i], p)
		}
	}
}

// hold makes one call and compares it with its cell. It reports whether the principal
// may not be the same any more.
func (b *builder) hold(name, column, cell string, p principal) (spent bool) {
	b.t.Helper()
	call := calls[name]
	route, _, _ := strings.Cut(name, " (")
	method, path, _ := strings.Cut(route, " ")
	mounted := call.rules != nil || slices.Contains(b.mounted, route)
	if !mounted {
		cell = "404"
	}
	want, ok := verdicts[cell]
	if !ok {
		b.t.Fatalf("%s, %s: no verdict is called %q", name, column, cell)
	}
	var body any
	if call.body != nil {
		body = call.body(b, p)
	}
	before := b.store.commits.Load()
	var a answer
	if call.rules != nil {
		a = guarded(b.served, call.rules(p), p.with)
	} else {
		path = strings.NewReplacer("{key_id}", p.object, "{session_id}", p.session, "{device_id}", "device_1", "{user_id}", p.member, "{invitation_id}", "invitation_1").Replace(path)
		a = b.served.call(method, path, body, p.with)
		if method == "GET" {
			head := b.served.call("HEAD", path, nil, p.with)
			if head.status != a.status || head.header.Get("WWW-Authenticate") != a.header.Get("WWW-Authenticate") {
				b.t.Errorf("HEAD %s as %s: %d %v, GET is %d %v", path, column, head.status, head.header, a.status, a.header)
			}
		}
	}
	wrote := b.store.commits.Load() - before
	if method == "GET" && wrote != 0 { // nor does HEAD
		b.t.Errorf("%s as %s wrote %d times", name, column, wrote)
	}
	if call.rules == nil {
		options := b.served.call("OPTIONS", path, nil, p.with)
		if mounted != (options.status == http.StatusNoContent) || b.store.commits.Load()-before != wrote {
			b.t.Errorf("%s as %s: %d %s, %d commits", options.what, column, options.status, options.raw, b.store.commits.Load()-before-wrote)
		}
	}
	if a.status >= 400 != (want.status != 0) || want.status != 0 && (a.status != want.status || a.body["code"] != string(want.code)) {
		b.t.Errorf("%s as %s: %d %s, want %s, %+v", name, column, a.status, a.raw, cell, want)
	}
	if ends := cell == "end"; a.status >= 400 && (wrote != 0) != ends {
		b.t.Errorf("%s as %s was refused and wrote %d times", name, column, wrote)
	}
	return wrote != 0
}

// A builder makes principals, each with an account of its own.
type builder struct {
	*fixture
	served   *fixture // what is held
	mounted  []string // "METHOD /path" of it
	accounts int
	regular  string // who logs in and changes nothing
}

func (b *builder) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// address is one that nobody has.
func (b *builder) address() string {
	b.accounts++
	return fmt.Sprintf("user%d@example.com", b.accounts)
}

// user is a new admin of a new organization, logged in, who calls for a key of their own.
func (b *builder) user() principal {
	b.t.Helper()
	p := principal{email: b.address()}
	a := b.call("POST", "/register", members{"email": p.email, "password": password, "full_name": "Ada"}).want(201)
	p.user, p.owner, p.token = a.text("id"), a.text("organization_id"), b.login(p.email)
	p.object, _ = b.apiKey(p.token)
	sessions, err := b.manager.Sessions(b.t.Context(), p.user)
	b.must(err)
	p.session, p.member = sessions[0].ID, p.user
	return p.as(bearer(p.token))
}

// colleague is a new reader in the organization of p.
func (b *builder) colleague(p principal) principal {
	b.t.Helper()
	email := b.address()
	u, err := b.manager.CreateUser(b.t.Context(), auth.NewUser{Email: email, Password: password, FullName: "Eve", OrganizationID: p.owner, Role: "reader"})
	b.must(err)
	token := b.login(email)
	return principal{email: email, user: u.ID, token: token, owner: p.owner}.as(bearer(token))
}

// waiting is a user with a second factor whose login waits for it.
func (b *builder) waiting() principal {
	b.t.Helper()
	p := b.user()
	p.secret, _ = b.enrol(p.token)
	p.temp = b.call("POST", "/login", members{"email": p.email, "password": password}).want(200).text("temp_token")
	return p
}

func (b *builder) key(p principal, scopes ...string) string {
	b.t.Helper()
	_, key := b.apiKey(p.token, scopes...)
	return key
}

func (b *builder) withKey(p principal, scopes ...string) principal {
	return p.as(bearer(b.key(p, scopes...)))
}

func (b *builder) due(p principal) principal {
	b.must(b.manager.SetRole(b.t.Context(), p.user, "bound"))
	return p
}

func (b *builder) disabled(p principal) principal {
	b.must(b.manager.DisableUser(b.t.Context(), p.user))
	return p
}

func (b *builder) deleted(p principal) principal {
	b.must(b.manager.DeleteUser(b.t.Context(), p.user))
	return p
}

// codeOr is a right code of the principal's second factor, or other if it has none.
func (b *builder) codeOr(p principal, other string) string {
	if p.secret == "" {
		return other
	}
	return b.code(p.secret)
}

// as is p with another credential.
func (p principal) as(credential with) principal { p.with = credential; return p }

// about is p, calling for what is another's.
func (p principal) about(other principal) principal {
	p.object, p.owner, p.session, p.member = other.object, other.owner, other.session, other.member
	return p
}

// parseTable returns the headings of accessTable, and its cells by line.
func parseTable(t *testing.T) (columns []string, rows map[string][]string) {
	t.Helper()
	rows = map[string][]string{}
	for i, line := range strings.Split(strings.TrimSpace(accessTable), "\n") {
		cells := strings.Split(line, "|")
		for j := range cells {
			cells[j] = strings.TrimSpace(cells[j])
		}
		if i == 0 {
			columns = cells[1:]
			continue
		}
		if len(cells) != len(columns)+1 || rows[cells[0]] != nil {
			t.Fatalf("the line of %s has %d cells of %d, or is there twice", cells[0], len(cells)-1, len(columns))
		}
		rows[cells[0]] = cells[1:]
	}
	return columns, rows
}

// exportedRules are the names of the package's rules: what is a Rule, returns one, or
// returns what a rule may say.
func exportedRules(t *testing.T) (names []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "rules.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.IsExported() {
			names = append(names, f.Name.Name)
		}
	}
	if len(names) < 7 {
		t.Fatalf("the rules are %v: rules.go is no longer understood", names)
	}
	return names
}

// difference is what only one of the two has.
func difference(a, b []string) (only []string) {
	for _, pair := range [][2][]string{{a, b}, {b, a}} {
		for _, s := range pair[0] {
			if !slices.Contains(pair[1], s) {
				only = append(only, s)
			}
		}
	}
	return only
}
