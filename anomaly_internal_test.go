package auth

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/datixlab/auth/internal/record"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/memstore"
)

// A watch is one process's record of the use of a key, which is written when the test
// says so.
type watch struct {
	*usage
	told []string
}

const (
	watchedUser = "00000000000000000000000000001"
	watchedKey  = "00000000000000000000000000000001"
)

func newWatch(t *testing.T, s store.Store) *watch {
	w := &watch{}
	r := record.Records{Store: s, Timeout: time.Minute, Fault: func(context.Context, string) {}}
	cfg := Config{Logger: slog.New(slog.DiscardHandler), UsageInterval: time.Hour}
	w.usage = newUsage(r, cfg, func(e Event) { w.told = append(w.told, said(e)) })
	t.Cleanup(func() { _ = w.close() })
	return w
}

func said(e Event) string {
	return fmt.Sprintf("%s %s %v %d", e.Type, e.Time.Format(time.RFC3339), network(e.Client.Addr), e.Count)
}

func (w *watch) use(at time.Time, from netip.Addr) {
	w.touch(nil, userPrefix+watchedUser, keyIDPrefix+watchedKey, at, from)
}

func makeWatched(t *testing.T, s store.Store, at time.Time) {
	t.Helper()
	k := keyRow(watchedUser, watchedKey)
	k.Rec = keyRecord{Name: "ci", Created: at}
	if err := s.Commit(t.Context(), k.Put()); err != nil {
		t.Fatal(err)
	}
}

// A naive is what should be told, from every use in turn.
type naive struct {
	last     time.Time
	networks map[netip.Prefix]time.Time
	hours    map[uint64]uint64
	order    []uint64
}

func (n *naive) use(at time.Time, from netip.Addr) (found []string) {
	tell := func(e Event) { found = append(found, said(e)) }
	if slept := at.Sub(n.last); slept >= 30*24*time.Hour {
		tell(Event{Type: EventAPIKeyWoke, Time: at, Client: Client{Addr: from}, Count: int(slept.Hours() / 24)})
	}
	n.last = at
	place := network(from)
	if _, known := n.networks[place]; !known {
		if len(n.networks) > 0 {
			tell(Event{Type: EventAPIKeyNewNetwork, Time: at, Client: Client{Addr: from}})
		}
		if len(n.networks) == 8 {
			oldest := place
			for p, last := range n.networks {
				if oldest == place || last.Before(n.networks[oldest]) {
					oldest = p
				}
			}
			delete(n.networks, oldest)
		}
	}
	n.networks[place] = at
	hour := hourOf(at)
	if n.hours[hour]++; n.hours[hour] == 1 {
		n.order = append(n.order, hour)
	}
	usual := 100
	var base uint64 // the fixed point of the rule, from the hours that are over
	for i, h := range n.order[:len(n.order)-1] {
		uses := n.hours[h] * 256
		switch {
		case i == 0:
			base = uses
			continue
		case i >= 8:
			uses = min(uses, max(100, base*10/256)*256)
		}
		base = base - base/8 + uses/8
	}
	usual = max(usual, int(base*10/256))
	if len(n.order) > 8 && n.hours[hour] == uint64(usual)+1 {
		tell(Event{Type: EventAPIKeyBurst, Time: at.Truncate(time.Hour), Count: usual})
	}
	return found
}

