package hitcount_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/datixlab/auth/internal/hitcount"
	"github.com/datixlab/auth/store"
)

var (
	start   = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	guesses = store.Limit{Burst: 5, Every: time.Hour}
)

// hit is Table.Hit where the arguments are good.
func hit(table *hitcount.Table, key string, l store.Limit, n int, now time.Time) store.Decision {
	d, err := table.Hit(key, l, n, now)
	if err != nil {
		panic(err)
	}
	return d
}

// LG-11, ST-6, Advisory 32 (CVE-2024-21662): a million other keys push out no counter, and memory is bounded.
func TestFourFailuresOfAVictimOutliveAFloodOfAMillionOtherKeys(t *testing.T) {
	const room = 1 << 16
	flood := rounds(1_000_000)
	table := hitcount.New(room)
	for range 4 {
		hit(table, "login/victim", guesses, 1, start)
	}
	before := heap()
	refused := 0
	for i := range flood {
		if !hit(table, "login/"+strconv.Itoa(i), guesses, 1, start).OK {
			refused++
		}
	}
	if grown := heap() - before; grown > 16<<20 {
		t.Errorf("%d counters grew to %d bytes", room, grown)
	}
	if n := table.Len(); n > room {
		t.Errorf("%d counters in a table for %d", n, room)
	}
	if refused == 0 {
		t.Error("a full table refused nobody: then it must have forgotten somebody")
	}
	if d := hit(table, "login/victim", guesses, 1, start); !d.OK || d.Left != 0 {
		t.Errorf("fifth attempt: %+v, want it admitted as the last", d)
	}
	if d := hit(table, "login/victim", guesses, 1, start); d.OK || d.RetryAfter != time.Hour {
		t.Errorf("sixth attempt: %+v, want it refused for an hour", d)
	}
}

func TestWhatCheckHitRefusesIsRefusedAndNotCountedForKeysOldAndNew(t *testing.T) {
	table := hitcount.New(0)
	hit(table, "login/old", guesses, 1, start)
	for _, c := range []struct {
		key   string
		limit store.Limit
		n     int
	}{
		{"no partition", guesses, 1},
		{"login/", guesses, -1},
		{"login/old", guesses, 0},
		{"login/old", guesses, 6},
		{"login/old", store.Limit{Burst: 1 << 40, Every: time.Hour}, 1},
		{"login/new", store.Limit{Burst: 5, Every: -time.Hour}, 1},
		{"login/new", store.Limit{Burst: -5, Every: time.Hour}, -1},
	} {
		want := store.CheckHit(c.key, c.limit, c.n)
		if _, err := table.Hit(c.key, c.limit, c.n, start); !errors.Is(err, store.ErrInvalid) || err.Error() != want.Error() {
			t.Errorf("Hit(%q, %v, %d): %v, want %v", c.key, c.limit, c.n, err, want)
		}
	}
	if n := table.Len(); n != 1 {
		t.Errorf("%d counters", n)
	}
	if d := hit(table, "login/old", guesses, 4, start); !d.OK {
		t.Errorf("the rest of the limit: %+v", d)
	}
}

// Keys that share a bucket are distinguished while the table grows, and when some are gone.
func TestEveryKeyKeepsItsOwnCounterAsOthersComeAndGo(t *testing.T) {
	table := hitcount.New(1 << 14)
	rnd := rand.New(rand.NewPCG(1, 2))
	states, now := map[string]int64{}, start
	for range 100_000 {
		now = now.Add(time.Duration(rnd.IntN(2000)) * time.Millisecond)
		key := "k/" + strconv.Itoa(rnd.IntN(20_000))
		limit := store.Limit{Burst: 5, Every: time.Duration(1+rnd.IntN(7200)) * time.Second}
		next, want := limit.Apply(states[key], 1, now)
		states[key] = next
		if got := hit(table, key, limit, 1, now); got != want {
			t.Fatalf("%s: %+v, want %+v", key, got, want)
		}
	}
	if n := table.Len(); n == len(states) {
		t.Errorf("all of %d keys still have a counter: none has gone", n)
	}
}

