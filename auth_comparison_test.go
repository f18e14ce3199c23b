package auth_test

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store"
)

// ST-11.
func TestAManagerThatDoesNotFitToTheOneBeforeItIsTold(t *testing.T) {
	const old, current, next, foreign auth.Secret = "the old secret, with 32 bytes or more", "the current secret, 32 bytes or more", "the next secret, with 32 bytes or more", "a secret of other people, 32 bytes or more"
	eachStore(t, func(t *testing.T, s store.Store) {
		for _, start := range []struct {
			what string
			cfg  auth.Config
			want string
		}{
			{"the first", auth.Config{Secrets: []auth.Secret{old}}, ""},
			{"the same again", auth.Config{Secrets: []auth.Secret{old}}, ""},
			{"a rotation begins", auth.Config{Secrets: []auth.Secret{current, old}}, ""},
			{"a process with the old list", auth.Config{Secrets: []auth.Secret{old}}, ""},
			{"the rotation ends", auth.Config{Secrets: []auth.Secret{current}}, ""},
			{"the next rotation", auth.Config{Secrets: []auth.Secret{next, current}}, ""},
			{"a process that was forgotten", auth.Config{Secrets: []auth.Secret{old}}, "secrets"},
			{"the others again", auth.Config{Secrets: []auth.Secret{next}}, "secrets"},
			{"another issuer", auth.Config{Secrets: []auth.Secret{next}, Issuer: "staging", Audience: "auth"}, "issuer"},
			{"that issuer stays", auth.Config{Secrets: []auth.Secret{next}, Issuer: "staging", Audience: "auth"}, ""},
			{"another audience and prefix", auth.Config{Secrets: []auth.Secret{next}, Issuer: "staging", Audience: "app", APIKeyPrefix: "sk_test_"}, "audience, api_key_prefix"},
			{"another type of token", auth.Config{Secrets: []auth.Secret{next}, Issuer: "staging", Audience: "app", APIKeyPrefix: "sk_test_", TokenType: "JWT"}, "token_type"},
			{"everything is another", auth.Config{Secrets: []auth.Secret{foreign}}, "secrets, issuer, audience, api_key_prefix, token_type"},
			{"other roles", auth.Config{Secrets: []auth.Secret{foreign}, Roles: []string{"viewer", "admin", "owner"}, FirstRole: "owner"}, "first_role, roles"},
			{"those roles stay", auth.Config{Secrets: []auth.Secret{foreign}, Roles: []string{"viewer", "admin", "owner"}, FirstRole: "owner"}, ""},
			{"the usual roles by their names", auth.Config{Secrets: []auth.Secret{foreign}, Roles: []string{"member", "admin"}, FirstRole: "admin"}, "first_role, roles"},
			{"the usual type by its name", auth.Config{Secrets: []auth.Secret{foreign}, TokenType: "at+jwt"}, ""},
		} {
			log := &lockedBuffer{}
			start.cfg.Logger = log.logger()
			h := authtest.With(t, s, start.cfg)
			auth.AwaitBackground(h.Manager)
			u, err := signUp(h.Manager, strings.ReplaceAll(start.what, " ", ".")+"@example.com")
			if err != nil || u.ID == "" {
				t.Errorf("%s: it does not work: %v", start.what, err)
			}
			if err := h.Close(); err != nil {
				t.Fatal(err)
			}
			var told []string
			for _, e := range h.Events.All() {
				if e.Type == auth.EventStoreMismatch {
					told = append(told, e.Reason)
					if e.Actor != "manager" || e.Time.IsZero() {
						t.Errorf("%s: %+v", start.what, e)
					}
				}
			}
			if got := strings.Join(told, ", "); got != start.want || strings.Count(log.String(), "level=ERROR") != len(told) {
				t.Errorf("%s: told %q, want %q; logged: %s", start.what, got, start.want, log)
			}
		}
		items, err := s.List(t.Context(), "m.auth/", "", 10)
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []auth.Secret{old, current, next, foreign} {
			if slices.ContainsFunc(items, func(it store.Item) bool { return holds(it.Value, string(secret)) != "" }) {
				t.Error("the store has a secret")
			}
		}
	})
}

// ST-11. A program beside the service has the service's settings, and finds out before it changes
// anything that its secret is another.
func TestAProgramBesideTheServiceIsConfiguredAsTheServiceIs(t *testing.T) {
	const old, current, foreign auth.Secret = "the old secret, with 32 bytes or more", "the current secret, 32 bytes or more", "a secret of other people, 32 bytes or more"
	eachStore(t, func(t *testing.T, s store.Store) {
		if cfg, err := auth.SharedConfig(t.Context(), s, foreign); err != nil || !reflect.DeepEqual(cfg, auth.Config{Secrets: []auth.Secret{foreign}}) {
			t.Errorf("on a store that nobody has used: %+v, %v", cfg, err)
		}
		service := auth.Config{
			Secrets: []auth.Secret{current, old}, Issuer: "staging", Audience: "app", APIKeyPrefix: "sk_test_", TokenType: "JWT",
			FirstRole: "owner", Roles: []string{"viewer", "admin", "owner"},
		}
		h := authtest.With(t, s, service)
		auth.AwaitBackground(h.Manager)
		for _, c := range []struct {
			secrets []auth.Secret
			fits    bool
		}{
			{[]auth.Secret{current}, true},
			{[]auth.Secret{old, foreign}, true},
			{[]auth.Secret{foreign}, false},
			{[]auth.Secret{foreign, current}, false}, // it would seal with the first
			{nil, false},
			{[]auth.Secret{"short"}, false},
		} {
			for range 2 {
				cfg, err := auth.SharedConfig(t.Context(), s, c.secrets...)
				want := auth.Config{}
				if c.fits {
					want = service
					want.Secrets = c.secrets
				}
				if (err == nil) != c.fits || !reflect.DeepEqual(cfg, want) {
					t.Errorf("%d secrets, %v: %+v, %v", len(c.secrets), c.fits, cfg, err)
				}
			}
		}
		tap := newTapStore(s)
		tap.cutOff(1, false)
		if _, err := auth.SharedConfig(t.Context(), tap, foreign); !errors.Is(err, auth.ErrUnavailable) {
			t.Errorf("a store that does not answer: %v, want ErrUnavailable", err)
		}
		if _, err := auth.SharedConfig(t.Context(), s, foreign); err == nil || errors.Is(err, auth.ErrUnavailable) {
			t.Errorf("a wrong secret: %v, want another error", err)
		}
		cfg, err := auth.SharedConfig(t.Context(), s, current)
		if err != nil {
			t.Fatal(err)
		}
		beside := authtest.With(t, s, cfg)
		auth.AwaitBackground(beside.Manager)
		again := authtest.With(t, s, service)
		auth.AwaitBackground(again.Manager)
		for _, h := range []*authtest.Harness{beside, again} {
			if slices.ContainsFunc(h.Events.All(), func(e auth.Event) bool { return e.Type == auth.EventStoreMismatch }) {
				t.Error("it passes for a change of the service's")
			}
		}
	})
}
