package httpauth_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/datixlab/auth/httpauth"
	"github.com/datixlab/auth/internal/pgtest"
	"github.com/datixlab/auth/internal/redistest"
	"github.com/datixlab/auth/internal/servertest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/pgstore"
)

// onRedisServer returns a fixture on this server.
func onRedisServer(t *testing.T, server *redistest.Server) *fixture {
	t.Helper()
	return newFixture(t, setup{begin: time.Now(), store: func(t *testing.T, _ func() time.Time) store.Store {
		return openRedis(t, redis.UniversalOptions{Addrs: []string{server.Addr()}})
	}})
}

// onEachServer runs a test on a server of its own of each engine that is one. A store says soon
// that it hangs.
func onEachServer(t *testing.T, test func(t *testing.T, server servertest.Server, f *fixture, soon time.Duration)) {
	t.Helper()
	if redistest.Available(t) {
		t.Run("redis", func(t *testing.T) {
			server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
			test(t, server.Server, onRedisServer(t, server), time.Second)
		})
	}
	if pgtest.Available(t) {
		t.Run("postgres", func(t *testing.T) {
			server := pgtest.Start(t)
			f := newFixture(t, setup{begin: time.Now(), store: func(t *testing.T, _ func() time.Time) store.Store {
				config, err := pgstore.ParseURL(server.URL())
				if err != nil {
					t.Fatal(err)
				}
				s, err := pgstore.OpenOrCreate(t.Context(), config, pgstore.Options{Logger: slog.New(slog.DiscardHandler)})
				if err != nil {
					t.Fatal(err)
				}
				return s
			}})
			test(t, server.Server, f, 1800*time.Millisecond)
		})
	}
}

// wantBack fails the test unless a token, a key, a login and a registration work again
// within two seconds.
func (f *fixture) wantBack(token, key string) {
	f.t.Helper()
	took := servertest.Within(f.t, 2*time.Second, func() error {
		if a := f.call("GET", "/me", nil, bearer(token)); a.status != http.StatusOK {
			return fmt.Errorf("%s: %d", a.what, a.status)
		}
		return nil
	})
	f.t.Logf("served again after %v", took.Round(time.Millisecond))
	f.call("GET", "/me", nil, bearer(key)).want(200)
	f.login("ada@example.com")
	f.account("new@example.com")
	guarded(f, nil, bearer(key)).want(200)
}

// On a server that is not there: nothing is decided, and that at once.
func TestAServerThatIsDownIsUnavailableWithinASecond(t *testing.T) {
	onEachServer(t, testDown)
}

func testDown(t *testing.T, server servertest.Server, f *fixture, _ time.Duration) {
	token := f.account("ada@example.com")
	_, key := f.apiKey(token)
	f.login("ada@example.com")

	server.Kill()
	var slowest time.Duration
	for _, c := range touching(token, key) {
		begin := time.Now()
		a := f.call(c.method, c.path, c.body, c.credential).want(503, httpauth.CodeUnavailable)
		took := time.Since(begin)
		slowest = max(slowest, took)
		if took > time.Second {
			t.Errorf("%s: answered after %v", a.what, took)
		}
		if strings.Contains(a.raw, "store") || strings.Contains(a.raw, "127.0.0.1") {
			t.Errorf("%s: %s", a.what, a.raw)
		}
	}
	guarded(f, nil, bearer(token)).want(503, httpauth.CodeUnavailable)
	t.Logf("the slowest answer took %v", slowest.Round(time.Millisecond))
	server.Restart()
	f.wantBack(token, key)
}

// DO-3.
// On a server that takes what it is sent and never answers.
func TestAServerThatHangsIsUnavailableAndLeaksNothing(t *testing.T) {
	onEachServer(t, testHang)
}

func testHang(t *testing.T, server servertest.Server, f *fixture, soon time.Duration) {
	token := f.account("ada@example.com")
	_, key := f.apiKey(token)
	calls := touching(token, key)
	atOnce := func(n int) (slowest time.Duration) {
		took := make([]time.Duration, n)
		var wg sync.WaitGroup
		for i := range n {
			c := calls[i%len(calls)]
			wg.Go(func() {
				begin := time.Now()
				a := f.call(c.method, c.path, c.body, c.credential)
				took[i] = time.Since(begin)
				if a.status != http.StatusServiceUnavailable {
					t.Errorf("%s: %d %s", a.what, a.status, a.raw)
				}
			})
		}
		wg.Wait()
		for _, d := range took {
			slowest = max(slowest, d)
		}
		return slowest
	}
	server.Stop()
	slowest := atOnce(len(calls))
	t.Logf("the slowest of %d answers took %v", len(calls), slowest.Round(time.Millisecond))
	if slowest > soon {
		t.Errorf("one call was answered after %v", slowest)
	}
	f.server.Client().CloseIdleConnections()
	goroutines, heap := held()
	const flood = 400
	slowest = atOnce(flood)
	f.server.Client().CloseIdleConnections()
	servertest.Within(t, 3*time.Second, func() error {
		if n, _ := held(); n > goroutines+20 {
			return fmt.Errorf("%d goroutines, of %d before %d requests", n, goroutines, flood)
		}
		return nil
	})
	_, after := held()
	t.Logf("the slowest of %d answers took %v; the heap grew by %d KiB", flood, slowest.Round(time.Millisecond), (after-heap)/1024)
	if slowest > 5*time.Second { // one behind the other on twenty connections, they would take nine
		t.Errorf("of %d requests at once, one was answered after %v", flood, slowest)
	}
	if after > heap+8<<20 {
		t.Errorf("the heap grew by %d KiB", (after-heap)/1024)
	}
	server.Continue()
	f.wantBack(token, key)
}

// held is how many goroutines there are, and how many bytes are in use.
func held() (goroutines, heap int) {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return runtime.NumGoroutine(), int(m.HeapAlloc)
}

// A full server takes nothing new, and one can still leave it.
func TestRedisWithoutMemoryRefusesLoginsAndAcceptsLogouts(t *testing.T) {
	if !redistest.Available(t) {
		return
	}
	server := redistest.Start(t)
	f := onRedisServer(t, server)
	token := f.account("ada@example.com")
	other := f.login("ada@example.com")
	id, key := f.apiKey(token)
	server.Do("config", "set", "maxmemory", "1")

	f.call("POST", "/login", members{"email": "ada@example.com", "password": password}).want(503, httpauth.CodeUnavailable)
	f.call("POST", "/register", members{"email": "new@example.com", "password": password, "full_name": "Ada"}).want(503, httpauth.CodeUnavailable)
	f.call("GET", "/me", nil, bearer(token)).want(200)
	f.call("GET", "/me", nil, bearer(key)).want(200)
	f.call("POST", "/logout", nil, bearer(other)).want(200)
	f.call("GET", "/me", nil, bearer(other)).want(401)
	f.call("GET", "/me", nil, bearer(token)).want(200)
	f.call("DELETE", "/api-keys/"+id, nil, bearer(token)).want(200)
	f.call("GET", "/me", nil, bearer(key)).want(401)
	f.call("POST", "/logout", nil, bearer(token)).want(200)
	f.call("GET", "/me", nil, bearer(token)).want(401)

	server.Do("config", "set", "maxmemory", "0")
	f.login("ada@example.com")
}
