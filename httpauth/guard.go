package httpauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/internal/scope"
)

// An Access is what a [Rule] judges.
type Access struct {
	Request  *http.Request
	Identity auth.Identity
	Now      time.Time // by the Manager's clock
}

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

// Check proves the one credential of r, an access token or an API key, reads the
// state of its user and session at this moment, and applies the rules in order. It
// changes nothing and answers nothing; a refusal is an event of the Manager's, that of
// a rule [auth.EventAccessDenied] with the [Code] as its reason. Any error means no: give it to
// [Handler.WriteProblem], or tell errors apart with [errors.Is]: [ErrNoCredential],
// [ErrManyCredentials], [auth.ErrInvalidToken], [auth.ErrTwoFactorSetupRequired] where
// auth.Config.TwoFactorPolicy asks the user for a second factor first, whatever the
// rules, [auth.ErrForbidden], [ErrInsufficientScope], [auth.ErrReauthenticationRequired], and [auth.ErrUnavailable] where it could not
// be decided.
func (h *Handler) Check(r *http.Request, rules ...Rule) (id auth.Identity, err error) {
	if err := h.check(h.withClient(r), r, rules, &id); err != nil {
		return auth.Identity{}, err
	}
	return id, nil
}

// Require returns middleware that lets a request pass if [Handler.Check] does,
// with the identity and the client in its context, where [auth.IdentityFrom] and
// [auth.ClientFrom] find them, and answers it with [Handler.WriteProblem] if not.
func (h *Handler) Require(rules ...Rule) func(http.Handler) http.Handler {
	rules = slices.Clone(rules)
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx := h.withClient(r)
			var id auth.Identity
			if err := h.check(ctx, r, rules, &id); err != nil {
				h.WriteProblem(w, r, err)
				return
			}
			next.ServeHTTP(w, r.WithContext(auth.WithIdentity(ctx, id)))
		})
	}
}

// check is prove, with a panic of the store or of a rule as an error.
func (h *Handler) check(ctx context.Context, r *http.Request, rules []Rule, id *auth.Identity) error {
	return recovered(func() error { return h.prove(ctx, r, h.manager.VerifyAccessToken, id, rules...) })
}

// A verifier proves a credential of one kind.
type verifier = func(ctx context.Context, credential auth.Secret) (auth.Identity, error)

// prove fills id with whose credential is in the headers, if every rule lets them pass,
// else it returns why not and id is zero. An access token is proven by verify.
func (h *Handler) prove(ctx context.Context, r *http.Request, verify verifier, id *auth.Identity, rules ...Rule) error {
	cred, err := parseCredential(r.Header)
	if err != nil {
		if !errors.Is(err, ErrNoCredential) { // who has none has tried nothing
			h.manager.ReportDenied(ctx, auth.Identity{}, string(codeOf(err)))
		}
		return err
	}
	if h.isAPIKey(cred) {
		verify = h.manager.VerifyAPIKey
	}
	if *id, err = verify(ctx, auth.Secret(cred.text)); err != nil {
		return err
	}
	for _, rule := range rules {
		if err := rule(Access{Request: r, Identity: *id, Now: h.manager.Now()}); err != nil {
			h.manager.ReportDenied(ctx, *id, string(codeOf(err)))
			*id = auth.Identity{}
			return err
		}
	}
	return nil
}

// Client returns where r comes from, by Config.TrustedProxies: what [Handler.Require]
// puts into the context. It is for routes that need no credential, such as a login
// form of the host's own: give [auth.Manager.Login] a context of [auth.WithClient].
func (h *Handler) Client(r *http.Request) auth.Client { return h.client(r) }

func (h *Handler) withClient(r *http.Request) context.Context {
	return auth.WithClient(r.Context(), h.client(r))
}

func (h *Handler) isAPIKey(c credential) bool {
	return c.header == headerAPIKey || h.manager.IsAPIKey(auth.Secret(c.text))
}