func TestAFloodPassesWhenItsCountersRunOut(t *testing.T) {
	table := hitcount.New(1 << 14)
	for i := range 50_000 {
		hit(table, "a/"+strconv.Itoa(i), guesses, 1, start)
	}
	later := start.Add(6 * time.Hour)
	for i := range 10_000 {
		if d := hit(table, "b/"+strconv.Itoa(i), guesses, 1, later); !d.OK || d.Left != 4 {
			t.Fatalf("key %d after the flood: %+v", i, d)
		}
	}
	if n := table.Len(); n > 1<<14 {
		t.Errorf("%d counters in a table for %d", n, 1<<14)
	}
}

func TestAKeyThatCountedInTheOverflowIsNotForgottenWhenItGetsItsOwnCounter(t *testing.T) {
	table := hitcount.New(64) // one counter in each shard
	short := store.Limit{Burst: 1, Every: time.Second}
	for i := range 2000 {
		hit(table, "short/"+strconv.Itoa(i), short, 1, start)
	}
	admitted := 0
	guess := func(now time.Time) {
		if hit(table, "login/victim", guesses, 1, now).OK {
			admitted++
		}
	}
	for range 5 {
		guess(start)
	}
	later := start.Add(time.Minute) // the short ones are over
	for i := range 2000 {
		hit(table, "short/"+strconv.Itoa(i), short, 1, later)
		guess(later)
	}
	if admitted > guesses.Burst {
		t.Errorf("%d attempts admitted within a minute, limit %d", admitted, guesses.Burst)
	}
}

func TestAKeyWithoutACounterTakesNothingBackFromItsNeighbours(t *testing.T) {
	table := hitcount.New(64)
	for i := range 100_000 {
		hit(table, "a/"+strconv.Itoa(i), guesses, 5, start)
	}
	for i := range 10_000 {
		key := "b/" + strconv.Itoa(i)
		hit(table, key, guesses, -5, start)
		if d := hit(table, key, guesses, 1, start); d.OK {
			t.Fatal("giving back emptied an overflow counter")
		}
	}
}

// RC-22, Advisory 21 (CVE-2019-5421).
func TestRacersAreNeverAdmittedBeyondTheLimit(t *testing.T) {
	const racers, rounds = 32, 200
	limit := store.Limit{Burst: 100, Every: time.Hour}
	for _, room := range []int{0, 64} { // with counters of their own, and in the overflow
		table := hitcount.New(room)
		for i := range 1000 {
			hit(table, "other/"+strconv.Itoa(i), store.Limit{Burst: 1000, Every: time.Millisecond}, 1, start)
		}
		var admitted atomic.Int64
		var ready, done sync.WaitGroup
		gate := make(chan struct{})
		ready.Add(racers)
		for range racers {
			done.Go(func() {
				ready.Done()
				<-gate
				for range rounds {
					if hit(table, "raced/key", limit, 1, start).OK {
						admitted.Add(1)
					}
				}
			})
		}
		ready.Wait()
		close(gate)
		done.Wait()
		if n := admitted.Load(); n > 100 || room == 0 && n != 100 {
			t.Errorf("room %d: %d of %d attempts admitted, limit 100", room, n, racers*rounds)
		}
	}
}

// rounds is how often a race of n rounds is run: a fifth of it with -short.
func rounds(n int) int {
	if testing.Short() {
		return n / 5
	}
	return n
}

// together calls all of fs at the same time, round after round, until a check after one of
// them fails. Nobody sleeps in between: to wake up takes longer than what races here.
func together(rounds int, check func(round int) bool, fs ...func(round int)) {
	var come atomic.Int64
	var failed atomic.Bool
	meet := func(times int) {
		for come.Add(1); come.Load() < int64(times*len(fs)); {
			runtime.Gosched()
		}
	}
	var done sync.WaitGroup
	for i, f := range fs {
		done.Go(func() {
			for round := range rounds {
				meet(2*round + 1)
				if failed.Load() {
					return
				}
				f(round)
				meet(2*round + 2)
				if i == 0 && !check(round) {
					failed.Store(true)
				}
			}
		})
	}
	done.Wait()
}

