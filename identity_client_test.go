//go:build !race

package auth_test

import (
	"context"
	"runtime"
	"strings"
	"testing"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
)

// allocated returns how many bytes one of n calls of f allocates.
func allocated(n int, f func()) int {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range n {
		f()
	}
	runtime.ReadMemStats(&after)
	return int(after.TotalAlloc-before.TotalAlloc) / n
}

// DO-2, LO-3: the budgets of a caller come before a copy of what it sent.
func TestARefusalCopiesNothingLong(t *testing.T) {
	h := authtest.New(t)
	long := strings.Repeat("\xffa", 450_000)
	for name, refuse := range map[string]func(ctx context.Context, text string){
		"client": func(ctx context.Context, text string) {
			_, _ = h.VerifyAccessToken(auth.WithClient(ctx, auth.Client{UserAgent: text, RequestID: text}), "nonsense")
		},
		"token":      func(ctx context.Context, text string) { _, _ = h.VerifyAccessToken(ctx, auth.Secret(text)) },
		"key":        func(ctx context.Context, text string) { _, _ = h.VerifyAPIKey(ctx, auth.Secret(text)) },
		"refresh":    func(ctx context.Context, text string) { _, _ = h.Refresh(ctx, auth.Secret(text)) },
		"temp token": func(ctx context.Context, text string) { _, _ = h.VerifyTwoFactor(ctx, auth.Secret(text), noCode) },
		"address":    func(ctx context.Context, text string) { _, _ = h.Login(ctx, text, "a wrong one") },
		"reason":     func(ctx context.Context, text string) { h.ReportDenied(ctx, auth.Identity{}, text) },
		"actor":      func(ctx context.Context, text string) { _ = h.UnlockUser(auth.WithActor(ctx, text), "nobody") },
	} {
		short := allocated(50, func() { refuse(t.Context(), "x") })
		if got := allocated(50, func() { refuse(t.Context(), long) }); got > short+16<<10 {
			t.Errorf("%s: %d bytes are allocated, with a short text %d", name, got, short)
		}
	}
}

// A queue keeps the context of each call that waits. So a thousand calls must not keep a
// thousand long headers.
func TestAContextKeepsNothingLongOfItsClient(t *testing.T) {
	long := strings.Repeat("ü", 450_000)
	c := auth.ClientFrom(auth.WithClient(t.Context(), auth.Client{UserAgent: long, RequestID: long}))
	if len(c.UserAgent) != 800 || len(c.RequestID) != 400 {
		t.Errorf("%d and %d bytes are kept", len(c.UserAgent), len(c.RequestID))
	}
}
