package httpauth

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/datixlab/auth"
)

// A Code names the cause of a refusal. It is stable. A problem has it as its code member. The
// type member of the problem is the address of the constant's documentation.
type Code string

// The codes, with the HTTP status of each.
const (
	CodeInvalidJSON              Code = "invalid_json"               // 400: not one strict JSON object
	CodeInvalidInput             Code = "invalid_input"              // 400: members at fault are named in errors
	CodeInvalidRequest           Code = "invalid_request"            // 400: two credentials, a body that breaks off, or a malformed query where one is read
	CodeWeakPassword             Code = "weak_password"              // 400: errors says too_short, too_long or blocked
	CodeInvalidOneTimeToken      Code = "invalid_one_time_token"     // 400: the token of a mail is wrong, used or expired; it says nothing of a session
	CodeTwoFactorNotEnabled      Code = "two_factor_not_enabled"     // 400: nothing to confirm or to turn off
	CodeAuthenticationRequired   Code = "authentication_required"    // 401: no credential
	CodeInvalidToken             Code = "invalid_token"              // 401: access token, API key or temp token is rejected
	CodeInvalidCredentials       Code = "invalid_credentials"        // 401: email, password or code do not prove the account
	CodeInvalidCode              Code = "invalid_code"               // 401: second-factor code is malformed, wrong or used
	CodeReauthenticationRequired Code = "reauthentication_required"  // 403, or 401 where the challenge says what is missing
	CodeForbidden                Code = "forbidden"                  // 403: not with this credential, or not for this user
	CodeInsufficientScope        Code = "insufficient_scope"         // 403: the API key does not have the scope; the challenge says which
	CodeTwoFactorSetupRequired   Code = "two_factor_setup_required"  // 403: the user must set up a second factor first
	CodeEmailNotVerified         Code = "email_not_verified"         // 403: the password is right, and the address must be verified first
	CodeAPIKeyLimit              Code = "api_key_limit"              // 403: as many keys as a user may have
	CodeRegistrationClosed       Code = "registration_closed"        // 403: nobody can register without an invitation that works
	CodeNotFound                 Code = "not_found"                  // 404
	CodeMethodNotAllowed         Code = "method_not_allowed"         // 405: Allow has the methods
	CodeRequestTimeout           Code = "request_timeout"            // 408: the body took too long
	CodeEmailTaken               Code = "email_taken"                // 409
	CodeAlreadyMember            Code = "already_member"             // 409: the email is that of a member
	CodeInvitationLimit          Code = "invitation_limit"           // 409: as many invitations wait as may
	CodeOrganizationNotEmpty     Code = "organization_not_empty"     // 409: who has an invitation is not alone in their organization
	CodeLastAdmin                Code = "last_admin"                 // 409: other members would have no enabled admin
	CodeTwoFactorAlreadyEnabled  Code = "two_factor_already_enabled" // 409
	CodeAPIKeyNotActive          Code = "api_key_not_active"         // 409: it has expired, is disabled, or was replaced
	CodeCursorGone               Code = "cursor_gone"                // 410: the list must be begun again
	CodeBodyTooLarge             Code = "body_too_large"             // 413
	CodeUnsupportedMediaType     Code = "unsupported_media_type"     // 415
	CodeRateLimited              Code = "rate_limited"               // 429: Retry-After says when
	CodeInternalError            Code = "internal_error"             // 500
	CodeUnsupported              Code = "unsupported"                // 501: the store or the configuration does not have what it takes
	CodeOverloaded               Code = "overloaded"                 // 503: Retry-After says when
	CodeUnavailable              Code = "unavailable"                // 503: the store did not answer; a change may have been made all the same
)

// typeBase and the name of a constant make the type of a problem: a stable address at which
// the problem is documented (RFC 9457 section 3.1.1).
const typeBase = "https://pkg.go.dev/github.com/datixlab/auth/httpauth#"

// A problemType has what all problems of one code have in common.
type problemType struct {
	status int
	name   string // of the constant
	title  string
	detail string
}

