//go:build scale

package redisstore_test

import (
	"context"
	"flag"
	"fmt"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/internal/redistest"
	"github.com/datixlab/auth/store"
)

var (
	users    = flag.Int("users", 200_000, "how many accounts to make")
	listpack = flag.Int("listpack", 64, "the server's zset-max-listpack-value")
)

// TestBytesPerRecord prints what the package comment says under Sizing.
func TestBytesPerRecord(t *testing.T) {
	if !redistest.Available(t) {
		return
	}
	redis := redistest.Start(t, "--zset-max-listpack-value", strconv.Itoa(*listpack))
	u := at(redis.Addr())
	u.ReadTimeout, u.PoolTimeout = time.Second, time.Second // the machine is busy
	s := mustOpen(t, u, fresh())
	wide := store.Limit{Burst: 1_000_000, Every: time.Microsecond}
	m, err := auth.New(s, auth.Config{
		Secrets: []auth.Secret{"a root secret that only tests use: 0123456789"}, Issuer: "Sizing", Logger: quiet,
		InsecureCheapHashing: true, PasswordHash: auth.HashParams{Memory: 8, Time: 1, Threads: 1}, HashSlots: 8, HashQueue: 1000,
		HashWait: time.Minute, StoreTimeout: time.Minute,
		Limits: auth.Limits{
			LoginByAddress: wide, LoginByAccountAddress: wide, LoginByAccount: wide, RegisterByAddress: wide,
			CodeByAccount: wide, APIKeyByAccount: wide,
		},
	})
	must(t, err)
	defer m.Close()
	ctx := auth.WithClient(ever, auth.Client{
		Addr:      netip.MustParseAddr("203.0.113.77"),
		UserAgent: "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
	})

	used := func(field string) int {
		n, err := strconv.Atoi(redis.Field("memory", field))
		must(t, err)
		return n
	}
	ids := make([]auth.Identity, *users)
	email := func(i int) string { return fmt.Sprintf("firstname.lastname%07d@example.com", i) }
	logIn := func(i int) error {
		r, err := m.Login(ctx, email(i), authtest.Password)
		if err != nil {
			return err
		}
		ids[i], err = m.VerifyAccessToken(ctx, r.AccessToken.Token)
		return err
	}
	makeKey := func(i int) error {
		_, _, err := m.CreateAPIKey(ctx, ids[i], auth.NewAPIKey{Name: "Production", Description: "The nightly export"})
		return err
	}
	before := used("used_memory")
	counters, counted := 0, 0
	for _, phase := range []struct {
		what string
		n    int
		do   func(i int) error
	}{
		{"user", *users, func(i int) error {
			_, err := m.Register(ctx, auth.Registration{
				Email: email(i), Password: authtest.Password, FullName: fmt.Sprintf("Firstname Lastname%07d", i), OrganizationName: "Example Company",
			})
			return err
		}},
		{"first session", *users, logIn},
		{"further session", *users, logIn},
		{"first API key", *users, makeKey},
		{"further API key", *users, makeKey},
		{"second factor", *users / 100, func(i int) error {
			e, err := m.EnableTwoFactor(ctx, ids[i], "")
			if err != nil {
				return err
			}
			return m.ConfirmTwoFactor(ctx, ids[i], auth.Secret(authtest.TOTPCode(e.Secret, time.Now())))
		}},
	} {
		was, begin := used("used_memory"), time.Now()
		must(t, manyTimes(phase.n, phase.do))
		took, all := time.Since(begin), used("used_memory")
		counters += dropCounters(redis)
		kept := used("used_memory")
		counted += all - kept
		fmt.Fprintf(t.Output(), "%-16s %5d bytes each, of %d in %v\n", phase.what, (kept-was)/phase.n, phase.n, took.Round(time.Second))
	}
	fmt.Fprintf(t.Output(), "%-16s %5d bytes each, of %d\n", "counter", counted/max(1, counters), counters)
	fmt.Fprintf(t.Output(), "in all %d MB used, %d MB resident, %v keys\n", (used("used_memory")-before)>>20, used("used_memory_rss")>>20, redis.Do("dbsize"))
}

// dropCounters removes every counter, which comes and goes, and returns how many.
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

// manyTimes calls f with 0 to n-1, a few at a time, until one fails.
func manyTimes(n int, f func(i int) error) error {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	var next atomic.Int64
	var all sync.WaitGroup
	for range 16 { // as many as there are connections in the pool, or fewer
		all.Go(func() {
			for i := next.Add(1) - 1; i < int64(n) && ctx.Err() == nil; i = next.Add(1) - 1 {
				if err := f(int(i)); err != nil {
					cancel(err)
				}
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}
