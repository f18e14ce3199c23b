//go:build scale && linux

package scale

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/memstore"
)

// config is a Manager's, with hashes that cost nothing and budgets that never end.
func config() auth.Config {
	wide := store.Limit{Burst: 1_000_000, Every: time.Microsecond}
	return auth.Config{
		Secrets: []auth.Secret{authtest.Secret}, Logger: quiet,
		InsecureCheapHashing: true, PasswordHash: auth.HashParams{Memory: 8, Time: 1, Threads: 1}, HashSlots: 8, HashQueue: 2000,
		HashWait: time.Minute, StoreTimeout: time.Minute, AccessTokenTTL: 24 * time.Hour,
		Limits: auth.Limits{
			LoginByAddress: wide, LoginByAccountAddress: wide, LoginByAccount: wide, RegisterByAddress: wide,
			CodeByAccount: wide, APIKeyByAccount: wide,
		},
	}
}

func newManager(s store.Store, change func(*auth.Config)) (*auth.Manager, error) {
	c := config()
	if change != nil {
		change(&c)
	}
	return auth.New(s, c)
}

var client = auth.WithClient(ever, auth.Client{
	Addr:      netip.MustParseAddr("203.0.113.77"),
	UserAgent: "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
})

func email(i int) string { return fmt.Sprintf("firstname.lastname%08d@example.com", i) }

func register(m *auth.Manager, i int) (auth.User, error) {
	return m.Register(client, auth.Registration{
		Email: email(i), Password: authtest.Password, FullName: fmt.Sprintf("Firstname Lastname%08d", i), OrganizationName: "Example Company",
	})
}

func logIn(m *auth.Manager, i int) (auth.Secret, auth.Identity, error) {
	r, err := m.Login(client, email(i), authtest.Password)
	if err != nil {
		return "", auth.Identity{}, err
	}
	id, err := m.VerifyAccessToken(client, r.AccessToken.Token)
	return r.AccessToken.Token, id, err
}

func makeKey(m *auth.Manager, id auth.Identity) (auth.APIKey, auth.Secret, error) {
	return m.CreateAPIKey(client, id, auth.NewAPIKey{Name: "Production", Description: "The nightly export"})
}

// A sample is a user who is asked about.
type sample struct {
	Number     int
	Token, Key string
	Account    string // the names of its records
	Session    string
	APIKey     string
}

// chunk is how many users are made from one whom a Manager made, at most.
const chunk = 2000

// load puts the users from to to-1 into s and returns those whom keep picks, and how
// many records it wrote. A Manager makes the users that are kept and one of each chunk,
// on a store in memory; the others are their twins. What comes of it is committed to s, a
// partition at a time, by writers at once.
func load(t *testing.T, s store.Store, writers, from, to int, keep func(i int) bool) (kept []sample, records int) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(ever)
	defer cancel(nil)
	partitions := make(chan []store.Op, writers)
	write := func(all map[string][]store.Op) {
		for _, ops := range all {
			select {
			case partitions <- ops:
			case <-ctx.Done():
			}
		}
	}
	var next, written atomic.Int64
	next.Store(int64(from))
	var mu sync.Mutex

	var makers, committers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		makers.Go(func() {
			dice := rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
			for ctx.Err() == nil {
				begin := int(next.Add(chunk)) - chunk
				if begin >= to {
					return
				}
				var model *twin
				for i := begin; i < min(begin+chunk, to); i++ {
					if model != nil && !keep(i) {
						write(model.of(i, dice))
						continue
					}
					user, w, err := makeUser(i)
					if err != nil {
						cancel(err)
						return
					}
					model = w
					write(byPartition(w.records))
					if keep(i) {
						mu.Lock()
						kept = append(kept, user)
						mu.Unlock()
					}
				}
			}
		})
	}
	for range writers {
		committers.Go(func() {
			for ops := range partitions {
				if err := put(ctx, s, ops); err != nil {
					cancel(err)
					continue
				}
				written.Add(int64(len(ops)))
			}
		})
	}
	makers.Wait()
	close(partitions)
	committers.Wait()
	must(t, context.Cause(ctx))
	slices.SortFunc(kept, func(a, b sample) int { return a.Number - b.Number })
	return kept, int(written.Load())
}

// put commits ops that have no condition. It tries again what fails: a busy server may take
// longer than a Store waits.
func put(ctx context.Context, s store.Store, ops []store.Op) (err error) {
	for range 10 {
		if err = s.Commit(ctx, ops...); err == nil || ctx.Err() != nil {
			break
		}
	}
	return err
}

// makeUser makes user i, with a session and an API key, on a store of its own.
func makeUser(i int) (sample, *twin, error) {
	s := memstore.New()
	defer s.Close()
	m, err := newManager(s, nil)
	if err != nil {
		return sample{}, nil, err
	}
	defer m.Close()
	user, err := register(m, i)
	if err != nil {
		return sample{}, nil, err
	}
	token, id, err := logIn(m, i)
	if err != nil {
		return sample{}, nil, err
	}
	k, key, err := makeKey(m, id)
	if err != nil {
		return sample{}, nil, err
	}
	var records []store.Record
	for at := ""; ; {
		page, err := s.Walk(ever, at)
		if err != nil {
			return sample{}, nil, err
		}
		records = append(records, page.Records...)
		if at = page.Next; at == "" {
			break
		}
	}
	uid, sid := strings.TrimPrefix(user.ID, "user_"), strings.TrimPrefix(id.SessionID, "ses_")
	w, err := newTwin(records, i, uid, strings.TrimPrefix(user.OrganizationID, "org_"), sid, string(key))
	return sample{
		Number: i, Token: string(token), Key: string(key), Account: "u." + uid + "/acct",
		Session: "u." + uid + "/s." + sid, APIKey: "u." + uid + "/k." + strings.TrimPrefix(k.ID, "key_"),
	}, w, err
}

// byPartition returns what makes the records.
func byPartition(records []store.Record) map[string][]store.Op {
	all := map[string][]store.Op{}
	for _, r := range records {
		name, _, _ := strings.Cut(r.Key, "/")
		all[name] = append(all[name], r.Op())
	}
	return all
}