var problemTypes = map[Code]problemType{
	CodeInvalidJSON:              {http.StatusBadRequest, "CodeInvalidJSON", "Malformed JSON", "The body is not one strict JSON object."},
	CodeInvalidInput:             {http.StatusBadRequest, "CodeInvalidInput", "Invalid input", "The request is not valid; errors names what is wrong."},
	CodeInvalidRequest:           {http.StatusBadRequest, "CodeInvalidRequest", "Invalid request", "The request is not valid."},
	CodeWeakPassword:             {http.StatusBadRequest, "CodeWeakPassword", "Password refused", "The new password cannot be used; errors says why."},
	CodeInvalidOneTimeToken:      {http.StatusBadRequest, "CodeInvalidOneTimeToken", "Invalid one-time token", "The token is malformed, unknown, used or expired. Ask for a new one."},
	CodeTwoFactorNotEnabled:      {http.StatusBadRequest, "CodeTwoFactorNotEnabled", "Two-factor authentication is not enabled", "There is no second factor to confirm or to turn off."},
	CodeAuthenticationRequired:   {http.StatusUnauthorized, "CodeAuthenticationRequired", "Authentication required", "Send an access token or an API key: Authorization: Bearer, a space, the token."},
	CodeInvalidToken:             {http.StatusUnauthorized, "CodeInvalidToken", "Invalid token", "The token is malformed, unknown, expired, used or revoked."},
	CodeInvalidCredentials:       {http.StatusUnauthorized, "CodeInvalidCredentials", "Invalid credentials", "The credentials are not valid."},
	CodeInvalidCode:              {http.StatusUnauthorized, "CodeInvalidCode", "Invalid code", "The code is malformed, wrong, expired or used. Send the digits of the authenticator, or those of a backup code. If new codes fail too, set the clock of the authenticator."},
	CodeReauthenticationRequired: {http.StatusForbidden, "CodeReauthenticationRequired", "Reauthentication required", "The login is too old or too weak for this; log in again, or send the password, and a code of the second factor, where the call takes them."},
	CodeForbidden:                {http.StatusForbidden, "CodeForbidden", "Forbidden", "The credential does not allow this."},
	CodeInsufficientScope:        {http.StatusForbidden, "CodeInsufficientScope", "Insufficient scope", "The API key was made for other things than this."},
	CodeTwoFactorSetupRequired:   {http.StatusForbidden, "CodeTwoFactorSetupRequired", "Second factor required", "The account must have a second factor for this; set one up with enable-2fa and confirm-2fa."},
	CodeEmailNotVerified:         {http.StatusForbidden, "CodeEmailNotVerified", "Email not verified", "The email address is not verified yet; use the mail that was sent to it, or ask for another with resend-verification."},
	CodeAPIKeyLimit:              {http.StatusForbidden, "CodeAPIKeyLimit", "Too many API keys", "Revoke an API key before creating another."},
	CodeRegistrationClosed:       {http.StatusForbidden, "CodeRegistrationClosed", "Registration closed", "Only who is invited can register here, with an invitation that is not used and not expired. Ask for a new one."},
	CodeNotFound:                 {http.StatusNotFound, "CodeNotFound", "Not found", "There is nothing here."},
	CodeMethodNotAllowed:         {http.StatusMethodNotAllowed, "CodeMethodNotAllowed", "Method not allowed", "This cannot be called with this method."},
	CodeRequestTimeout:           {http.StatusRequestTimeout, "CodeRequestTimeout", "Request timeout", "The body took too long to arrive."},
	CodeEmailTaken:               {http.StatusConflict, "CodeEmailTaken", "Email taken", "An account with this email address exists. If it is yours, log in."},
	CodeAlreadyMember:            {http.StatusConflict, "CodeAlreadyMember", "Already a member", "The email is that of a member of the organization."},
	CodeInvitationLimit:          {http.StatusConflict, "CodeInvitationLimit", "Too many invitations", "As many invitations wait as an organization may have. Revoke one first."},
	CodeOrganizationNotEmpty:     {http.StatusConflict, "CodeOrganizationNotEmpty", "Organization not empty", "Your organization has other members. Only who is alone in one can move to another."},
	CodeLastAdmin:                {http.StatusConflict, "CodeLastAdmin", "Last admin", "The organization has other members and no other admin. Make one of them an admin first."},
	CodeTwoFactorAlreadyEnabled:  {http.StatusConflict, "CodeTwoFactorAlreadyEnabled", "Two-factor authentication is already enabled", "Two-factor authentication is on. To set it up again, turn it off first."},
	CodeAPIKeyNotActive:          {http.StatusConflict, "CodeAPIKeyNotActive", "API key not active", "The API key has expired, is disabled, or was replaced before. Enable it, rotate the key that replaced it, or create another."},
	CodeCursorGone:               {http.StatusGone, "CodeCursorGone", "Cursor gone", "The list has changed its places, as after a restart. Begin it again, without after."},
	CodeBodyTooLarge:             {http.StatusRequestEntityTooLarge, "CodeBodyTooLarge", "Body too large", "The body is longer than 64 KiB."},
	CodeUnsupportedMediaType:     {http.StatusUnsupportedMediaType, "CodeUnsupportedMediaType", "Unsupported media type", "The body must be application/json in UTF-8, without a content coding."},
	CodeRateLimited:              {http.StatusTooManyRequests, "CodeRateLimited", "Too many attempts", "Too many attempts; wait as long as Retry-After says."},
	CodeInternalError:            {http.StatusInternalServerError, "CodeInternalError", "Internal error", "Something went wrong."},
	CodeUnsupported:              {http.StatusNotImplemented, "CodeUnsupported", "Unsupported", "The store, or the configuration of the service, does not support this."},
	CodeOverloaded:               {http.StatusServiceUnavailable, "CodeOverloaded", "Overloaded", "Too much to do at the moment; wait as long as Retry-After says."},
	CodeUnavailable:              {http.StatusServiceUnavailable, "CodeUnavailable", "Unavailable", "The request was not completed, or its outcome is unknown; try again later."},
}

