package httpauth

import (
	"fmt"
	"slices"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/internal/scope"
)

// A Rule is one more condition on a request whose credential is proven. It returns nil, or the
// error with which the request is refused. There are seven: [SessionOnly], [APIKeyOnly], [Role],
// [Scope], [FreshLogin], [MultiFactor] and [TwoFactorUser].
//
// A rule of your own returns [auth.ErrForbidden], bare or wrapped, [StepUp], or another
// error of package auth, such as [auth.ErrNotFound]. Any other error is a 500.
//
// Path values are those of the mux that the guarded handler is registered with, so put
// Require inside the mux and not around it. For a router that sets none, call
// [http.Request.SetPathValue] before [Handler.Check].
type Rule func(a Access) error

// SessionOnly is a [Rule]: the credential is an access token and no API key. Otherwise 403.
func SessionOnly(a Access) error {
	if a.Identity.IsAPIKey() {
		return fmt.Errorf("httpauth: an API key is not enough: %w", auth.ErrForbidden)
	}
	return nil
}

// APIKeyOnly is a [Rule]: the credential is an API key and no access token. Otherwise 403.
func APIKeyOnly(a Access) error {
	if !a.Identity.IsAPIKey() {
		return fmt.Errorf("httpauth: an API key is needed: %w", auth.ErrForbidden)
	}
	return nil
}

// Role returns a [Rule]: the user has one of these roles now, whatever the role was when
// the credential was made. Otherwise, and if no role is named, 403.
//
// Every user who registers has auth.Config.FirstRole, by default "admin", in a new organization
// of their own. While registration is open, Role("admin") lets in any stranger. For what
// belongs to your company, name a role that registering never gives, such as "operator". For
// what belongs to one organization, also compare User.OrganizationID.
func Role(roles ...string) Rule {
	roles = slices.Clone(roles)
	return func(a Access) error {
		if !slices.Contains(roles, a.Identity.User.Role) {
			return fmt.Errorf("httpauth: not for this role: %w", auth.ErrForbidden)
		}
		return nil
	}
}

// Scope returns a [Rule]: an API key that was made with scopes must have this one.
// Otherwise 403 insufficient_scope with the challenge of RFC 6750 section 3.1. Sessions,
// and keys without scopes, pass. For two scopes give two rules. A name that is no
// scope-token (RFC 6749 section 3.3) of at most 64 bytes is a 500 for everybody.
//
// A route without this rule is open to every key, whatever its scopes. Of the routes of
// the [Handler], a key may call GET /me and nothing else.
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

// FreshLogin returns a [Rule]: the user logged in no longer ago than d. Otherwise 401
// with the challenge of RFC 9470, which asks for another login. It is 403 for an API key,
// which cannot log in. While the user has a second factor, a login with a trusted device
// (auth.DeviceTrust) is never fresh.
func FreshLogin(d time.Duration) Rule {
	return func(a Access) error {
		if err := SessionOnly(a); err != nil {
			return err
		}
		byDevice := a.Identity.TrustedDevice && a.Identity.User.TwoFactorEnabled
		if byDevice || a.Now.Sub(a.Identity.AuthTime) > d {
			return StepUp(d)
		}
		return nil
	}
}

// MultiFactor is a [Rule]: a second factor was checked when the session began.
// Otherwise 401 with the challenge of RFC 9470. A user without a second factor can meet
// it after setting one up and logging in again. It is 403 for an API key.
func MultiFactor(a Access) error {
	if err := SessionOnly(a); err != nil {
		return err
	}
	if !a.Identity.MultiFactor() {
		return StepUp(0)
	}
	return nil
}

// TwoFactorUser is a [Rule]: the user has set up a second factor, whatever the credential
// is. Otherwise 403 two_factor_setup_required. To require it of users on every route, set
// auth.Config.TwoFactorPolicy.
func TwoFactorUser(a Access) error {
	if !a.Identity.User.TwoFactorEnabled {
		return fmt.Errorf("httpauth: two-factor authentication is required: %w", auth.ErrTwoFactorSetupRequired)
	}
	return nil
}

// StepUp returns the error of a [Rule] for a session that is valid but not enough. It is
// answered with 401 and the challenge of RFC 9470. That asks for another login, with a
// second factor, or no longer ago than maxAge if that is not zero.
func StepUp(maxAge time.Duration) error { return &stepUp{maxAge} }
