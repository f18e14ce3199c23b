//go:build !race

package httpauth_test

import (
	"bytes"
	"context"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/httpauth"
	"github.com/datixlab/auth/store"
)

const (
	hashBytes = 2 << 20  // that a hash allocates in this test: more than the 1.5 MB of the first QR code
	noWork    = 64 << 10 // a request that hashes, draws and copies nothing allocates less
)

// A workMeter is a store that measures what a request has allocated when its first budget is
// charged. What is allocated is the work that a clock would measure, and the same every time.
type workMeter struct {
	store.Store
	mu        sync.Mutex
	refuse    bool   // every budget is used up
	began     uint64 // bytes at the begin of the request
	unpaid    uint64 // bytes until the first charge
	charged   bool
	toAddress int // attempts that are charged to the client's address
}

func (s *workMeter) Hit(ctx context.Context, key string, l store.Limit, n int, now time.Time) (store.Decision, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n > 0 && !s.charged {
		s.charged, s.unpaid = true, allocated()-s.began
	}
	if n > 0 && s.refuse {
		return store.Decision{RetryAfter: time.Hour}, nil
	}
	if n > 0 && strings.HasPrefix(key, "a.") {
		s.toAddress += n
	}
	return s.Store.Hit(ctx, key, l, n, now)
}

func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// measure returns the bytes that f allocates in all, those before its first charge, and the
// attempts that were charged to the client's address.
func (s *workMeter) measure(refuse bool, f func()) (all, unpaid uint64, toAddress int) {
	s.mu.Lock()
	s.refuse, s.charged, s.toAddress, s.began = refuse, false, 0, allocated()
	s.mu.Unlock()
	f()
	s.mu.Lock()
	defer s.mu.Unlock()
	all = allocated() - s.began
	s.refuse = false
	if !s.charged {
		s.unpaid = all
	}
	return all, s.unpaid, s.toAddress
}

// A void is a client that keeps nothing of the answer but its status.
type void struct {
	head   http.Header
	status int
}

func (v *void) Header() http.Header         { return v.head }
func (v *void) Write(p []byte) (int, error) { return len(p), nil }
func (v *void) WriteHeader(status int)      { v.status = status }

// DO-2, F-B3: every mounted route, also one that is added later, since the table of access has
// them all. The client sends text that is recorded or refused, longer than what is kept.
func TestNoRouteWorksBeforeABudgetIsCharged(t *testing.T) {
	meter := &workMeter{}
	f := newFixture(t, setup{
		store: func(t *testing.T, now func() time.Time) store.Store {
			meter.Store = onMemory(t, now)
			return meter
		},
		auth: func(c *auth.Config) {
			c.PasswordHash = auth.HashParams{Memory: hashBytes >> 10, Time: 1, Threads: 1}
			c.APIKeysNeedFreshLogin = true
			c.TwoFactorPolicy.Of = func(u auth.User) bool { return u.Role == "bound" }
			c.Logger = slog.New(slog.DiscardHandler) // a log in memory would grow meanwhile
			c.Events = auth.LogEvents(c.Logger)
		},
		http: func(c *httpauth.Config) {
			c.RequestIDHeader, c.Logger = "X-Request-ID", slog.New(slog.DiscardHandler)
			loopback(c)
		},
	})
	b := &builder{fixture: f, served: f}
	b.regular = b.user().email
	var lines []string
	for _, line := range slices.Sorted(maps.Keys(calls)) {
		if calls[line].rules == nil {
			lines = append(lines, line)
		}
	}
	for _, route := range f.handler.Routes() {
		if !slices.ContainsFunc(lines, func(line string) bool { bare, _, _ := strings.Cut(line, " ("); return bare == route }) {
			t.Errorf("%s is not called", route)
		}
	}
	long := strings.Repeat("\xff\u00ad", 300_000)
	for i, line := range lines {
		for j, who := range []string{"nobody", "temp", "live", "old", "mfa", "enr", "due", "rev", "key", "off"} {
			if testing.Short() && (i+j)%3 != 0 {
				continue
			}
			p := principals[who](b)
			for _, refuse := range []bool{true, false} { // what is refused leaves p as it was
				r := b.request(line, p)
				r.Header.Set("User-Agent", long)
				r.Header.Set("X-Request-ID", long)
				r.Header.Set("Cookie", long)
				r.RemoteAddr = "127.0.0.1:4711"
				r.Header.Set("X-Forwarded-For", "203.0.113.9")
				w := &void{head: http.Header{}}
				all, unpaid, toAddress := meter.measure(refuse, func() { f.handler.ServeHTTP(w, r) })
				if unpaid > noWork {
					t.Errorf("%s as %s: %d bytes of work before a budget is charged, %d", line, who, unpaid, w.status)
				}
				if refuse && all > noWork {
					t.Errorf("%s as %s: %d bytes of work with every budget used up, %d", line, who, all, w.status)
				}
				if hashes := int(all / hashBytes); hashes > toAddress {
					t.Errorf("%s as %s: %d hashes, and %d are charged to the address, %d", line, who, hashes, toAddress, w.status)
				}
			}
		}
	}
}

// request is a line of the table of access, as p sends it.
func (b *builder) request(line string, p principal) *http.Request {
	b.t.Helper()
	route, _, _ := strings.Cut(line, " (")
	method, path, _ := strings.Cut(route, " ")
	var body []byte
	if call := calls[line]; call.body != nil {
		body = []byte(jsonOf(b.t, call.body(b, p)))
	}
	r := httptest.NewRequest(method, strings.NewReplacer("{key_id}", p.object, "{session_id}", p.session, "{device_id}", "device_1").Replace(path), bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	p.with(r)
	return r
}