// A Problem is an error with an answer of your own, for [Handler.WriteProblem] and for your
// [Rule] functions. All of it is sent to the client. So it must have no secret and nothing that
// concerns the operator alone. Without a Code, or with a Status that is no refusal, the answer
// is internal_error.
type Problem struct {
	// Status is the HTTP status, 400 to 599.
	Status int

	// Code is for programs, such as "plan_limit". Choose one that no [Code] is.
	Code string

	// Detail is a sentence for people about this request, or "".
	Detail string

	// Type is a URI that identifies the kind of problem, and Title its name. Without them they
	// are "about:blank" and the text of the status (RFC 9457 section 4.2.1).
	Type, Title string

	// Fields says what is wrong with each member of the request. It may be nil.
	Fields []auth.FieldError

	// RetryAfter is how long the client should wait, rounded up to whole seconds. 0 is not said,
	// but a 429 and a 503 always say something.
	RetryAfter time.Duration
}

// Error returns the code. The detail may be about a user, so it is not repeated.
func (p *Problem) Error() string { return "httpauth: " + p.Code }

func (p *Problem) problem() problem {
	body := problem{
		Type: cmp.Or(p.Type, "about:blank"), Title: cmp.Or(p.Title, http.StatusText(p.Status)), Status: p.Status,
		Detail: p.Detail, Code: p.Code,
	}
	for _, f := range p.Fields {
		body.Errors = append(body.Errors, problemField(f))
	}
	return body
}

// A refusal is an error whose answer this package chose by itself.
type refusal struct {
	code   Code
	detail string // "" means that of the problemType
	allow  string // the Allow header
	cause  error  // what the caller of Check may compare it with, or nil
}

// Unwrap returns the cause.
func (e *refusal) Unwrap() error { return e.cause }

// Error implements error.
func (e *refusal) Error() string { return "httpauth: " + string(e.code) }

// A stepUp is a refusal until the user has logged in again or with a second factor (RFC 9470).
// Its answer is 401 with a challenge. That of a bare ErrReauthenticationRequired is 403.
type stepUp struct {
	maxAge time.Duration // how old the login may be; zero: not part of the challenge
}

// Error implements error.
func (e *stepUp) Error() string { return auth.ErrReauthenticationRequired.Error() }

// Unwrap is for errors.Is.
func (e *stepUp) Unwrap() error { return auth.ErrReauthenticationRequired }

// A missingScope is a refusal of an API key without this scope.
type missingScope struct{ name string }

// Error implements error.
func (e *missingScope) Error() string { return ErrInsufficientScope.Error() }

// Unwrap is for errors.Is.
func (e *missingScope) Unwrap() error { return ErrInsufficientScope }

