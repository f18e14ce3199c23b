package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/argon2"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
)

const (
	loginTime    = 2 * time.Second // length of a sample
	loginClients = 64
	checkEvery   = 2 * time.Millisecond
)

// realHash is the default of Config.PasswordHash.
var realHash = auth.HashParams{Memory: 19456, Time: 2, Threads: 1}

// A jobResult is the result of a process that did nothing but the job.
type jobResult struct {
	Each  float64 // ns, from one login or hash to the next
	Peak  float64 // MiB resident at the most
	Check float64 // ms, the 99th percentile of the token checks
}

// logins run in a process of their own, and so do the subjects that they are compared
// with: the memory of this process does not count for them.
func logins(*fixture) []*subject {
	var hashing, login, one jobResult
	const floor = "Argon2id alone on the cores"
	sample := func(job string, r *jobResult) func() float64 {
		return func() float64 {
			program, err := os.Executable()
			must(err)
			cmd := exec.Command(program, "-child", job) //nolint:gosec // this program
			cmd.Stderr = os.Stderr
			out, err := cmd.Output()
			must(err)
			must(json.Unmarshal(out, r))
			return r.Each
		}
	}
	return []*subject{
		{name: floor, rate: true, sample: sample("argon2id", &hashing)},
		{name: floor + ", peak memory", unit: "MiB", read: func() float64 { return hashing.Peak }},
		{name: "Login, memory", rate: true, sample: sample("login", &login), of: floor, mark: fasterBy(0.9)},
		{name: "peak memory", unit: "MiB", read: func() float64 { return login.Peak }, mark: limit(100)},
		{name: "p99 of token checks meanwhile, from when they were due", unit: "ms", read: func() float64 { return login.Check }, mark: limit(20)},
		{name: "Login to one account, memory", rate: true, sample: sample("login one", &one), of: floor, mark: fasterBy(0.9)},
	}
}

// runJob is the main function of the process of a sample.
func runJob(name string) {
	if serve, ok := profileServers[name]; ok {
		serveProfiles(serve)
		return
	}
	var r jobResult
	switch name {
	case "login":
		r = loginJob(loginClients)
	case "login one":
		r = loginJob(1)
	default:
		r.Each = repeat(runtime.GOMAXPROCS(0), func(int) bool {
			argon2.IDKey([]byte(authtest.Password), []byte("sixteen bytes ok"), realHash.Time, realHash.Memory, realHash.Threads, 32)
			return true
		})
	}
	peak, err := strconv.ParseFloat(strings.TrimSuffix(field("/proc/self/status", "VmHWM"), " kB"), 64)
	must(err)
	r.Peak = peak / 1024
	must(json.NewEncoder(os.Stdout).Encode(r))
}

// repeat makes goroutines call do for loginTime. It returns the mean time from the end
// of one call to the end of the next.
func repeat(goroutines int, do func(who int) bool) float64 {
	var all sync.WaitGroup
	var done atomic.Int64
	began := time.Now()
	for who := range goroutines {
		all.Go(func() {
			for {
				ok := do(who)
				if time.Since(began) > loginTime {
					return
				}
				if ok {
					done.Add(1)
				}
			}
		})
	}
	all.Wait()
	return float64(loginTime) / float64(done.Load())
}

// loginJob is logins of loginClients clients to so many accounts. The budgets of an account are
// the defaults, which right passwords at the same time must not use up.
func loginJob(accounts int) (r jobResult) {
	f := &fixture{}
	defer f.end()
	h := f.limited(f.onMemory(), auth.Config{PasswordHash: realHash, Limits: auth.Limits{
		LoginByAddress: unlimited.LoginByAddress, RegisterByAddress: unlimited.RegisterByAddress,
	}})
	token := auth.Secret(h.Register().Token())
	email := func(who int) string { return fmt.Sprintf("client%d@example.com", who%accounts) }
	var registered sync.WaitGroup
	for part := range runtime.GOMAXPROCS(0) {
		registered.Go(func() {
			for who := part; who < accounts; who += runtime.GOMAXPROCS(0) {
				_, err := h.Manager.Register(client, auth.Registration{Email: email(who), Password: authtest.Password, FullName: "Client"})
				must(err)
			}
		})
	}
	registered.Wait()

	over := make(chan struct{})
	var checker sync.WaitGroup
	var took []time.Duration
	checker.Go(func() {
		for due := time.Now(); ; {
			due = due.Add(checkEvery)
			select {
			case <-over:
				return
			case <-time.After(time.Until(due)):
			}
			_, err := h.VerifyAccessToken(client, token)
			must(err)
			took = append(took, time.Since(due))
		}
	})
	r.Each = repeat(loginClients, func(who int) bool {
		_, err := h.Login(client, email(who), authtest.Password)
		if errors.Is(err, auth.ErrOverloaded) || errors.Is(err, auth.ErrRateLimited) { // waited too long, on a busy machine
			return false
		}
		must(err)
		return true
	})
	close(over)
	checker.Wait()
	slices.Sort(took)
	r.Check = float64(took[len(took)*99/100]) / float64(time.Millisecond)
	return r
}