// neighbours returns n keys of one shard that have no counters any more, and leaves few
// counters there, which have run out two days after start.
func neighbours(table *hitcount.Table, n int) (keys []string) {
	for i := 0; len(keys) < n; i++ {
		if hit(table, "k/"+strconv.Itoa(i), guesses, 1, start); i%1000 == 0 {
			keys = keys[:0]
			for _, e := range table.Live(0, start) {
				keys = append(keys, e.Key)
			}
		}
	}
	for i := range 5000 { // each looks at 8 of its shard's
		hit(table, "others/"+strconv.Itoa(i), guesses, 1, start.AddDate(0, 0, 1))
	}
	table.Dirty(math.MaxInt)
	return keys[:n]
}

// RC-22: counters that have run out are counted on and, as new keys come, dropped.
func TestAHitThatRacesADropIsNeverLost(t *testing.T) {
	const strangers = 10
	n := rounds(2500)
	once := store.Limit{Burst: 1, Every: time.Hour}
	for _, tracked := range []bool{false, true} {
		table := hitcount.New(0)
		if tracked {
			table.Track()
		}
		keys := neighbours(table, 6*strangers)
		victims := keys[2*strangers:]
		day := func(round int) time.Time { return start.AddDate(0, 0, 2+round) }
		together(n, func(round int) bool {
			for _, key := range victims {
				if hit(table, key, once, 1, day(round)).OK {
					t.Errorf("tracked %v, round %d: the only attempt was forgotten", tracked, round)
					return false
				}
			}
			return true
		}, func(round int) {
			for _, key := range victims {
				hit(table, key, once, 1, day(round))
			}
		}, func(round int) {
			for _, key := range keys[round%2*strangers:][:strangers] { // all but those of the last round
				hit(table, key, once, 1, day(round))
				table.Dirty(10)
			}
		})
	}
}

// RC-22: what is given back and what is taken is the same number.
func TestHitsThatRaceAddUp(t *testing.T) {
	const rounds = 1000
	limit := store.Limit{Burst: 1000, Every: time.Hour}
	table := hitcount.New(0)
	hit(table, "raced/key", limit, 500, start)
	turn := func(n int) func(int) {
		return func(int) {
			for range 10 {
				hit(table, "raced/key", limit, n, start)
			}
			for range 10 {
				hit(table, "raced/key", limit, -n, start)
			}
		}
	}
	together(rounds, func(int) bool { return true }, turn(1), turn(-1), turn(1), turn(-1))
	if d := hit(table, "raced/key", limit, 1, start); d.Left != 499 {
		t.Errorf("%d left, want 499", d.Left)
	}
}

// RC-22: the buckets double a dozen times, and the counters move with them.
func TestNoHitIsLostWhileTheTableGrows(t *testing.T) {
	const known, strangers = 100, 20_000
	for range rounds(5) {
		table := hitcount.New(0)
		admitted := make([]atomic.Int32, known)
		crowd := func(name string) func(int) {
			return func(int) {
				for i := range strangers {
					hit(table, name+strconv.Itoa(i), guesses, 1, start)
					k := i % known
					if hit(table, "known/"+strconv.Itoa(k), guesses, 1, start).OK {
						admitted[k].Add(1)
					}
				}
			}
		}
		together(1, func(int) bool { return true }, crowd("a/"), crowd("b/"))
		for i := range known {
			if n := admitted[i].Load(); n != int32(guesses.Burst) {
				t.Errorf("key %d: %d attempts admitted, limit %d", i, n, guesses.Burst)
			}
		}
		if n := table.Len(); n != known+2*strangers {
			t.Errorf("%d counters for %d keys", n, known+2*strangers)
		}
	}
}

// Apply is not made for the year 1677, but a clock that is that wrong must not hang anybody.
func TestAClockCenturiesOffUsesUpNoBudget(t *testing.T) {
	table := hitcount.New(0)
	hit(table, "login/somebody", guesses, 1, start)
	hit(table, "login/somebody", guesses, -5, time.Unix(0, math.MinInt64))
	for i := range 5 {
		if d := hit(table, "login/somebody", guesses, 1, start); !d.OK {
			t.Errorf("attempt %d: %+v", i+1, d)
		}
	}
	if d := hit(table, "login/somebody", guesses, 1, start); d.OK {
		t.Errorf("attempt 6: %+v", d)
	}
}