// Whatever the uses and whenever they are written, what is told is what the rule says of
// each use in turn: nothing without cause, nothing missed, nothing twice.
func TestWhatIsToldOfAKeyFollowsFromItsUses(t *testing.T) {
	kinds := map[string]int{}
	for seed := range uint64(10) {
		r := rand.New(rand.NewPCG(seed, 1))
		s := memstore.New()
		at := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
		makeWatched(t, s, at)
		a, b := newWatch(t, s), newWatch(t, s)
		n := &naive{last: at, networks: map[netip.Prefix]time.Time{}, hours: map[uint64]uint64{}}
		var want []string
		flush := func() {
			for _, w := range []*watch{a, b} {
				if err := w.flush(); err != nil {
					t.Fatal(err)
				}
			}
		}
		for hour := range 25 {
			hours := []int{1, 1, 1, 1, 30, 24 * 29, 24 * 45}
			at = at.Truncate(time.Hour).Add(time.Duration(hours[r.IntN(len(hours))]) * time.Hour)
			uses := 1 + r.IntN(30)
			if r.IntN(8) == 0 {
				uses = 50 + r.IntN(2000)
			}
			for i := range uses {
				at = at.Add(time.Millisecond)
				from := netip.AddrFrom4([4]byte{10, 0, byte(r.IntN(3)), byte(r.IntN(256))})
				if r.IntN(40) == 0 {
					from = netip.AddrFrom4([4]byte{10, 1, byte(r.IntN(12)), 1})
				}
				want = append(want, n.use(at, from)...)
				[]*watch{a, b}[r.IntN(2)].use(at, from)
				// Which of two processes saw a network first shows once both have written.
				if hour == 0 && i == 0 || len(n.networks) > 3 || r.IntN(10) == 0 {
					flush()
				}
			}
			flush()
		}
		got := append(a.told, b.told...)
		// Two processes write one after the other: of several first uses in between, the
		// writer's is told.
		strip := func(list []string) (out []string) {
			for _, e := range list {
				word := strings.Fields(e)
				if kinds[word[0]]++; word[0] != string(EventAPIKeyBurst) {
					word[1] = word[1][:13]
				}
				if word[0] == string(EventAPIKeyWoke) {
					word[2], word[3] = "", ""
				}
				out = append(out, strings.Join(word, " "))
			}
			slices.Sort(out)
			return out
		}
		if got, want := strip(got), strip(want); !slices.Equal(got, want) {
			t.Fatalf("seed %d:\ngot  %q\nwant %q", seed, got, want)
		}
	}
	for _, kind := range []EventType{EventAPIKeyNewNetwork, EventAPIKeyWoke, EventAPIKeyBurst} {
		if kinds[string(kind)] < 5 {
			t.Errorf("%s was told %d times: the test tries nothing", kind, kinds[string(kind)])
		}
	}
}

// A write whose reply was lost has been made: what it found is told with the next one,
// once.
func TestWhatALostReplyHidTheNextWriteTells(t *testing.T) {
	s := &lossy{Store: memstore.New()}
	at := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	makeWatched(t, s, at)
	w := newWatch(t, s)
	w.use(at, netip.MustParseAddr("192.0.2.1"))
	if err := w.flush(); err != nil {
		t.Fatal(err)
	}
	s.lose = true
	w.use(at, netip.MustParseAddr("198.51.100.1"))
	if err := w.flush(); err == nil || len(w.told) != 0 {
		t.Fatalf("%v, told %q", err, w.told)
	}
	s.lose = false
	for range 2 {
		if err := w.flush(); err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{"api_key_new_network 2030-01-01T00:00:00Z 198.51.100.0/24 0"}; !slices.Equal(w.told, want) {
		t.Errorf("told %q, want %q", w.told, want)
	}
}

// What was used after an attempt whose reply was lost is not lost with it at Close.
func TestCloseWritesWhatCameAfterAWriteWhoseReplyWasLost(t *testing.T) {
	s := &lossy{Store: memstore.New()}
	at := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	makeWatched(t, s, at)
	w := &watch{}
	w.usage = newUsage(
		record.Records{Store: s, Timeout: time.Minute, Fault: func(context.Context, string) {}},
		Config{Logger: slog.New(slog.DiscardHandler), UsageInterval: time.Hour}, func(Event) {},
	)
	s.lose = true
	w.use(at, netip.MustParseAddr("192.0.2.1"))
	if err := w.flush(); err == nil {
		t.Fatal("no reply, and no error")
	}
	s.lose = false
	w.use(at, netip.MustParseAddr("192.0.2.1"))
	w.use(at, netip.MustParseAddr("192.0.2.1"))
	if err := w.close(); err != nil {
		t.Fatal(err)
	}
	u := keyUsageRow(watchedUser, watchedKey)
	if err := w.records.Read(t.Context(), &u); err != nil || u.Rec.Count != 3 {
		t.Errorf("%d uses were written, %v, want 3", u.Rec.Count, err)
	}
}

type lossy struct {
	store.Store
	lose bool
}

func (s *lossy) Commit(ctx context.Context, ops ...store.Op) error {
	if err := s.Store.Commit(ctx, ops...); err != nil || !s.lose {
		return err
	}
	return context.DeadlineExceeded
}

// However many networks a use comes from, what waits to be written stays bounded.
func TestUsesThatWaitAreBounded(t *testing.T) {
	var runs []useRun
	at := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range 10_000 {
		runs = addRun(runs, at, netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 1}))
	}
	var n uint64
	for _, r := range runs {
		n += r.n
	}
	if len(runs) != maxRuns || n != 10_000 {
		t.Errorf("%d runs of %d uses", len(runs), n)
	}
	var k keyPattern
	if k.learn(at, runs); len(k.Networks) != maxNetworks {
		t.Errorf("%d networks", len(k.Networks))
	}
}
