//go:build unix && !race

package httpauth_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/internal/cputime"
)

// A flood is what 500 logins at once, at the default cost of a hash, did.
type flood struct {
	statuses map[int]int
	shed     time.Duration // the longest that one waited for its 503
	memory   uint64        // bytes from the system, at the peak, without what was there before
	token    time.Duration // median of checking a token meanwhile
	key      time.Duration // and a key
	checks   int
	failed   int     // of these, for the store could not say
	share    float64 // of the processors that the process had for itself
}

const flooding = 500

// heap returns the bytes of the process's heap: in use, dead or free, as long as they
// were not given back.
func heap() uint64 {
	samples := []metrics.Sample{
		{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/unused:bytes"},
		{Name: "/memory/classes/heap/free:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"},
	}
	metrics.Read(samples)
	total := uint64(0)
	for _, s := range samples {
		total += s.Value.Uint64()
	}
	return total
}

func (f *fixture) flood(token, key string) (got flood) {
	t := f.t
	debug.FreeOSMemory()
	before := heap()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: flooding}}
	defer client.CloseIdleConnections()

	var mu sync.Mutex
	var senders, watcher sync.WaitGroup
	start, over := make(chan struct{}), make(chan struct{})
	got.statuses = map[int]int{}
	for i := range flooding {
		senders.Go(func() {
			body := fmt.Sprintf(`{"email":"stranger%d@example.com","password":"wrong password %d"}`, i, i)
			<-start
			began := time.Now()
			r, err := client.Post(f.server.URL+mount+"/login", "application/json", strings.NewReader(body))
			if err != nil {
				t.Error(err)
				return
			}
			defer r.Body.Close()
			_, _ = io.Copy(io.Discard, r.Body)
			took := time.Since(began)
			mu.Lock()
			defer mu.Unlock()
			got.statuses[r.StatusCode]++
			if r.StatusCode == http.StatusServiceUnavailable {
				got.shed = max(got.shed, took)
				if after, err := strconv.Atoi(r.Header.Get("Retry-After")); err != nil || after < 1 {
					t.Errorf("Retry-After is %q", r.Header.Get("Retry-After"))
				}
			}
		})
	}
	watcher.Go(func() {
		var tokens, keys []time.Duration
		timed := func(check func() error) time.Duration {
			began := time.Now()
			switch err := check(); {
			case errors.Is(err, auth.ErrUnavailable):
				got.failed++
				return time.Hour
			case err != nil:
				t.Error(err)
			}
			return time.Since(began)
		}
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-over:
				got.token, got.key, got.checks = median(tokens), median(keys), len(tokens)
				return
			case <-tick.C:
			}
			got.memory = max(got.memory, heap()-min(before, heap()))
			tokens = append(tokens, timed(func() error { _, err := f.manager.VerifyAccessToken(t.Context(), auth.Secret(token)); return err }))
			keys = append(keys, timed(func() error { _, err := f.manager.VerifyAPIKey(t.Context(), auth.Secret(key)); return err }))
		}
	})
	began, used := time.Now(), cputime.Used(t)
	close(start)
	senders.Wait()
	got.share = float64(cputime.Used(t)-used) / float64(runtime.GOMAXPROCS(0)) / float64(time.Since(began))
	close(over)
	watcher.Wait()
	return got
}

func median(d []time.Duration) time.Duration {
	if len(d) == 0 {
		return 0
	}
	slices.Sort(d)
	return d[len(d)/2]
}

// 500 strangers at once cost no more memory than there are slots; a client that is shed hears
// of it soon; and clients with a session notice nothing. A flood keeps every processor
// busy, so the share of them that the process got says how much else the machine had to
// do: times are measured in those of a machine of its own.
func TestAFloodOfLoginsIsShedAndOtherRequestsAreServed(t *testing.T) {
	each := func(t *testing.T, s setup) {
		s.auth = func(c *auth.Config) { // the default cost, slots and queue, and budgets that shed no client
			c.InsecureCheapHashing, c.PasswordHash = false, auth.HashParams{}
			c.HashSlots = 2
			c.Limits.LoginByAccountAddress, c.Limits.LoginByAccount = c.Limits.LoginByAddress, c.Limits.LoginByAddress
		}
		f := newFixture(t, s)
		token := f.account("ada@example.com")
		_, key := f.apiKey(token)
		const tries = 3 // what else the machine does may spoil one
		for try := 1; ; try++ {
			got := f.flood(token, key)
			t.Logf("%v, shed within %v, %d MiB, token %v, key %v, in %d checks, %d failed, with %.0f %% of %d processors",
				got.statuses, got.shed, got.memory>>20, got.token, got.key, got.checks, got.failed, 100*got.share, runtime.GOMAXPROCS(0))
			own := func(d time.Duration) time.Duration { return time.Duration(float64(d) * min(got.share, 1)) }
			if got.statuses[401]+got.statuses[503] != flooding || got.statuses[401] == 0 || got.statuses[503] == 0 {
				t.Fatalf("statuses are %v", got.statuses)
			}
			if got.checks == 0 {
				t.Fatal("nothing was checked meanwhile")
			}
			if got.failed*10 <= got.checks && got.memory < 300<<20 && own(got.shed) <= 3*time.Second && own(got.token) < time.Millisecond && own(got.key) < time.Millisecond {
				return
			}
			if try == tries {
				t.Fatalf("%d times of %d: more than 300 MiB, 3s, 1ms or one check in ten that failed", tries, tries)
			}
		}
	}
	onSetups(t, true, false, each) // for a check, PostgreSQL needs a processor for longer than is allowed here
}
