//go:build scale && linux

package scale

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store"
)

// A task is what the child process is asked to measure.
type task struct {
	Kind, At, Samples string
	Users             int
}

// taskVariable is where it finds that.
const taskVariable = "AUTH_SCALE_TASK"

// A span is how long calls took.
type span struct{ P50, P99, Longest time.Duration }

// A result is what it answers. "From the disk" is a file of which nothing is in the
// kernel's cache; everything else is asked of records that were read just before, so
// that what is measured is the way to them. "First" is by a Manager that has not seen
// the credential yet.
type result struct {
	Open                        time.Duration // with nothing cached
	ColdGet, ColdKey, ColdToken span
	Get                         span // of an account
	FirstKey, Key               span
	FirstToken, Token           span
	Login                       span          // with a hash that costs nothing
	SHA256                      time.Duration // of an API key
	Memory, Mapped              int64         // bytes resident: the process's own, and of files
	Swept                       int           // sessions
	Sweep                       time.Duration
	ReadBeside, CommitBeside    beside
}

// beside returns how long calls took, one after the other, without and with a sweep.
type beside struct{ None, Sweep span }

// measureFor does the task and writes its result; it returns the status to exit with.
func measureFor(text string, w io.Writer) int {
	var k task
	err := json.Unmarshal([]byte(text), &k)
	if err == nil {
		var r result
		if r, err = measure(k); err == nil {
			err = json.NewEncoder(w).Encode(r)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// readOnly is a store on which nothing is written: the use of keys would be, beside
// what is measured. It says of its partitions what the store does.
type readOnly struct{ store.Stamper }

// Commit implements store.Store.
func (readOnly) Commit(context.Context, ...store.Op) error { return nil }

func measure(k task) (r result, err error) {
	b, err := os.ReadFile(k.Samples)
	if err != nil {
		return r, err
	}
	var samples []sample
	if err := json.Unmarshal(b, &samples); err != nil {
		return r, err
	}
	if k.Kind == "bolt" {
		if err := forget(k.At); err != nil {
			return r, err
		}
	}
	var ahead atomic.Int64
	begin := time.Now()
	s, err := open(k.Kind, k.At, func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) })
	if err != nil {
		return r, err
	}
	r.Open = time.Since(begin)
	defer s.Close()
	m, err := newManager(readOnly{s}, nil)
	if err != nil {
		return r, err
	}
	defer func() { m.Close() }()

	get := func(u sample) error { _, err := s.Get(ever, u.Account); return err }
	checkKey := func(u sample) error { _, err := m.VerifyAPIKey(client, auth.Secret(u.Key)); return err }
	checkToken := func(u sample) error { _, err := m.VerifyAccessToken(client, auth.Secret(u.Token)); return err }
	dice := rand.New(rand.NewPCG(1, 2))
	dice.Shuffle(len(samples), func(i, j int) { samples[i], samples[j] = samples[j], samples[i] })
	anew := func(n int) []sample { // anybody, again and again
		some := make([]sample, n)
		for i := range some {
			some[i] = samples[dice.IntN(len(samples))]
		}
		return some
	}
	var errs []error
	each := func(of []sample, do func(sample) error) span {
		s, err := timed(of, do)
		errs = append(errs, err)
		return s
	}

	third := len(samples) / 3
	r.ColdGet = each(samples[:third], get)
	r.ColdKey = each(samples[third:2*third], checkKey)
	r.ColdToken = each(samples[2*third:], checkToken)
	if k.Kind != "bolt" { // it has no disk to read from
		r.ColdGet, r.ColdKey, r.ColdToken = span{}, span{}, span{}
	}

	each(samples, func(u sample) error { _, err := s.Get(ever, u.Account, u.Session, u.APIKey); return err })
	each(anew(20_000), get)
	r.Get = each(anew(20_000), get)
	if err := m.Close(); err != nil {
		return r, err
	}
	if m, err = newManager(readOnly{s}, func(c *auth.Config) { c.MaxRemembered = 4 * mostSamples }); err != nil {
		return r, err
	}
	r.FirstKey, r.FirstToken = each(samples, checkKey), each(samples, checkToken)
	for range 2 { // from then on they are remembered
		each(samples, checkKey)
		each(samples, checkToken)
	}
	r.Key, r.Token = each(anew(20_000), checkKey), each(anew(20_000), checkToken)
	r.SHA256 = hashing(samples[0].Key)
	if r.Memory, r.Mapped, err = resident(); err != nil {
		return r, err
	}
	writing, err := newManager(s, nil)
	if err != nil {
		return r, err
	}
	r.Login = each(samples[:min(len(samples), mostLogins)], func(u sample) error {
		_, err := writing.Login(client, email(u.Number), authtest.Password)
		return err
	})
	if err := writing.Close(); err != nil {
		return r, err
	}
	if k.Kind == "bolt" {
		errs = append(errs, r.sweep(s, k.Users, samples, &ahead))
	}
	return r, errors.Join(errs...)
}

// mostLogins is how many users log in.
const mostLogins = 500

// timed does something for each of them, and returns how long it took.
func timed(all []sample, do func(sample) error) (span, error) {
	took := make([]time.Duration, len(all))
	for i, u := range all {
		begin := time.Now()
		if err := do(u); err != nil {
			return span{}, err
		}
		took[i] = time.Since(begin)
	}
	return spanOf(took), nil
}

func spanOf(took []time.Duration) span {
	if len(took) == 0 {
		return span{}
	}
	slices.Sort(took)
	return span{took[len(took)/2], took[len(took)*99/100], took[len(took)-1]}
}

// hashing returns how long the SHA-256 of text takes.
func hashing(text string) time.Duration {
	rounds := make([]time.Duration, 100)
	for i := range rounds {
		begin := time.Now()
		for range 1000 {
			sha256.Sum256([]byte(text))
		}
		rounds[i] = time.Since(begin) / 1000
	}
	return spanOf(rounds).P50
}

// resident returns how much of the memory of this process is its own, and how much
// belongs to files, which the kernel takes back when it needs it.
func resident() (own, files int64, err error) {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(b)) {
		var kB int64
		if n, _ := fmt.Sscanf(line, "RssAnon: %d kB", &kB); n == 1 {
			own = kB << 10
		} else if n, _ := fmt.Sscanf(line, "RssFile: %d kB", &kB); n == 1 {
			files = kB << 10
		}
	}
	return own, files, nil
}

