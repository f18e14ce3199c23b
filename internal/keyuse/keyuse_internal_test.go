package keyuse

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/datixlab/auth/internal/netprefix"
	"github.com/datixlab/auth/internal/record"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/memstore"
)

// A watch is one process's record of the use of a key, which is written when the test
// says so.
type watch struct {
	*Tracker
	found []string
}

const (
	watchedUser = "00000000000000000000000000001"
	watchedKey  = "00000000000000000000000000000001"
)

// A testKey is the record of a key.
type testKey struct{ Made time.Time }

func (k *testKey) Fields(c *record.Codec) { c.Time(&k.Made) }

type testRow struct{ record.Row[testKey] }

func (r *testRow) Created() time.Time { return r.Rec.Made }

func rows(uid, kid string) (KeyRow, *record.Row[Usage]) {
	usage := record.New[Usage]("u." + uid + "/l." + kid)
	return &testRow{record.New[testKey]("u." + uid + "/k." + kid)}, &usage
}

// newWatch returns a watch that is closed at the end of the test.
func newWatch(t *testing.T, s store.Store) *watch {
	w := openWatch(t, s)
	t.Cleanup(func() { _ = w.Close() })
	return w
}

func openWatch(t *testing.T, s store.Store) *watch {
	w := &watch{}
	w.Tracker = New(Config{
		Records: record.Records{Store: s, Timeout: time.Minute, Unavailable: errors.New("unavailable")},
		Log:     slog.New(slog.DiscardHandler), Interval: time.Hour, Rows: rows,
		Found: func(uid, kid string, f Finding) {
			if uid != watchedUser || kid != watchedKey {
				t.Errorf("found for %s, %s", uid, kid)
			}
			w.found = append(w.found, said(f))
		},
	})
	return w
}

func said(f Finding) string {
	return fmt.Sprintf("%s %s %v %d", strings.ReplaceAll(string(f.Kind), " ", "_"), f.Time.Format(time.RFC3339), netprefix.Wide(f.Addr), f.Count)
}

func (w *watch) use(at time.Time, from netip.Addr) {
	w.Touch(nil, watchedUser, watchedKey, at, from)
}

func makeWatched(t *testing.T, s store.Store, at time.Time) {
	t.Helper()
	k, _ := rows(watchedUser, watchedKey)
	row := k.(*testRow)
	row.Rec.Made = at
	if err := s.Commit(t.Context(), row.Put()); err != nil {
		t.Fatal(err)
	}
}

// A naive is what should be reported, from every use in turn.
type naive struct {
	last     time.Time
	networks map[netip.Prefix]time.Time
	hours    map[uint64]uint64
	order    []uint64
}

