package auth

import (
	"errors"
	"fmt"
	"time"
)

// What a Manager's methods return, to be told apart with [errors.Is]. The HTTP
// status is what package httpauth answers. No text holds a secret or an email
// address; what ErrUnavailable wraps, the store's or the signer's own error, is for the
// operator's log and not for clients.
var (
	// ErrInvalidInput reports input that is malformed; the error is an
	// *InputError that names the fields. HTTP 400.
	ErrInvalidInput = errors.New("auth: invalid input")

	// ErrWeakPassword reports a new password that is refused; the error is an
	// *InputError whose field says why: too_short, too_long, blocked, required,
	// or invalid, which is not valid text. HTTP 400.
	ErrWeakPassword = errors.New("auth: password refused")

	// ErrInvalidCredentials reports that email and password, or the password or
	// code that a call asks for again, do not prove the account. It is the same
	// for an unknown, a disabled and a deleted account. HTTP 401.
	ErrInvalidCredentials = errors.New("auth: invalid credentials")

	// ErrInvalidToken reports a credential that opens nothing: an access token,
	// API key or temp token that is malformed, unknown, expired, used, superseded
	// or revoked, or whose user is disabled or gone. HTTP 401.
	ErrInvalidToken = errors.New("auth: invalid token")

	// ErrInvalidCode reports a second-factor code that is malformed, wrong or
	// used. HTTP 401.
	ErrInvalidCode = errors.New("auth: invalid code")

	// ErrReauthenticationRequired reports a sensitive call from a session whose
	// login is not fresh, without the password or without the code that the call
	// wants beside it. HTTP 403; 401 with a challenge from PATCH /me and the rules of
	// package httpauth.
	ErrReauthenticationRequired = errors.New("auth: reauthentication required")

	// ErrForbidden reports a call that this kind of identity may not make, such
	// as an API key that tries to manage credentials. HTTP 403.
	ErrForbidden = errors.New("auth: forbidden")

	// ErrTwoFactorSetupRequired reports a good credential of a user who has no second
	// factor and must have one, by Config.TwoFactorPolicy or by what is asked for:
	// it opens nothing here until the user has set one up. HTTP 403.
	ErrTwoFactorSetupRequired = errors.New("auth: a second factor must be set up")

	// ErrAPIKeyLimit reports that the user has as many API keys as allowed. HTTP 403.
	ErrAPIKeyLimit = errors.New("auth: too many API keys")

	// ErrNotFound reports an id that does not exist or is another user's. HTTP 404.
	ErrNotFound = errors.New("auth: not found")

	// ErrEmailTaken reports an email address that an account holds. HTTP 409.
	ErrEmailTaken = errors.New("auth: email already registered")

	// ErrTwoFactorEnabled reports that two-factor authentication is on already. HTTP 409.
	ErrTwoFactorEnabled = errors.New("auth: two-factor authentication is already enabled")

	// ErrTwoFactorNotEnabled reports that it is not on, or that there is nothing
	// to confirm. HTTP 400.
	ErrTwoFactorNotEnabled = errors.New("auth: two-factor authentication is not enabled")

	// ErrRateLimited reports a guess that was not looked at because too many
	// came before it; the error is a *RetryError. HTTP 429.
	ErrRateLimited = errors.New("auth: too many attempts")

	// ErrOverloaded reports that password hashing has no free slot: its queue was
	// full, or none came free within Config.HashWait. Nothing was decided. The error is
	// a *RetryError. HTTP 503.
	ErrOverloaded = errors.New("auth: overloaded")

	// ErrUnavailable reports that the store did not answer, that a record is
	// damaged, or that Config.SigningKey did not sign: nothing could be decided.
	// Whatever was asked is not granted. HTTP 503.
	ErrUnavailable = errors.New("auth: unavailable")

	// ErrClosed reports a call on a Manager after its Close. HTTP 503.
	ErrClosed = errors.New("auth: manager closed")
)

// A RetryError says when trying again makes sense. It matches ErrRateLimited or
// ErrOverloaded.
type RetryError struct {
	Err   error
	After time.Duration // more than zero
}

// Error is the text of the sentinel.
func (e *RetryError) Error() string { return e.Err.Error() }

// Unwrap returns the sentinel.
func (e *RetryError) Unwrap() error { return e.Err }

// unavailable wraps what a store returned. The cause is kept for errors.Is and for
// the operator's log; package httpauth never shows it.
func unavailable(cause error) error { return fmt.Errorf("%w: %w", ErrUnavailable, cause) }