// A problem is the body of a refusal, RFC 9457.
type problem struct {
	Type       string         `json:"type" format:"uri" doc:"Where the code is documented."`
	Title      string         `json:"title" example:"Invalid credentials"`
	Status     int            `json:"status" example:"401"`
	Detail     string         `json:"detail" example:"The credentials are not valid."`
	Code       string         `json:"code" example:"invalid_credentials" doc:"What went wrong, stable and machine-readable."`
	RetryAfter int64          `json:"retry_after,omitempty" example:"30" doc:"Seconds to wait, as in Retry-After."`
	Errors     []problemField `json:"errors,omitempty" doc:"The members at fault."`
}

type problemField struct {
	Field  string `json:"field" example:"email"`
	Code   string `json:"code" example:"required" doc:"Stable and machine-readable."`
	Detail string `json:"detail" example:"This member is required."`
}

// newProblem returns the body of an answer with code, without details of the request.
func newProblem(code Code) problem {
	k := problemTypes[code]
	p := problem{Type: typeBase + k.name, Title: k.title, Status: k.status, Detail: k.detail, Code: string(code)}
	if code == CodeInvalidCode {
		p.Errors = []problemField{{"code", string(code), k.detail}}
	}
	return p
}

// problemOf returns the [Problem] that err is, or nil if it is none or cannot be sent.
func problemOf(err error) *Problem {
	var p *Problem
	if errors.As(err, &p) && p != nil && p.Code != "" && p.Status >= 400 && p.Status <= 599 {
		return p
	}
	return nil
}

// codeOf returns the code of the answer to err. It is internal_error for an unknown error, so
// that nothing is allowed and nothing is revealed.
func codeOf(err error) Code {
	if host := problemOf(err); host != nil {
		return Code(host.Code)
	}
	var own *refusal
	if errors.As(err, &own) {
		return own.code
	}
	for _, known := range codeByError {
		if errors.Is(err, known.err) {
			return known.code
		}
	}
	return CodeInternalError
}

// codeByError is in order of precedence. An error that matches ErrUnavailable has its code,
// whatever else it matches.
var codeByError = []struct {
	err  error
	code Code
}{
	{auth.ErrUnavailable, CodeUnavailable},
	{auth.ErrClosed, CodeUnavailable},
	{context.DeadlineExceeded, CodeUnavailable},
	{context.Canceled, CodeUnavailable},
	{auth.ErrOverloaded, CodeOverloaded},
	{auth.ErrRateLimited, CodeRateLimited},
	{ErrNoCredential, CodeAuthenticationRequired},
	{ErrManyCredentials, CodeInvalidRequest},
	{auth.ErrInvalidToken, CodeInvalidToken},
	{auth.ErrInvalidCredentials, CodeInvalidCredentials},
	{auth.ErrInvalidOneTimeToken, CodeInvalidOneTimeToken},
	{auth.ErrInvalidCode, CodeInvalidCode},
	{auth.ErrReauthenticationRequired, CodeReauthenticationRequired},
	{auth.ErrTwoFactorSetupRequired, CodeTwoFactorSetupRequired},
	{ErrInsufficientScope, CodeInsufficientScope}, // which is an ErrForbidden too
	{auth.ErrForbidden, CodeForbidden},
	{auth.ErrEmailNotVerified, CodeEmailNotVerified},
	{auth.ErrAPIKeyLimit, CodeAPIKeyLimit},
	{auth.ErrAPIKeyNotActive, CodeAPIKeyNotActive},
	{auth.ErrRegistrationClosed, CodeRegistrationClosed},
	{auth.ErrCursorGone, CodeCursorGone},
	{auth.ErrUnsupported, CodeUnsupported},
	{auth.ErrNotFound, CodeNotFound},
	{auth.ErrEmailTaken, CodeEmailTaken},
	{auth.ErrLastAdmin, CodeLastAdmin},
	{auth.ErrAlreadyMember, CodeAlreadyMember},
	{auth.ErrInvitationLimit, CodeInvitationLimit},
	{auth.ErrOrganizationNotEmpty, CodeOrganizationNotEmpty},
	{auth.ErrTwoFactorEnabled, CodeTwoFactorAlreadyEnabled},
	{auth.ErrTwoFactorNotEnabled, CodeTwoFactorNotEnabled},
	{auth.ErrWeakPassword, CodeWeakPassword},
	{auth.ErrInvalidInput, CodeInvalidInput},
}