func (n *naive) use(at time.Time, from netip.Addr) (found []string) {
	report := func(e Finding) { found = append(found, said(e)) }
	if unused := at.Sub(n.last); unused >= 30*24*time.Hour {
		report(Finding{Kind: Woke, Time: at, Addr: from, Count: int(unused.Hours() / 24)})
	}
	n.last = at
	place := netprefix.Wide(from)
	if _, known := n.networks[place]; !known {
		if len(n.networks) > 0 {
			report(Finding{Kind: NewNetwork, Time: at, Addr: from})
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
		report(Finding{Kind: Burst, Time: at.Truncate(time.Hour), Count: usual})
	}
	return found
}

// Whatever the uses and whenever they are written, what is reported is what the rule says of
// each use in turn: nothing without cause, nothing missed, nothing twice.
func TestTheReportsOnAKeyFollowFromItsUses(t *testing.T) {
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
		got := append(a.found, b.found...)
		// Two processes write one after the other: of several first uses in between, the
		// writer's is reported.
		strip := func(list []string) (out []string) {
			for _, e := range list {
				word := strings.Fields(e)
				if kinds[word[0]]++; word[0] != "burst" {
					word[1] = word[1][:13]
				}
				if word[0] == "woke" {
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
	for _, kind := range []string{"new_network", "woke", "burst"} {
		if kinds[kind] < 5 {
			t.Errorf("%s was reported %d times: the test tries nothing", kind, kinds[kind])
		}
	}
}

// A write whose reply was lost has been made: what it found is reported with the next one,
// once.
func TestTheNextWriteReportsWhatALostReplyHid(t *testing.T) {
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
	if err := w.flush(); err == nil || len(w.found) != 0 {
		t.Fatalf("%v, reported %q", err, w.found)
	}
	s.lose = false
	for range 2 {
		if err := w.flush(); err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{"new_network 2030-01-01T00:00:00Z 198.51.100.0/24 0"}; !slices.Equal(w.found, want) {
		t.Errorf("reported %q, want %q", w.found, want)
	}
}

// What was used after an attempt whose reply was lost is not lost with it at Close.
func TestCloseWritesWhatCameAfterAWriteWhoseReplyWasLost(t *testing.T) {
	s := &lossy{Store: memstore.New()}
	at := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	makeWatched(t, s, at)
	w := openWatch(t, s)
	s.lose = true
	w.use(at, netip.MustParseAddr("192.0.2.1"))
	if err := w.flush(); err == nil {
		t.Fatal("no reply, and no error")
	}
	s.lose = false
	w.use(at, netip.MustParseAddr("192.0.2.1"))
	w.use(at, netip.MustParseAddr("192.0.2.1"))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	_, u := rows(watchedUser, watchedKey)
	if err := w.cfg.Records.Read(t.Context(), u); err != nil || u.Rec.Count != 3 {
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
	var buckets []bucket
	at := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range 10_000 {
		buckets = addUse(buckets, at, netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 1}))
	}
	var n uint64
	for _, r := range buckets {
		n += r.n
	}
	if len(buckets) != maxBuckets || n != 10_000 {
		t.Errorf("%d buckets of %d uses", len(buckets), n)
	}
	var p pattern
	if p.observe(at, buckets); len(p.Networks) != maxNetworks {
		t.Errorf("%d networks", len(p.Networks))
	}
}

func TestAUsageComesBackAsItWasWrittenWithFieldsOfANewerVersion(t *testing.T) {
	at := time.Date(2030, 1, 2, 3, 4, 5, 678901234, time.UTC)
	full := Usage{
		Last: at, Count: 5, Address: "192.0.2.7", newer: []byte("newer fields"),
		pattern: pattern{Networks: []seenNetwork{{"192.0.2.0/24", at, time.Time{}}, {"2001:db8::/48", at, at.Add(-1)}}, Hour: 7, InHour: 3, Hours: 9, Baseline: 300},
		Hours:   []Hour{{3, 1 << 40}, {7, 3}},
	}
	s := memstore.New()
	r := record.Records{Store: s, Timeout: time.Minute, Unavailable: errors.New("unavailable")}
	for _, want := range []Usage{full, {}} {
		_, u := rows(watchedUser, watchedKey)
		u.Rec = want
		if err := s.Commit(t.Context(), u.Overwrite()); err != nil {
			t.Fatal(err)
		}
		if err := r.Read(t.Context(), u); err != nil || !reflect.DeepEqual(u.Rec, want) {
			t.Errorf("%+v, want %+v: %v", u.Rec, want, err)
		}
	}
}

// A record of the version before the hours and the first uses says what its other fields say, and
// a version before keeps what this one has written.
func TestAUsageOfAnOlderVersionIsReadAndCompleted(t *testing.T) {
	at := time.Date(2030, 1, 1, 5, 0, 0, 0, time.UTC)
	s := memstore.New()
	makeWatched(t, s, at)
	w := newWatch(t, s)
	_, row := rows(watchedUser, watchedKey)
	old := record.New[olderUsage](row.Key)
	old.Rec.Usage = Usage{
		Last: at, Count: 7, Address: "192.0.2.7",
		pattern: pattern{Networks: []seenNetwork{{Prefix: "192.0.2.0/24", Last: at}}, Hour: hourOf(at), InHour: 3, Hours: 2, Baseline: 300},
	}
	if err := s.Commit(t.Context(), old.Overwrite()); err != nil {
		t.Fatal(err)
	}
	read := func() Usage {
		t.Helper()
		_, row := rows(watchedUser, watchedKey)
		if err := w.cfg.Records.Read(t.Context(), row); err != nil {
			t.Fatal(err)
		}
		u := row.Rec
		u.Merge(w.Pending(watchedKey))
		return u
	}
	look := func(total uint64, hours []Hour, networks ...Network) {
		t.Helper()
		if u := read(); u.Count != total || !slices.Equal(u.Hours, hours) || !slices.Equal(u.Networks(), networks) {
			t.Errorf("%d uses, %v, %v, want %d, %v, %v", u.Count, u.Hours, u.Networks(), total, hours, networks)
		}
	}
	v4, v6 := netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8:1::/48")
	look(7, []Hour{{hourOf(at), 3}}, Network{v4, time.Time{}, at})

	later := at.Add(2 * time.Hour)
	w.use(later, netip.MustParseAddr("192.0.2.8"))
	w.use(later.Add(1), netip.MustParseAddr("2001:db8:1:2::3"))
	for range 2 { // before and after it is written
		look(9, []Hour{{hourOf(at), 3}, {hourOf(later), 2}}, Network{v6, later.Add(1), later.Add(1)}, Network{v4, time.Time{}, later})
		if err := w.flush(); err != nil {
			t.Fatal(err)
		}
	}

	// The older version forgets a network and adds another.
	if err := w.cfg.Records.Read(t.Context(), &old); err != nil {
		t.Fatal(err)
	}
	old.Rec.pattern.Networks = []seenNetwork{{Prefix: "198.51.100.0/24", Last: later}, old.Rec.pattern.Networks[1]}
	if err := s.Commit(t.Context(), old.Put()); err != nil {
		t.Fatal(err)
	}
	look(9, []Hour{{hourOf(at), 3}, {hourOf(later), 2}},
		Network{v6, later.Add(1), later.Add(1)}, Network{netip.MustParsePrefix("198.51.100.0/24"), time.Time{}, later})
}

// An olderUsage is the record as the version before wrote it.
type olderUsage struct{ Usage }

func (u *olderUsage) Fields(c *record.Codec) {
	c.Time(&u.Last)
	c.Uint(&u.Count)
	c.String(&u.Address)
	u.pattern.fields(c)
	c.Rest(&u.newer)
}

// The hours are those of a naive count, in order, whatever the order of the writes. Beyond 168 the
// oldest are forgotten.
func TestTheHoursOfAKeyAreItsLastWithUses(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	at := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	var u Usage
	naive, total := map[uint64]uint64{}, uint64(0)
	for range 100 {
		var some Uses
		for range 1 + r.IntN(12) {
			now := at.Add(time.Duration(r.IntN(maxHours)) * time.Hour)
			some.buckets = addUse(some.buckets, now, netip.AddrFrom4([4]byte{192, 0, 2, 1}))
			some.count++
			naive[hourOf(now)]++
		}
		total += some.count
		u.Merge(some)
		var sum uint64
		for i, h := range u.Hours {
			if sum += h.Uses; naive[h.Number] != h.Uses || i > 0 && u.Hours[i-1].Number >= h.Number {
				t.Fatalf("hour %d of %v, want %d uses", i, u.Hours, naive[h.Number])
			}
		}
		if len(u.Hours) != len(naive) || sum != total || u.Count != total {
			t.Fatalf("%d hours of %d uses, want %d of %d", len(u.Hours), sum, len(naive), total)
		}
	}
	u = Usage{}
	for i := range 2 * maxHours {
		u.Merge(Uses{count: 2, buckets: []bucket{{hour: uint64(2 * i), n: 2}}})
	}
	if len(u.Hours) != maxHours || u.Hours[0] != (Hour{2 * maxHours, 2}) || u.Hours[maxHours-1] != (Hour{4*maxHours - 2, 2}) || u.Count != 4*maxHours {
		t.Errorf("%d hours from %v on, %d uses", len(u.Hours), u.Hours[0], u.Count)
	}
	if u.Merge(Uses{count: 1, buckets: []bucket{{hour: 1, n: 1}}}); len(u.Hours) != maxHours || u.Hours[0].Number != 2*maxHours {
		t.Errorf("an hour that is too old took the place of %v", u.Hours[0])
	}
}
