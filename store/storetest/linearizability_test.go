//go:build !race

package storetest_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"

	"github.com/datixlab/auth/internal/pgtest"
	"github.com/datixlab/auth/internal/redistest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/boltstore"
	"github.com/datixlab/auth/store/memstore"
	"github.com/datixlab/auth/store/pgstore"
	"github.com/datixlab/auth/store/redisstore"
	"github.com/datixlab/auth/store/storetest"
)

// The contract as a sequential machine: one partition of a few records and a counter.
// Whatever clients saw of a store at once must be something that they could have seen
// of this machine, one call after the other.
const (
	modelKeys = 4
	clients   = 5
	callsEach = 14
)

var modelLimit = store.Limit{Burst: 4, Every: time.Second}

type modelState struct {
	values  [modelKeys]string // "" is no record: none is ever written with an empty value
	counter int64
}

// A modelCall is what a client asked, a modelReply the answer.
type modelCall struct {
	keys []int      // Get; all of them is List
	ops  []store.Op // Commit
	n    int        // Hit
	now  time.Time
}

type modelReply struct {
	values   []string
	err      error // ErrConflict, or errUnknown
	decision store.Decision
}

// errUnknown stands for every error that says "could not decide". Such a call has no
// end: it may take effect at any time after it began, or never.
var errUnknown = errors.New("outcome unknown")

var model = porcupine.Model{
	Init: func() any { return modelState{} },
	Step: func(before, call, reply any) (possible bool, after any) {
		s, c, r := before.(modelState), call.(modelCall), reply.(modelReply)
		switch {
		case c.keys != nil:
			for i, k := range c.keys {
				if r.values[i] != s.values[k] {
					return false, s
				}
			}
			return true, s
		case c.ops != nil:
			next, ok := s.commit(c.ops)
			return r.err == errUnknown || ok == (r.err == nil), next
		}
		next, d := modelLimit.Apply(s.counter, c.n, c.now)
		s.counter = next
		return r.err == errUnknown || d == r.decision, s
	},
	DescribeOperation: func(call, reply any) string { return fmt.Sprintf("%+v -> %+v", call, reply) },
}

func (s modelState) commit(ops []store.Op) (modelState, bool) {
	next := s
	for _, op := range ops {
		k := modelIndex(op.Key)
		if op.When == store.IfAbsent && s.values[k] != "" || op.When == store.IfEqual && s.values[k] != string(op.Old) {
			return s, false
		}
		switch op.Write {
		case store.Set:
			next.values[k] = string(op.Value)
		case store.Remove:
			next.values[k] = ""
		}
	}
	return next, true
}

func modelKey(partition string, k int) string { return fmt.Sprintf("%s/k%d", partition, k) }
func modelIndex(key string) int               { return int(key[len(key)-1] - '0') }

// A client makes calls, and writes down what came of them.
type client struct {
	id        int
	s         store.Store
	partition string
	rnd       *rand.Rand
	begin     time.Time // of the history
	seen      [modelKeys]string
	history   []porcupine.Operation
}

func (c *client) run() {
	for n := range callsEach {
		call := c.call(n)
		began := time.Since(c.begin)
		reply, ok := c.make(call)
		ended := time.Since(c.begin)
		if !ok {
			continue // a read that failed has shown nothing and done nothing
		}
		if reply.err == errUnknown {
			ended = time.Hour
		}
		c.history = append(c.history, porcupine.Operation{ClientId: c.id, Input: call, Call: int64(began), Output: reply, Return: int64(ended)})
	}
}

// call draws a call. Conditions name what the client saw last, so that many hold.
func (c *client) call(n int) modelCall {
	switch c.rnd.IntN(8) {
	case 0, 1:
		return modelCall{keys: c.rnd.Perm(modelKeys)[:1+c.rnd.IntN(modelKeys-1)]}
	case 2:
		return modelCall{keys: []int{0, 1, 2, 3}}
	case 3, 4:
		return modelCall{n: []int{1, 1, 2, -1}[c.rnd.IntN(4)], now: c.begin.Truncate(time.Millisecond)}
	}
	var ops []store.Op
	for _, k := range c.rnd.Perm(modelKeys)[:1+c.rnd.IntN(3)] {
		key := modelKey(c.partition, k)
		op := []store.Op{store.Put(key, fmt.Appendf(nil, "%d.%d.%d", c.id, n, k)), store.Delete(key), store.Check(key)}[c.rnd.IntN(3)]
		if c.rnd.IntN(3) > 0 {
			op = op.Was([]byte(c.seen[k]))
			if c.seen[k] == "" {
				op = op.Absent()
			}
		}
		ops = append(ops, op)
	}
	return modelCall{ops: ops}
}

