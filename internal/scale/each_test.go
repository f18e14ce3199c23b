//go:build scale && linux

package scale

import (
	"context"
	"flag"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/internal/redistest"
	"github.com/datixlab/auth/store"
)

var each = flag.Int("each", 100_000, "of how many users to measure what each record takes")

// TestBytesOfEach prints how many bytes an account, a session and an API key take, with
// all that is written for it. A Manager makes them on the store itself.
func TestBytesOfEach(t *testing.T) {
	p := newPlace(t)
	ids := make([]auth.Identity, *each)
	session := func(m *auth.Manager, i int) (err error) {
		_, ids[i], err = logIn(m, i)
		return err
	}
	key := func(m *auth.Manager, i int) error {
		_, _, err := makeKey(m, ids[i])
		return err
	}
	counters, counted := 0, int64(0)
	p.open(t).Close()
	_, was := p.size(t)
	fmt.Fprintf(t.Output(), "| of %s users | bytes each |\n|---|---:|\n", thousands(*each))
	for _, phase := range []struct {
		what string
		n    int
		do   func(m *auth.Manager, i int) error
	}{
		{"an account", *each, func(m *auth.Manager, i int) error { _, err := register(m, i); return err }},
		{"its first session", *each, session},
		{"each further session", *each, session},
		{"its first API key", *each, key},
		{"each further API key", *each, key},
		{"a second factor", *each / 100, func(m *auth.Manager, i int) error {
			e, err := m.EnableTwoFactor(client, ids[i], authtest.Password)
			if err != nil {
				return err
			}
			return m.ConfirmTwoFactor(client, ids[i], auth.Secret(authtest.TOTPCode(e.Secret, time.Now())))
		}},
	} {
		s := p.open(t)
		m, err := newManager(uncounted{s, p.kind == "bolt"}, nil)
		must(t, err)
		must(t, manyTimes(p.writers, phase.n, func(i int) error { return phase.do(m, i) }))
		must(t, m.Close())
		must(t, s.Close())
		_, used := p.size(t)
		if p.kind == "redis" {
			all := used
			counters += dropCounters(p.redis)
			_, used = p.size(t)
			counted += all - used
		}
		fmt.Fprintf(t.Output(), "| %s | %s |\n", phase.what, thousands(int(used-was)/phase.n))
		was = used
	}
	if p.kind == "postgres" {
		n, err := strconv.Atoi(p.postgres.Query("SELECT count(*) FROM auth_store.counters"))
		must(t, err)
		counters = n
		for _, r := range p.relations(t) {
			if r.Name == "counters" {
				counted = r.Table + r.Indexes
			}
		}
	}
	if counters > 0 {
		fmt.Fprintf(t.Output(), "| a counter, of %s | %d |\n", thousands(counters), int(counted)/counters)
	}
}

// uncounted is a store that counts no attempts, if on: what comes and goes takes room in
// a file, and cannot be distinguished from the rest.
type uncounted struct {
	store.Store
	on bool
}

// Hit implements store.Store.
func (u uncounted) Hit(ctx context.Context, key string, l store.Limit, n int, now time.Time) (store.Decision, error) {
	if u.on {
		return store.Decision{OK: true, Left: l.Burst}, nil
	}
	return u.Store.Hit(ctx, key, l, n, now)
}

// dropCounters removes every counter and returns how many there were.
func dropCounters(redis *redistest.Server) (n int) {
	const some = `local r = redis.call('SCAN', ARGV[1], 'MATCH', '*}/*', 'COUNT', 10000)
		for _, key in ipairs(r[2]) do redis.call('DEL', key) end
		return { r[1], #r[2] }`
	for at := any("0"); ; {
		r := redis.Do("eval", some, 0, at).([]any)
		n += int(r[1].(int64))
		if at = r[0]; at == "0" {
			return n
		}
	}
}
