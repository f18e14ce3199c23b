package httpauth

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/datixlab/auth"
)

// An Access is what a [Rule] judges.
type Access struct {
	Request  *http.Request
	Identity auth.Identity
	Now      time.Time // by the Manager's clock
}

// Check proves the one credential of r, an access token or an API key, against the
// current state of its user and session, then applies the rules in order. It changes
// nothing and writes no answer. A refusal emits an event; for a rule it is
// [auth.EventAccessDenied] with the [Code] as reason. After any error the request must be
// refused. Pass the error to [Handler.WriteProblem], or compare it by [errors.Is]:
//
//   - [ErrNoCredential] and [ErrManyCredentials].
//   - [auth.ErrInvalidToken].
//   - [auth.ErrTwoFactorSetupRequired] by auth.Config.TwoFactorPolicy, whatever the rules.
//   - [auth.ErrForbidden], [ErrInsufficientScope] and
//     [auth.ErrReauthenticationRequired] by a rule.
//   - [auth.ErrUnavailable] if the store did not answer.
//
// If you answer the request without [Handler.Require], call [TellReplaced] too.
func (h *Handler) Check(r *http.Request, rules ...Rule) (id auth.Identity, err error) {
	if err := h.check(h.withClient(r), r, rules, &id); err != nil {
		return auth.Identity{}, err
	}
	return id, nil
}

// Require returns middleware that lets a request pass if [Handler.Check] does. The
// identity and the client are then in its context: see [auth.IdentityFrom] and
// [auth.ClientFrom]. A request that does not pass is answered with [Handler.WriteProblem]. The
// answer to one that does has the headers of [TellReplaced].
func (h *Handler) Require(rules ...Rule) func(http.Handler) http.Handler {
	rules = slices.Clone(rules)
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h.keepPrivate(w.Header())
			ctx := h.withClient(r)
			var id auth.Identity
			if err := h.check(ctx, r, rules, &id); err != nil {
				h.discard(w, r, err)
				h.WriteProblem(w, r, err)
				return
			}
			TellReplaced(w.Header(), id)
			next.ServeHTTP(w, r.WithContext(auth.WithIdentity(ctx, id)))
		})
	}
}

const (
	headerDeprecation = "Deprecation"
	headerSunset      = "Sunset"
)

// TellReplaced tells the owner of a program that its API key was replaced by another and still
// works for a while. It sets Deprecation (RFC 9745) to the time of the rotation, and Sunset
// (RFC 8594) to the end of the key. For any other identity it does nothing.
func TellReplaced(head http.Header, id auth.Identity) {
	if id.ReplacedAt.IsZero() {
		return
	}
	head.Set(headerDeprecation, "@"+strconv.FormatInt(id.ReplacedAt.Unix(), 10))
	head.Set(headerSunset, id.ExpiresAt.UTC().Format(http.TimeFormat))
}

// check is prove, with a panic of the store or of a rule as an error.
func (h *Handler) check(ctx context.Context, r *http.Request, rules []Rule, id *auth.Identity) error {
	return catchPanic(func() error {
		if err := h.refuseOtherOrigins(ctx, r); err != nil {
			return err
		}
		return h.prove(ctx, r, h.manager.VerifyAccessToken, id, rules...)
	})
}

// A verifier proves a credential of one kind.
type verifier = func(ctx context.Context, credential auth.Secret) (auth.Identity, error)

// prove fills id with the identity of the credential in the headers, if every rule passes.
// Otherwise it returns the reason, and id is zero. An access token is proven by verify.
func (h *Handler) prove(ctx context.Context, r *http.Request, verify verifier, id *auth.Identity, rules ...Rule) error {
	cred, err := h.credential(r)
	if err != nil {
		if !errors.Is(err, ErrNoCredential) { // a client without a credential has tried nothing
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
	if h.proven != nil {
		h.proven(r, *id)
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

// Client returns where r comes from, by Config.TrustedProxies. [Handler.Require] puts it
// into the context. Call it on routes that need no credential, such as a login form of
// your own: give [auth.Manager.Login] a context of [auth.WithClient].
func (h *Handler) Client(r *http.Request) auth.Client { return h.client(r) }

func (h *Handler) withClient(r *http.Request) context.Context {
	return auth.WithClient(r.Context(), h.client(r))
}

func (h *Handler) isAPIKey(c credential) bool {
	return c.header == headerAPIKey || c.header != headerCookie && h.manager.IsAPIKey(auth.Secret(c.text))
}