// mostSwept is how many sessions end at once.
const mostSwept = 10_000

// sweep logs users in, lets all these sessions end at once, and looks at how long
// requests take meanwhile, and at how long they take for as long after it.
func (r *result) sweep(s store.Stamper, users int, samples []sample, ahead *atomic.Int64) error {
	m, err := newManager(readOnly{s}, func(c *auth.Config) { c.MaxRemembered = -1 }) // every check reads
	if err != nil {
		return err
	}
	defer m.Close()
	brief, err := newManager(s, func(c *auth.Config) { c.SessionTTL = time.Minute })
	if err != nil {
		return err
	}
	defer brief.Close()
	ending, err := logInAll(brief, users)
	if err != nil {
		return err
	}
	r.Swept = len(ending)
	<-time.After(time.Second) // until the counters are written

	observe := func(done func() bool) (reads, commits span, err error) {
		var stop atomic.Bool
		var all sync.WaitGroup
		var errs [2]error
		watch := func(span *span, err *error, pause time.Duration, do func(i int) error) {
			all.Go(func() {
				var took []time.Duration
				for i := 0; !stop.Load(); i++ {
					begin := time.Now()
					if *err = do(i); *err != nil {
						return
					}
					took = append(took, time.Since(begin))
					<-time.After(pause)
				}
				*span = spanOf(took)
			})
		}
		watch(&reads, &errs[0], 100*time.Microsecond, func(i int) error {
			_, err := m.VerifyAccessToken(client, auth.Secret(samples[i%len(samples)].Token))
			return err
		})
		watch(&commits, &errs[1], 0, func(i int) error { return s.Commit(ever, store.Put("scale/probe", []byte{byte(i)})) })
		for !done() {
			<-time.After(time.Millisecond)
		}
		stop.Store(true)
		all.Wait()
		return reads, commits, errors.Join(errs[:]...)
	}
	begin, left := time.Now(), ending
	ahead.Store(int64(2 * time.Minute))
	var unread, failed, failedAfter error
	r.ReadBeside.Sweep, r.CommitBeside.Sweep, failed = observe(func() bool {
		for len(left) > 0 && unread == nil {
			var values [][]byte
			if values, unread = s.Get(ever, left[0]); unread == nil && values[0] != nil {
				return false
			}
			left = left[1:]
		}
		return true
	})
	r.Sweep = time.Since(begin)
	end := time.Now().Add(r.Sweep)
	r.ReadBeside.None, r.CommitBeside.None, failedAfter = observe(func() bool { return time.Now().After(end) })
	return errors.Join(unread, failed, failedAfter)
}

// logInAll logs in mostSwept of the users, any of them, and returns the names of their
// sessions.
func logInAll(m *auth.Manager, users int) (sessions []string, err error) {
	sessions = make([]string, mostSwept)
	err = manyTimes(256, len(sessions), func(i int) error {
		_, id, err := logIn(m, rand.IntN(users))
		sessions[i] = "u." + strings.TrimPrefix(id.User.ID, "user_") + "/s." + strings.TrimPrefix(id.SessionID, "ses_")
		return err
	})
	return sessions, err
}

// manyTimes calls f with 0 to n-1, some at a time, until one fails.
func manyTimes(some, n int, f func(i int) error) error {
	ctx, cancel := context.WithCancelCause(ever)
	defer cancel(nil)
	var next atomic.Int64
	var all sync.WaitGroup
	for range some {
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
