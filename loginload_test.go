//go:build unix

package auth_test

import (
	"context"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/argon2"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/internal/cputime"
	"github.com/datixlab/auth/internal/ratio"
)

// 64 clients that log in at once, beside Argon2id alone in as many goroutines as there
// are cores, with a token checked every millisecond meanwhile. The marks: Argon2id takes
// 0.9 of a login or more, the heap stays below 100 MiB at its peak, which takes
// GOMEMLIMIT=90MiB, and a check takes 20 ms or less in 99 of 100 cases. "cpu" is the ratio
// of processor times, which says more where other programs keep the machine busy.
func BenchmarkLoginUnderLoad(b *testing.B) {
	const clients, hashes = 64, 16
	benchEachStore(b, auth.Config{PasswordHash: realHash, HashWait: time.Minute}, func(b *testing.B, h *authtest.Harness) {
		ctx, token := context.Background(), auth.Secret(h.Register().Token())
		users := make([]*authtest.User, 8)
		for i := range users {
			users[i] = h.Register()
		}
		inGoroutines := func(n int, do func(i int)) {
			var all sync.WaitGroup
			for i := range n {
				all.Go(func() { do(i) })
			}
			all.Wait()
		}
		var cpu [2]time.Duration
		onCPU := func(i int, do func()) func() {
			return func() {
				before := cputime.Used(b)
				do()
				cpu[i] += cputime.Used(b) - before
			}
		}
		var left atomic.Int64
		var peak uint64
		var checks []float64
		ratio.Bench(b,
			ratio.Call{Name: "login", N: clients, Do: onCPU(0, func() {
				debug.FreeOSMemory()
				over, stopped := make(chan struct{}), make(chan struct{})
				go func() {
					defer close(stopped)
					peak, checks = watch(b, over, peak, checks, func() error { _, err := h.VerifyAccessToken(ctx, token); return err })
				}()
				inGoroutines(clients, func(i int) {
					if _, err := h.Login(ctx, users[i%len(users)].Email, authtest.Password); err != nil {
						b.Error(err)
					}
				})
				close(over)
				<-stopped
			})},
			ratio.Call{Name: "argon2id", N: hashes, Do: onCPU(1, func() {
				left.Store(hashes)
				inGoroutines(runtime.GOMAXPROCS(0), func(int) {
					for left.Add(-1) >= 0 {
						argon2.IDKey([]byte(authtest.Password), []byte("sixteen bytes ok"), realHash.Time, realHash.Memory, realHash.Threads, 32)
					}
				})
			})})
		b.ReportMetric(float64(cpu[1])/hashes/(float64(cpu[0])/clients), "cpu-argon2id/login")
		slices.Sort(checks)
		b.ReportMetric(float64(peak)/(1<<20), "peak-MiB")
		b.ReportMetric(checks[len(checks)*99/100], "p99-ms/check")
	})
}

// watch calls check every millisecond until over is closed, and returns the largest heap
// that it saw, bytes in use, dead or free that were not given back, and the milliseconds
// that each call took.
func watch(b *testing.B, over <-chan struct{}, peak uint64, took []float64, check func() error) (uint64, []float64) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-over:
			return peak, took
		case <-tick.C:
		}
		begin := time.Now()
		if err := check(); err != nil {
			b.Error(err)
		}
		took = append(took, float64(time.Since(begin))/1e6)
		samples := []metrics.Sample{
			{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/unused:bytes"},
			{Name: "/memory/classes/heap/free:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"},
		}
		metrics.Read(samples)
		total := uint64(0)
		for _, s := range samples {
			total += s.Value.Uint64()
		}
		peak = max(peak, total)
	}
}