func (c *client) make(call modelCall) (r modelReply, ok bool) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	var err error
	switch {
	case len(call.keys) == modelKeys:
		var items []store.Item
		items, err = c.s.List(ctx, c.partition+"/", "", store.MaxList)
		r.values = make([]string, modelKeys)
		for _, item := range items {
			r.values[modelIndex(item.Key)] = string(item.Value)
		}
	case call.keys != nil:
		keys := make([]string, len(call.keys))
		for i, k := range call.keys {
			keys[i] = modelKey(c.partition, k)
		}
		var values [][]byte
		values, err = c.s.Get(ctx, keys...)
		for _, v := range values {
			r.values = append(r.values, string(v))
		}
	case call.ops != nil:
		err = c.s.Commit(ctx, call.ops...)
	default:
		r.decision, err = c.s.Hit(ctx, c.partition+"/hits", modelLimit, call.n, call.now)
	}
	if err == nil {
		for i, k := range call.keys {
			c.seen[k] = r.values[i]
		}
		return r, true
	}
	if r.err = errUnknown; errors.Is(err, store.ErrConflict) {
		r.err = store.ErrConflict
	}
	return r, call.keys == nil
}

// histories has clients at work on one partition after the other for a while, or until
// there are enough, each client on one of stores. It returns how many histories there
// were, with the first that the machine could not have had, or that could not be judged.
func histories(budget time.Duration, seed uint64, settle func(), stores ...store.Store) (n int, verdict porcupine.CheckResult) {
	for end := time.Now().Add(budget); n < enough && time.Now().Before(end); n++ {
		all := make([]*client, clients)
		start := make(chan struct{})
		var done sync.WaitGroup
		for i := range all {
			c := &client{id: i, s: stores[i%len(stores)], partition: fmt.Sprintf("lin%d", n), rnd: rand.New(rand.NewPCG(seed+uint64(n), uint64(i)))}
			all[i] = c
			done.Go(func() { <-start; c.run() })
		}
		begin := time.Now()
		for _, c := range all {
			c.begin = begin
		}
		close(start)
		done.Wait()
		settle()
		var history []porcupine.Operation
		for _, c := range all {
			history = append(history, c.history...)
		}
		if v := porcupine.CheckOperationsTimeout(model, history, 10*time.Second); v != porcupine.Ok {
			return n + 1, v
		}
	}
	return n, porcupine.Ok
}

// A lossy store carries calls out, and at random does not tell, or not in time, or
// does not.
type lossy struct {
	store.Store
	*losses
}

type losses struct {
	late sync.WaitGroup
	lost atomic.Int64
}

func (s *losses) lose(call func() error) error {
	switch rand.IntN(40) {
	case 0: // the reply is lost
		_ = call()
	case 1: // the call is lost
	case 2: // the call is carried out after the caller gave up
		s.late.Go(func() { _ = call() })
	default:
		return call()
	}
	s.lost.Add(1)
	return errUnknown
}

func (s *lossy) Commit(_ context.Context, ops ...store.Op) error {
	return s.lose(func() error { return s.Store.Commit(context.Background(), ops...) })
}

func (s *lossy) Hit(_ context.Context, key string, l store.Limit, n int, now time.Time) (d store.Decision, err error) {
	made := make(chan store.Decision, 1)
	err = s.lose(func() error {
		d, err := s.Store.Hit(context.Background(), key, l, n, now)
		made <- d
		return err
	})
	if err != nil {
		return store.Decision{}, err
	}
	return <-made, nil
}

const (
	lookFor = time.Second
	enough  = 500 // a store that is not linearizable is refuted by the 20th
	seed    = 20260115
)

// wantSound holds what clients of these stores see against the contract.
func wantSound(t *testing.T, lost func() int64, settle func(), stores ...store.Store) {
	t.Helper()
	n, verdict := histories(lookFor, seed, settle, stores...)
	if verdict != porcupine.Ok {
		t.Errorf("history %d is %s: it is not what calls one after the other give", n, verdict)
	}
	unknown := lost()
	if n < 3 || unknown == 0 {
		t.Errorf("%d histories with %d calls of unknown outcome: too few to say anything", n, unknown)
	}
	t.Logf("%d histories of %d calls, %d of unknown outcome", n, clients*callsEach, unknown)
}