func TestATableDecidesLikeTheLimitItself(t *testing.T) {
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		table := hitcount.New(0)
		if seed%2 == 1 {
			table.Track()
		}
		states := map[string]int64{}
		now := start
		for range 2000 {
			now = now.Add(time.Duration(rnd.IntN(3)) * time.Second)
			key := fmt.Sprintf("k/%d", rnd.IntN(50))
			limit := store.Limit{Burst: 1 + rnd.IntN(10), Every: time.Duration(1+rnd.IntN(20)) * time.Second}
			n := 1 + rnd.IntN(limit.Burst)
			if rnd.IntN(3) == 0 {
				n = -n
			}
			next, want := limit.Apply(states[key], n, now)
			states[key] = next
			if got := hit(table, key, limit, n, now); got != want {
				t.Fatalf("seed %d: Hit(%s, %v, %d) = %+v, want %+v", seed, key, limit, n, got, want)
			}
			if rnd.IntN(20) == 0 {
				table.Dirty(1 + rnd.IntN(10))
			}
		}
	}
}

// The writer behind keeps a copy of the table by Dirty alone: at any time a table
// loaded from the copy decides like the first.
func TestWhatDirtyReturnedRestoresTheTable(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	table := hitcount.New(0)
	table.Track()
	disk := map[string]int64{}
	now := start
	drained, deleted := 0, 0
	for range 300 {
		for range 30 {
			now = now.Add(time.Duration(rnd.IntN(10)) * time.Minute)
			hit(table, "k/"+strconv.Itoa(rnd.IntN(200)), guesses, 1-2*rnd.IntN(2), now)
		}
		for more := true; more; {
			got := table.Dirty(7)
			more = len(got) == 7
			for _, e := range got {
				drained++
				if e.State == 0 {
					delete(disk, e.Key)
					deleted++
				} else {
					disk[e.Key] = e.State
				}
			}
		}
		if len(disk) != table.Len() {
			t.Fatalf("%d counters written, %d in the table", len(disk), table.Len())
		}
		again := hitcount.New(0)
		for k, s := range disk {
			again.Load(hitcount.Entry{Key: k, State: s})
		}
		for i := range 200 {
			k := "k/" + strconv.Itoa(i)
			_, want := guesses.Apply(disk[k], 1, now)
			if got := hit(again, k, guesses, 1, now); got != want {
				t.Fatalf("%s after a reload: %+v, want %+v", k, got, want)
			}
		}
		if len(again.Dirty(1000)) != 0 {
			t.Fatal("a table that nobody tracks collected changes")
		}
	}
	if drained == 0 || deleted == 0 {
		t.Errorf("%d entries drained, %d of them deletions: the test saw nothing", drained, deleted)
	}
}

// The writer behind reads while others hit and counters come and go: what it was given
// last of each is what the table has.
func TestNoChangeIsLostBetweenHitAndDirty(t *testing.T) {
	const strangers = 10
	n := rounds(2000)
	table := hitcount.New(0)
	table.Track()
	keys := neighbours(table, 6*strangers)
	day := func(round int) time.Time { return start.AddDate(0, 0, 2+round) }
	disk := map[string]int64{}
	write := func() (more bool) {
		got := table.Dirty(7)
		for _, e := range got {
			disk[e.Key] = e.State
		}
		return len(got) == 7
	}
	together(n, func(round int) bool {
		for write() {
		}
		held := map[string]int64{}
		for _, e := range table.Live(0, time.Unix(0, 0)) {
			held[e.Key] = e.State
		}
		for _, key := range keys {
			if disk[key] != held[key] {
				t.Errorf("round %d: %s is %d in the table and %d as written", round, key, held[key], disk[key])
				return false
			}
		}
		return true
	}, func(round int) {
		for i, key := range keys[2*strangers:] {
			for range 2 { // one to be marked as a change, and one more
				hit(table, key, guesses, 1, day(round))
			}
			if i < strangers {
				hit(table, keys[round%2*strangers+i], guesses, 1, day(round))
			}
		}
	}, func(int) {
		for range 20 {
			write()
		}
	})
}

