//go:build !race

package auth_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/httpauth"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/boltstore"
	"github.com/datixlab/auth/store/memstore"
)

// What one call of a hot path may allocate, at the most. The race detector allocates
// too and empties pools at random, so make test runs this a second time, without it.
const (
	allocsAgain = 0 // VerifyAccessToken and VerifyAPIKey of what was checked before, on memory and bbolt
	allocsKnown = 0 // VerifyAccessToken of a token that was not, of a session that was, HS256

	allocsFirstTokenMemory = 3 // VerifyAccessToken where nothing is remembered, HS256
	allocsFirstTokenBolt   = 13
	allocsFirstKeyMemory   = 4 // VerifyAPIKey
	allocsFirstKeyBolt     = 15

	allocsVerifierEdDSA = 22 // Verifier.Verify
	allocsVerifierES256 = 46
	allocsVerifierRS256 = 33

	allocsGuard   = 3 // httpauth's Require, besides those of what it guards
	allocsProfile = 3 // GET /me, besides those of a handler that writes one header and a body

	allocsHit = 0 // Store.Hit
)

func TestHotPathsKeepToTheirAllocations(t *testing.T) {
	ctx := auth.WithClient(context.Background(), auth.Client{Addr: netip.MustParseAddr("192.0.2.7")})
	// What is written behind meanwhile is counted as well: the least of some counts is the call's own.
	count := func(call func() error) float64 {
		t.Helper()
		least := math.Inf(1)
		for range 10 {
			least = min(least, testing.AllocsPerRun(100, func() {
				if err := call(); err != nil {
					t.Fatal(err)
				}
			}))
		}
		return least
	}
	within := func(most float64, path string, got float64) {
		t.Helper()
		if got > most {
			t.Errorf("%s allocates %v times, more than %v", path, got, most)
		}
	}
	token := func(h *authtest.Harness) float64 {
		t.Helper()
		text := auth.Secret(h.Register().Token())
		return count(func() error { _, err := h.VerifyAccessToken(ctx, text); return err })
	}
	key := func(h *authtest.Harness) float64 {
		t.Helper()
		text := auth.Secret(h.Register().APIKey())
		return count(func() error { _, err := h.VerifyAPIKey(ctx, text); return err })
	}
	// With MaxRemembered 1 all tokens share one set: of several in turn none is seen twice
	// in a row, and so none is remembered.
	known := func(s store.Store) float64 {
		t.Helper()
		h := authtest.With(t, s, auth.Config{MaxRemembered: 1, RefreshGrace: time.Minute})
		tokens := []auth.Secret{auth.Secret(h.Register().Token())}
		for len(tokens) < 3 {
			fresh, err := h.Refresh(ctx, tokens[len(tokens)-1])
			if err != nil {
				t.Fatal(err)
			}
			tokens = append(tokens, fresh.Token)
		}
		turn := 0
		return count(func() error {
			turn++
			_, err := h.VerifyAccessToken(ctx, tokens[turn%len(tokens)])
			return err
		})
	}
	hit := func(s store.Store) float64 {
		t.Helper()
		limit := store.Limit{Burst: 1_000_000, Every: time.Microsecond}
		return count(func() error { _, err := s.Hit(ctx, "login/somebody", limit, 1, time.Now()); return err })
	}

	bolt := func(name string) store.Store {
		s, err := boltstore.OpenOrCreate(filepath.Join(t.TempDir(), name), boltstore.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
	forgetful := auth.Config{MaxRemembered: -1}
	memory := authtest.With(t, memstore.New(), auth.Config{})
	within(allocsAgain, "a token on memory", token(memory))
	within(allocsAgain, "a key on memory", key(memory))
	within(allocsKnown, "a token of a session that is known, on memory", known(memstore.New()))
	within(allocsHit, "a hit on memory", hit(memory.Store))
	first := authtest.With(t, memstore.New(), forgetful)
	within(allocsFirstTokenMemory, "a token that is seen first, on memory", token(first))
	within(allocsFirstKeyMemory, "a key that is seen first, on memory", key(first))

	onBolt := authtest.With(t, bolt("again.db"), auth.Config{})
	within(allocsAgain, "a token on bbolt", token(onBolt))
	within(allocsAgain, "a key on bbolt", key(onBolt))
	within(allocsKnown, "a token of a session that is known, on bbolt", known(bolt("known.db")))
	within(allocsHit, "a hit on bbolt", hit(onBolt.Store))
	first = authtest.With(t, bolt("first.db"), forgetful)
	within(allocsFirstTokenBolt, "a token that is seen first, on bbolt", token(first))
	within(allocsFirstKeyBolt, "a key that is seen first, on bbolt", key(first))

	verifiers := map[string]float64{"EdDSA": allocsVerifierEdDSA, "ES256": allocsVerifierES256, "RS256": allocsVerifierRS256}
	for alg, signer := range signers() {
		h := authtest.With(t, memstore.New(), signedBy(signer))
		within(allocsAgain, alg, token(h))
		v, text := verifierOf(t, h), auth.Secret(h.Register().Token())
		within(verifiers[alg], alg+" by a Verifier", count(func() error { _, err := v.Verify(text); return err }))
	}

	handler, err := httpauth.New(memory.Manager, httpauth.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	bare := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello\n") })
	serve := func(h http.Handler, credential string) float64 {
		t.Helper()
		r := httptest.NewRequest(http.MethodGet, "/me", http.NoBody)
		r.Header.Set("Authorization", "Bearer "+credential)
		return count(func() error {
			w := httptest.NewRecorder()
			if h.ServeHTTP(w, r); w.Code != http.StatusOK {
				return fmt.Errorf("status %d", w.Code)
			}
			return nil
		})
	}
	user, guarded := memory.Register(), handler.Require()(bare)
	within(allocsGuard, "Require with a token", serve(guarded, user.Token())-serve(bare, ""))
	within(allocsGuard, "Require with a key", serve(guarded, user.APIKey())-serve(bare, ""))
	within(allocsProfile, "GET /me with a token", serve(handler, user.Token())-serve(bare, ""))
	within(allocsProfile, "GET /me with a key", serve(handler, user.APIKey())-serve(bare, ""))
}