func TestWhatClientsSeeAtOnceTheyCouldHaveSeenOneAfterTheOther(t *testing.T) {
	logging.Disable()
	behindLoss := func(t *testing.T, opens ...func() (store.Store, error)) {
		var stores []store.Store
		all := &losses{}
		for _, open := range opens {
			s, err := open()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = s.Close() })
			stores = append(stores, &lossy{s, all})
		}
		wantSound(t, all.lost.Load, all.late.Wait, stores...)
	}
	openRedis := func(u redis.UniversalOptions) (store.Store, error) {
		return redisstore.OpenOrCreate(context.Background(), u, redisstore.Options{Prefix: "lin:", Logger: slog.New(slog.DiscardHandler)})
	}
	t.Run("memory", func(t *testing.T) {
		behindLoss(t, func() (store.Store, error) { return memstore.New(), nil })
	})
	t.Run("bolt", func(t *testing.T) {
		behindLoss(t, func() (store.Store, error) {
			return boltstore.OpenOrCreate(filepath.Join(t.TempDir(), "test.db"), boltstore.Options{})
		})
	})
	behindBreaks := func(t *testing.T, open func(storetest.Dialer) (store.Store, error)) {
		wire := new(storetest.Wire)
		t.Cleanup(wire.Close) // after the stores
		var stores []store.Store
		for range 2 {
			s, err := open(wire.Dial)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = s.Close() })
			stores = append(stores, s)
		}
		wire.Arm(60)
		wantSound(t, wire.Ended, func() {}, stores...)
	}
	if redistest.Available(t) {
		t.Run("Redis", func(t *testing.T) {
			addr := redistest.Start(t).Addr()
			open := func() (store.Store, error) { return openRedis(redis.UniversalOptions{Addrs: []string{addr}}) }
			behindLoss(t, open, open)
		})
		t.Run("Redis behind connections that break", func(t *testing.T) {
			addr := redistest.Start(t).Addr()
			behindBreaks(t, func(dial storetest.Dialer) (store.Store, error) {
				return openRedis(redis.UniversalOptions{Addrs: []string{addr}, Dialer: dial})
			})
		})
		t.Run("Redis Cluster", func(t *testing.T) {
			addrs := redistest.StartCluster(t).Addrs()
			open := func() (store.Store, error) { return openRedis(redis.UniversalOptions{Addrs: addrs}) }
			behindLoss(t, open, open)
		})
	}
	if pgtest.Available(t) {
		server := pgtest.Start(t)
		t.Run("PostgreSQL", func(t *testing.T) {
			open := func() (store.Store, error) { return openPostgres(server.URL(), "calls", nil) }
			behindLoss(t, open, open)
		})
		t.Run("PostgreSQL behind connections that break", func(t *testing.T) {
			behindBreaks(t, func(dial storetest.Dialer) (store.Store, error) {
				return openPostgres(server.URL(), "breaks", dial)
			})
		})
	}
}

// openPostgres opens a store in this schema. A dialer other than nil makes its connections.
func openPostgres(url, schema string, dial storetest.Dialer) (store.Store, error) {
	config, err := pgstore.ParseURL(url)
	if err != nil {
		return nil, err
	}
	if dial != nil {
		config.ConnConfig.DialFunc = pgconn.DialFunc(dial)
	}
	return pgstore.OpenOrCreate(context.Background(), config, pgstore.Options{Schema: schema, Logger: slog.New(slog.DiscardHandler)})
}

// The checker is only worth what it refutes.
func TestAStoreThatIsNotLinearizableIsRefuted(t *testing.T) {
	for how, broken := range map[string]func(*fake){
		"an acknowledged Commit is forgotten": func(s *fake) {
			s.commit = func(ctx context.Context, ops []store.Op) error {
				if rand.IntN(30) == 0 {
					return nil
				}
				return s.Store.Commit(ctx, ops...)
			}
		},
		"Get is served from a cache": func(s *fake) {
			var mu sync.Mutex
			cache := map[string][][]byte{}
			s.get = func(ctx context.Context, keys []string) ([][]byte, error) {
				mu.Lock()
				defer mu.Unlock()
				if old, ok := cache[fmt.Sprint(keys)]; ok && rand.IntN(2) == 0 {
					return old, nil
				}
				values, err := s.Store.Get(ctx, keys...)
				cache[fmt.Sprint(keys)] = values
				return values, err
			}
		},
		"a call whose reply was lost is made again": func(s *fake) {
			s.commit = func(ctx context.Context, ops []store.Op) error {
				if rand.IntN(10) == 0 {
					_ = s.Store.Commit(ctx, ops...)
				}
				return s.Store.Commit(ctx, ops...)
			}
		},
		"a hit whose reply was lost is counted again": func(s *fake) {
			s.hit = func(ctx context.Context, key string, l store.Limit, n int, now time.Time) (store.Decision, error) {
				if rand.IntN(10) == 0 {
					_, _ = s.Store.Hit(ctx, key, l, n, now)
				}
				return s.Store.Hit(ctx, key, l, n, now)
			}
		},
		"a Commit that failed is half there": func(s *fake) {
			s.commit = func(ctx context.Context, ops []store.Op) error {
				if len(ops) > 1 && rand.IntN(10) == 0 {
					_ = s.Store.Commit(ctx, ops[0])
					return errUnknown
				}
				return s.Store.Commit(ctx, ops...)
			}
		},
		"List leaves records out": func(s *fake) {
			s.list = func(ctx context.Context, prefix, after string, limit int) ([]store.Item, error) {
				items, err := s.Store.List(ctx, prefix, after, limit)
				return slices.DeleteFunc(items, func(store.Item) bool { return rand.IntN(20) == 0 }), err
			}
		},
	} {
		t.Run(how, func(t *testing.T) {
			s := &fake{Store: memstore.New()}
			broken(s)
			n, verdict := histories(20*time.Second, seed, func() {}, s)
			if verdict != porcupine.Illegal {
				t.Errorf("%d histories: %s", n, verdict)
			}
		})
	}
}