func TestDirtyReturnsEachChangeOnceAndAtMostLimit(t *testing.T) {
	table := hitcount.New(0)
	table.Track()
	for range 3 {
		for i := range 100 {
			hit(table, "k/"+strconv.Itoa(i), guesses, 1, start)
		}
	}
	seen := map[string]bool{}
	for _, want := range []int{60, 40, 0} {
		got := table.Dirty(60)
		if len(got) != want {
			t.Fatalf("%d entries, want %d", len(got), want)
		}
		for _, e := range got {
			if seen[e.Key] || e.State != start.Add(3*time.Hour).UnixNano() {
				t.Errorf("entry %+v, seen before: %v", e, seen[e.Key])
			}
			seen[e.Key] = true
		}
	}
	for range 3 { // the third is refused and changes nothing
		hit(table, "k/1", guesses, 1, start)
	}
	if got := table.Dirty(60); len(got) != 1 {
		t.Errorf("%d entries after one key changed", len(got))
	}
	hit(table, "k/1", guesses, 1, start)
	if got := table.Dirty(60); len(got) != 0 {
		t.Errorf("a refused attempt was reported as a change: %v", got)
	}
}

func TestWhatRanOutIsReportedAsUnusedAndGivesItsPlaceBack(t *testing.T) {
	table := hitcount.New(0)
	table.Track()
	for i := range 1000 {
		hit(table, "old/"+strconv.Itoa(i), guesses, 1, start)
	}
	table.Dirty(1000)
	for i := range 2000 {
		hit(table, "new/"+strconv.Itoa(i), guesses, 1, start.Add(2*time.Hour))
	}
	unused := 0
	for _, e := range table.Dirty(4000) {
		if e.State == 0 && strings.HasPrefix(e.Key, "old/") {
			unused++
		}
	}
	if unused != 1000 || table.Len() != 2000 {
		t.Errorf("%d of 1000 reported as unused, %d counters left, want 2000", unused, table.Len())
	}
}

func TestLoadingMoreThanThereIsRoomForForgetsNoCounter(t *testing.T) {
	table := hitcount.New(64)
	for i := range 1000 {
		table.Load(hitcount.Entry{Key: "k/" + strconv.Itoa(i), State: start.Add(5 * time.Hour).UnixNano()})
	}
	for i := range 1000 {
		if hit(table, "k/"+strconv.Itoa(i), guesses, 1, start).OK {
			t.Fatalf("key %d was forgotten", i)
		}
	}
}

func TestAHitOnAKnownKeyAllocatesNothing(t *testing.T) {
	table := hitcount.New(0)
	hit(table, "login/somebody", guesses, 1, start)
	if n := testing.AllocsPerRun(100, func() { hit(table, "login/somebody", guesses, 1, start) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkHitKnownKey(b *testing.B) {
	table := hitcount.New(0)
	limit := store.Limit{Burst: 1_000_000, Every: time.Microsecond}
	now := start
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(time.Microsecond)
		hit(table, "login/7f9c24e8b1d04a6aa3c5", limit, 1, now)
	}
}

func BenchmarkHitKnownKeysParallel(b *testing.B) {
	table := hitcount.New(0)
	limit := store.Limit{Burst: 1_000_000, Every: time.Microsecond}
	keys := make([]string, 1<<16)
	for i := range keys {
		keys[i] = "login/7f9c24e8b1d04a6aa3c5" + strconv.Itoa(i)
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		i := rand.Int()
		for pb.Next() {
			i++
			hit(table, keys[i%len(keys)], limit, 1, start)
		}
	})
}

// Every key is new and the table is full: what a flood costs.
func BenchmarkHitFlood(b *testing.B) {
	for _, size := range []int{40, store.MaxKey} {
		b.Run(fmt.Sprintf("key=%d", size), func(b *testing.B) {
			before := heap()
			table := hitcount.New(0)
			pad := strings.Repeat("x", size-10)
			for i := range 1_500_000 {
				hit(table, fmt.Sprintf("%s/%09d", pad, i), guesses, 1, start)
			}
			grown := float64(heap()-before) / 1e6
			key := []byte(pad + "/")
			i := int64(100_000_000)
			for b.Loop() {
				i++
				hit(table, string(strconv.AppendInt(key, i, 10)), guesses, 1, start)
			}
			b.ReportMetric(grown, "MB")
			runtime.KeepAlive(table)
		})
	}
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
