package auth_test

import (
	"context"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/boltstore"
	"github.com/datixlab/auth/store/memstore"
)

// For profiles of one path at a time; make bench compares and judges.

func benchEachStore(b *testing.B, bench func(b *testing.B, h *authtest.Harness)) {
	b.Helper()
	unlimited := store.Limit{Burst: 1_000_000, Every: time.Microsecond}
	cfg := auth.Config{Limits: auth.Limits{
		LoginByAddress: unlimited, LoginByAccountAddress: unlimited, LoginByAccount: unlimited,
		RegisterByAddress: unlimited, CodeByAccount: unlimited, APIKeyByAccount: unlimited,
	}}
	b.Run("memory", func(b *testing.B) {
		s := memstore.New()
		defer s.Close()
		bench(b, authtest.With(b, s, cfg))
	})
	b.Run("bolt", func(b *testing.B) {
		s, err := boltstore.OpenOrCreate(filepath.Join(b.TempDir(), "auth.db"), boltstore.Options{})
		if err != nil {
			b.Fatal(err)
		}
		defer s.Close()
		bench(b, authtest.With(b, s, cfg))
	})
}

func BenchmarkVerifyAccessToken(b *testing.B) {
	benchEachStore(b, func(b *testing.B, h *authtest.Harness) {
		token := h.Register().Token()
		ctx := context.Background()
		b.ReportAllocs()
		for b.Loop() {
			if _, err := h.VerifyAccessToken(ctx, auth.Secret(token)); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkVerifyAPIKey(b *testing.B) {
	benchEachStore(b, func(b *testing.B, h *authtest.Harness) {
		key := h.Register().APIKey()
		ctx := auth.WithClient(context.Background(), auth.Client{Addr: netip.MustParseAddr("192.0.2.7")})
		b.ReportAllocs()
		for b.Loop() {
			if _, err := h.VerifyAPIKey(ctx, auth.Secret(key)); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// With hashing that costs nothing: what is left of a login.
func BenchmarkLoginBesidesHashing(b *testing.B) {
	benchEachStore(b, func(b *testing.B, h *authtest.Harness) {
		u := h.Register()
		ctx := context.Background()
		b.ReportAllocs()
		for b.Loop() {
			if _, err := h.Login(ctx, u.Email, authtest.Password); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkRegister(b *testing.B) {
	benchEachStore(b, func(b *testing.B, h *authtest.Harness) {
		ctx := context.Background()
		n := 0
		b.ReportAllocs()
		for b.Loop() {
			n++
			_, err := h.Manager.Register(ctx, auth.Registration{
				Email: "bench" + strconv.Itoa(n) + "@example.com", Password: authtest.Password, FullName: "Bench",
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkEnableTwoFactor(b *testing.B) {
	benchEachStore(b, func(b *testing.B, h *authtest.Harness) {
		id := h.Register().Identity()
		ctx := context.Background()
		b.ReportAllocs()
		for b.Loop() {
			if _, err := h.EnableTwoFactor(ctx, id, ""); err != nil {
				b.Fatal(err)
			}
			refillEnrolments(b, h, id)
		}
	})
}

// refillEnrolments gives back the budget of a user for new second factors, which is ten.
func refillEnrolments(b *testing.B, h *authtest.Harness, id auth.Identity) {
	key := "u." + strings.TrimPrefix(id.User.ID, "user_") + "/newfactor"
	if _, err := h.Store.Hit(context.Background(), key, store.Limit{Burst: 10, Every: 10 * time.Minute}, -10, h.Now()); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkRefresh(b *testing.B) {
	benchEachStore(b, func(b *testing.B, h *authtest.Harness) {
		token := auth.Secret(h.Register().Token())
		ctx := context.Background()
		b.ReportAllocs()
		for b.Loop() {
			next, err := h.Refresh(ctx, auth.Secret(string(token)))
			if err != nil {
				b.Fatal(err)
			}
			token = next.Token
		}
	})
}
