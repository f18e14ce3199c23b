package httpauth

import (
	"fmt"
	"slices"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/internal/scope"
)

// A Rule is one more thing that a request must satisfy once its credential is
// proven: it returns nil, or why not. From rules of your own return [auth.ErrForbidden],
// bare or wrapped, [StepUp], or another error of package auth, such as
// [auth.ErrNotFound]; any other is a fault of the host's, and a 500. Path values are
// those of the mux that the guarded handler is registered with, so put Require inside
// it and not around it.
type Rule func(a Access) error

// SessionOnly is a [Rule]: an access token, no API key. Else 403.
func SessionOnly(a Access) error {
	if a.Identity.IsAPIKey() {
		return fmt.Errorf("httpauth: an API key is not enough: %w", auth.ErrForbidden)
	}
	return nil
}

// APIKeyOnly is a [Rule]: an API key, no access token. Else 403.
func APIKeyOnly(a Access) error {
	if !a.Identity.IsAPIKey() {
		return fmt.Errorf("httpauth: an API key is needed: %w", auth.ErrForbidden)
	}
	return nil
}

// Role returns a [Rule]: the user has one of these roles, now and not when the
// credential was made. Else, and if there are none, 403.
func Role(roles ...string) Rule {
	roles = slices.Clone(roles)
	return func(a Access) error {
		if !slices.Contains(roles, a.Identity.User.Role) {
			return fmt.Errorf("httpauth: not for this role: %w", auth.ErrForbidden)
		}
		return nil
	}
}

// Scope returns a [Rule] for routes that API keys reach too: a key that was made with
// scopes has this one. Else 403 insufficient_scope with the challenge of RFC 6750 section
// 3.1. It limits keys and nobody else: every session has every scope, and so has a key
// that was made without any. Two scopes are two rules, and both must hold. What is no
// scope-token of RFC 6749 section 3.3 of up to 64 bytes is a 500 for everybody.
//
// A route without this rule is open to every key, whatever its scopes; of the routes of
// the [Handler] a key reads GET /me and nothing else.
func Scope(name string) Rule {
	return func(a Access) error {
		if !scope.Valid(name) {
			return fmt.Errorf("httpauth: %q is no scope", name)
		}
		if !a.Identity.HasScope(name) {
			return &missingScope{name}
		}
		return nil
	}
}

// FreshLogin returns a [Rule]: the user logged in no longer ago than d. Else 401
// with the challenge of RFC 9470, which asks to log in again; 403 for an API key,
// which cannot.
func FreshLogin(d time.Duration) Rule {
	return func(a Access) error {
		if err := SessionOnly(a); err != nil {
			return err
		}
		if a.Now.Sub(a.Identity.AuthTime) > d {
			return StepUp(d)
		}
		return nil
	}
}

// MultiFactor is a [Rule]: a second factor was checked when the session began.
// Else 401 with the challenge of RFC 9470, which a user without a second factor can
// meet after setting one up and logging in again; 403 for an API key.
func MultiFactor(a Access) error {
	if err := SessionOnly(a); err != nil {
		return err
	}
	if !a.Identity.MultiFactor() {
		return StepUp(0)
	}
	return nil
}

// TwoFactorUser is a [Rule] for routes that API keys reach too: the user has a second
// factor set up. Else 403 two_factor_setup_required. Where a whole group of users must have
// one on every route, auth.Config.TwoFactorPolicy says so in one place.
func TwoFactorUser(a Access) error {
	if !a.Identity.User.TwoFactorEnabled {
		return fmt.Errorf("httpauth: two-factor authentication is required: %w", auth.ErrTwoFactorSetupRequired)
	}
	return nil
}

// StepUp returns what a [Rule] says to a session that is good but not enough: it is
// answered with 401 and the challenge of RFC 9470, to log in again, with a second
// factor, or no longer ago than maxAge if that is not zero.
func StepUp(maxAge time.Duration) error { return &stepUp{maxAge} }