// WriteProblem answers r with err as application/problem+json, with the headers WWW-Authenticate,
// Retry-After and Allow as needed. It knows every error of package auth and of
// [Handler.Check], and any [Problem]. Any other error is a 500 without details. The text of
// err is never sent. Failures that concern the operator are logged.
func (h *Handler) WriteProblem(w http.ResponseWriter, r *http.Request, err error) {
	code := codeOf(err)
	p := newProblem(code)
	if host := problemOf(err); host != nil {
		p = host.problem()
	}
	var own *refusal
	if errors.As(err, &own) {
		if own.detail != "" {
			p.Detail = own.detail
			for i := range p.Errors { // that of CodeInvalidCode
				p.Errors[i].Detail = own.detail
			}
		}
		if own.allow != "" {
			w.Header().Set("Allow", own.allow)
		}
	}
	if own == nil && errors.Is(err, ErrManyCredentials) {
		p.Detail = "Send one credential, once: in Authorization or in X-API-Key."
	}
	if h.names != nil && code == CodeAuthenticationRequired {
		p.Detail = "Log in first: the request has no cookie of a session."
	}
	var input *auth.InputError
	if errors.As(err, &input) {
		for _, f := range input.Fields {
			p.Errors = append(p.Errors, problemField(f))
		}
	}
	var more *stepUp
	if errors.As(err, &more) {
		p.Status = http.StatusUnauthorized
	}
	if p.Status == http.StatusUnauthorized || code == CodeInsufficientScope {
		w.Header().Set("WWW-Authenticate", challenge(err, more))
	}
	if p.RetryAfter = retryAfter(p.Status, err); p.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.FormatInt(p.RetryAfter, 10))
	}
	h.logFailure(r, p.Status, code, err)
	body, _ := json.Marshal(p) // strings and an int
	write(w, r, p.Status, contentProblem, notStored, body)
}

// challenge returns the WWW-Authenticate of a 401, or of a key without a scope. Its error is
// invalid_token only if the token in the request's header was refused (RFC 6750 section 3.1).
func challenge(err error, more *stepUp) string {
	const bearer = `Bearer realm="auth"`
	var missing *missingScope
	switch {
	case errors.As(err, &missing): // a scope has nothing in it that needs quoting
		return bearer + `, error="insufficient_scope", scope="` + missing.name + `"`
	case more != nil && more.maxAge > 0:
		return bearer + `, error="insufficient_user_authentication", max_age="` + strconv.FormatInt(int64(more.maxAge/time.Second), 10) + `"`
	case more != nil:
		return bearer + `, error="insufficient_user_authentication"`
	case errors.Is(err, auth.ErrInvalidToken):
		return bearer + `, error="invalid_token"`
	}
	return bearer
}

// retryAfter returns the Retry-After of err, in whole seconds and rounded up, or 0 if there is
// none. So a client that waits that long is not too early (RFC 9110 section 10.2.3).
func retryAfter(status int, err error) (seconds int64) {
	var wait time.Duration
	if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
		wait = 5 * time.Second // if err does not say
	}
	var retry *auth.RetryError
	if errors.As(err, &retry) && wait > 0 {
		wait = max(retry.After, time.Second)
	}
	if host := problemOf(err); host != nil && host.RetryAfter > 0 {
		wait = host.RetryAfter
	}
	return int64((wait + time.Second - 1) / time.Second)
}

// logFailure logs the details that are not sent to the client. It does not log the path of the
// request, which may contain secrets of your program.
func (h *Handler) logFailure(r *http.Request, status int, code Code, err error) {
	gone := code == CodeUnavailable && r.Context().Err() != nil
	if status < http.StatusInternalServerError || code == CodeOverloaded || code == CodeUnsupported || gone {
		return
	}
	attrs := []slog.Attr{slog.String("method", r.Method), slog.String("code", string(code)), slog.Any("error", err)}
	var p *panicError
	if errors.As(err, &p) {
		attrs = append(attrs, slog.String("stack", string(p.stack)))
	}
	h.log.LogAttrs(r.Context(), slog.LevelError, "httpauth: request failed", attrs...)
}
