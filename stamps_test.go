package auth_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/memstore"
)

// A mappedStore is the mistake of a wrapper that maps keys: it passes the stamps on for other
// partitions than those that it changes.
type mappedStore struct{ store.Stamper }

func (s mappedStore) Stamp(string) (uint64, bool) { return s.Stamper.Stamp("elsewhere") }

func TestAStoreWhoseStampsAreWrongIsReadEachTime(t *testing.T) {
	log := &lockedBuffer{}
	h := authtest.With(t, mappedStore{memstore.New()}, auth.Config{Logger: log.logger()})
	alice, bob := h.Register(), h.Register()
	token, key := auth.Secret(alice.Token()), auth.Secret(alice.APIKey())
	check := func() error {
		_, byToken := h.VerifyAccessToken(t.Context(), token)
		_, byKey := h.VerifyAPIKey(t.Context(), key)
		return errors.Join(byToken, byKey)
	}
	for range 3 {
		if err := check(); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.DeleteUser(t.Context(), alice.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := h.VerifyAccessToken(t.Context(), token); !errors.Is(err, auth.ErrInvalidToken) {
		t.Errorf("the token of a deleted user: %v", err)
	}
	if _, err := h.VerifyAPIKey(t.Context(), key); !errors.Is(err, auth.ErrInvalidToken) {
		t.Errorf("the API key of a deleted user: %v", err)
	}
	if !verify(t, h.Manager, bob.Token()) {
		t.Error("another user's token is refused")
	}
	if n := strings.Count(log.String(), "stamps do not change"); n != 1 {
		t.Errorf("it is logged %d times: %s", n, log)
	}
}
