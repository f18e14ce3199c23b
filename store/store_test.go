package store_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/datixlab/auth/internal/fuzztest"
	"github.com/datixlab/auth/store"
)

var start = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

func TestALimitAdmitsItsBurstAndThenOneForEveryEvery(t *testing.T) {
	l := store.Limit{Burst: 3, Every: time.Minute}
	state := int64(0)
	for i, step := range []struct {
		at   time.Duration
		n    int
		want store.Decision
	}{
		{0, 1, store.Decision{OK: true, Left: 2}},
		{0, 2, store.Decision{OK: true, Left: 0}},
		{0, 1, store.Decision{Left: 0, RetryAfter: time.Minute}},
		{0, 3, store.Decision{Left: 0, RetryAfter: 3 * time.Minute}},
		{time.Minute - 1, 1, store.Decision{Left: 0, RetryAfter: 1}},
		{time.Minute, 2, store.Decision{Left: 1, RetryAfter: time.Minute}},
		{time.Minute, 1, store.Decision{OK: true, Left: 0}},
		{time.Minute, -1, store.Decision{OK: true, Left: 1}},
		{90 * time.Second, 1, store.Decision{OK: true, Left: 0}},
		{90 * time.Second, -3, store.Decision{OK: true, Left: 3}},
		{90 * time.Second, 3, store.Decision{OK: true, Left: 0}},
		{80 * time.Second, 1, store.Decision{Left: 0, RetryAfter: time.Minute}}, // a clock that went back
		{time.Hour, 3, store.Decision{OK: true, Left: 0}},
	} {
		var d store.Decision
		state, d = l.Apply(state, step.n, start.Add(step.at))
		if d != step.want {
			t.Errorf("step %d, %d attempts after %v: %+v, want %+v", i, step.n, step.at, d, step.want)
		}
	}
}

func TestAStateThatIsNotAfterNowIsAsGoodAsAbsent(t *testing.T) {
	l := store.Limit{Burst: 5, Every: time.Second}
	at := start.UnixNano()
	for _, n := range []int{1, 5, -1, -5} {
		next, want := l.Apply(0, n, start)
		for _, state := range []int64{1, at - 1, at} {
			if n2, d := l.Apply(state, n, start); n2 != next || d != want {
				t.Errorf("%d attempts on state now%+d: %d %+v, unused %d %+v", n, state-at, n2, d, next, want)
			}
		}
	}
}

func TestGivingBackMoreThanWasCountedLeavesNoCredit(t *testing.T) {
	l := store.Limit{Burst: 5, Every: time.Second}
	state, _ := l.Apply(0, 2, start)
	state, d := l.Apply(state, -5, start)
	if !d.OK || d.Left != 5 || state > start.UnixNano() {
		t.Errorf("giving back 5 where 2 are counted: %+v and a state %v after now, want 5 left and it unused",
			d, time.Duration(state-start.UnixNano()))
	}
	if _, d := l.Apply(state, 5, start); !d.OK || d.Left != 0 {
		t.Errorf("the burst after that: %+v, want it admitted with none left", d)
	}
}

// However attempts fall, no window holds more than Burst + d/Every of them.
func TestNoSpanHoldsMoreThanBurstPlusItsShare(t *testing.T) {
	for seed := range uint64(30) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		l := store.Limit{Burst: 1 + rnd.IntN(5), Every: time.Duration(1 + rnd.IntN(1000))}
		var admitted []time.Time
		state, now := int64(0), start
		for range 400 {
			now = now.Add(time.Duration(rnd.IntN(int(l.Every))))
			var d store.Decision
			if state, d = l.Apply(state, 1, now); d.OK {
				admitted = append(admitted, now)
			}
		}
		for i := range admitted {
			for j := i; j < len(admitted); j++ {
				if most := l.Burst + int(admitted[j].Sub(admitted[i])/l.Every); j-i+1 > most {
					t.Fatalf("%+v admitted %d in %v, want at most %d", l, j-i+1, admitted[j].Sub(admitted[i]), most)
				}
			}
		}
	}
}

// Whatever CheckHit accepts, Apply decides without overflow.
func FuzzApply(f *testing.F) {
	century := int64(100 * 365 * 24 * time.Hour)
	f.Add(5, int64(time.Minute), 1, int64(0), int64(0))
	f.Add(5, int64(time.Minute), 1, int64(time.Hour), int64(1))
	f.Add(5, int64(time.Minute), -5, int64(time.Hour), int64(1))
	f.Add(5, int64(time.Minute), -5, int64(time.Minute), int64(1))
	f.Add(1, century, 1, century, int64(0))
	f.Add(1, century, -1, century, int64(0))
	f.Add(1_000_000, century/1_000_000, 1_000_000, century, int64(30*365*24*time.Hour))
	f.Add(1_000_000, int64(time.Microsecond), 1, int64(time.Second), int64(time.Microsecond))
	saw := fuzztest.BothWays(f)
	fuzztest.Fuzz(f, func(t *testing.T, burst int, every int64, n int, ahead, pass int64) {
		l := store.Limit{Burst: burst, Every: time.Duration(every)}
		if store.CheckHit("p/k", l, n) != nil || ahead < 0 || ahead > century || pass < 0 || pass > century/4 {
			return // outside the contract
		}
		now := start.Add(time.Duration(pass))
		at := now.UnixNano()
		state := at + ahead
		next, d := l.Apply(state, n, now)
		saw(d.OK)
		switch {
		case n < 0 && (!d.OK || d.RetryAfter != 0 || next > state || next < at):
			t.Errorf("giving back: %+v, state %d to %d", d, state, next)
		case n > 0 && d.OK && (d.RetryAfter != 0 || next <= state || next > at+int64(burst)*every):
			t.Errorf("admitted: %+v, state %d to %d", d, state, next)
		case n > 0 && !d.OK && (d.RetryAfter <= 0 || next != min(state, at+int64(burst)*every)): // capped after a jump back
			t.Errorf("refused: %+v, state %d to %d", d, state, next)
		}
		if d.Left < 0 || d.Left > burst {
			t.Errorf("%d left of %d", d.Left, burst)
		}
		if d.Left > 0 {
			if _, more := l.Apply(next, d.Left, now); !more.OK || more.Left != 0 {
				t.Errorf("%d were left, but taking them is %+v", d.Left, more)
			}
		}
		if d.Left < burst {
			if _, more := l.Apply(next, d.Left+1, now); more.OK {
				t.Errorf("%d were left, but one more is admitted", d.Left)
			}
		}
		if !d.OK {
			if _, early := l.Apply(next, n, now.Add(d.RetryAfter-1)); early.OK {
				t.Errorf("admitted before RetryAfter %v", d.RetryAfter)
			}
			if _, then := l.Apply(next, n, now.Add(d.RetryAfter)); !then.OK {
				t.Errorf("refused after RetryAfter %v: %+v", d.RetryAfter, then)
			}
		}
	})
}

func TestPartitionIsWhatStandsBeforeTheFirstSlash(t *testing.T) {
	for key, want := range map[string]string{
		"": "", "a": "", "/": "", "/a": "", "a/": "a", "a/b": "a", "a/b/c": "a", "u.1/x": "u.1", "a//": "a",
	} {
		if got := store.Partition(key); got != want {
			t.Errorf("Partition(%q) = %q, want %q", key, got, want)
		}
	}
}

func TestValidKeyHoldsToTheBounds(t *testing.T) {
	for key, want := range map[string]bool{
		"p/a": true, "p//": true, "!/~": true, "p/a/b": true,
		"p/" + strings.Repeat("a", store.MaxKey-2): true,
		"p/" + strings.Repeat("a", store.MaxKey-1): false,
		"": false, "/": false, "p": false, "p/": false, "/a": false, "//a": false, "pa": false,
		"p/ ": false, "p/\x7f": false, "p/\x00": false, "p/é": false, "p/{": false, "}/a": false,
	} {
		if got := store.ValidKey(key); got != want {
			t.Errorf("ValidKey(%.20q) = %v", key, got)
		}
	}
}

func FuzzAValidKeyIsInOnePartitionAndCanBeListed(f *testing.F) {
	for _, key := range []string{"p/a", "p//", "u.1/s/2", "{p}/a", "p/", "/a", "p/\xff", "~/!"} {
		f.Add(key)
	}
	saw := fuzztest.BothWays(f)
	fuzztest.Fuzz(f, func(t *testing.T, key string) {
		p := store.Partition(key)
		valid := store.ValidKey(key)
		if saw(valid); !valid {
			if store.CheckGet([]string{key}) == nil || store.CheckCommit([]store.Op{store.Delete(key)}) == nil {
				t.Errorf("%q is not valid and yet accepted", key)
			}
			return
		}
		if p == "" || strings.Contains(p, "/") || !strings.HasPrefix(key, p+"/") || len(key) < 3 || len(key) > store.MaxKey {
			t.Errorf("Partition(%q) = %q", key, p)
		}
		for _, err := range []error{
			store.CheckGet([]string{key}), store.CheckCommit([]store.Op{store.Put(key, nil)}),
			store.CheckList(p+"/", key, 1), store.CheckList(key, "", 1), store.CheckList(key, key, 1),
			store.CheckHit(key, store.Limit{Burst: 1, Every: time.Second}, 1),
		} {
			if err != nil {
				t.Errorf("%q: %v", key, err)
			}
		}
	})
}

func TestChecksRefuseWhatIsOutsideTheContract(t *testing.T) {
	keys := func(n int) (keys []string) {
		for i := range n {
			keys = append(keys, "p/"+strings.Repeat("a", i+1))
		}
		return keys
	}
	ops := func(n int) (ops []store.Op) {
		for _, key := range keys(n) {
			ops = append(ops, store.Delete(key))
		}
		return ops
	}
	hit := func(burst int, every time.Duration, n int) error {
		return store.CheckHit("p/a", store.Limit{Burst: burst, Every: every}, n)
	}
	year := 365 * 24 * time.Hour
	long := "p/" + strings.Repeat("a", store.MaxKey-1)
	for name, c := range map[string]struct {
		err error
		ok  bool
	}{
		"get none":                 {store.CheckGet(nil), false},
		"get the most":             {store.CheckGet(keys(store.MaxGet)), true},
		"get too many":             {store.CheckGet(keys(store.MaxGet + 1)), false},
		"get twice the same":       {store.CheckGet([]string{"p/a", "p/a"}), true},
		"get two partitions":       {store.CheckGet([]string{"p/a", "q/a"}), false},
		"list":                     {store.CheckList("p/", "", 1), true},
		"list the most":            {store.CheckList("p/", "", store.MaxList), true},
		"list none":                {store.CheckList("p/", "", 0), false},
		"list too many":            {store.CheckList("p/", "", store.MaxList+1), false},
		"list no partition":        {store.CheckList("p", "", 1), false},
		"list everything":          {store.CheckList("", "", 1), false},
		"list from the prefix":     {store.CheckList("p/", "p/", 1), true},
		"list from elsewhere":      {store.CheckList("p/", "q/a", 1), false},
		"list from before":         {store.CheckList("p/b", "p/a", 1), false},
		"list too long":            {store.CheckList(long, "", 1), false},
		"list from too long":       {store.CheckList("p/", long, 1), false},
		"commit none":              {store.CheckCommit(nil), false},
		"commit the most":          {store.CheckCommit(ops(store.MaxOps)), true},
		"commit too many":          {store.CheckCommit(ops(store.MaxOps + 1)), false},
		"commit a key twice":       {store.CheckCommit(append(ops(3), store.Check("p/aa"))), false},
		"commit two partitions":    {store.CheckCommit(append(ops(3), store.Check("q/a"))), false},
		"commit the largest":       {store.CheckCommit([]store.Op{store.Put("p/a", make([]byte, store.MaxValue))}), true},
		"commit too large":         {store.CheckCommit([]store.Op{store.Put("p/a", make([]byte, store.MaxValue+1))}), false},
		"commit no condition":      {store.CheckCommit([]store.Op{{Key: "p/a", When: store.IfEqual + 1}}), false},
		"commit no write":          {store.CheckCommit([]store.Op{{Key: "p/a", Write: store.Remove + 1}}), false},
		"delete with a value":      {store.CheckCommit([]store.Op{{Key: "p/a", Write: store.Remove, Value: []byte{}}}), false},
		"delete with an expiry":    {store.CheckCommit([]store.Op{store.Delete("p/a").Until(start)}), false},
		"check with an expiry":     {store.CheckCommit([]store.Op{store.Check("p/a").Until(start)}), false},
		"hit":                      {hit(5, time.Minute, 1), true},
		"hit all":                  {hit(5, time.Minute, 5), true},
		"give all back":            {hit(5, time.Minute, -5), true},
		"hit none":                 {hit(5, time.Minute, 0), false},
		"hit more than all":        {hit(5, time.Minute, 6), false},
		"give more than all":       {hit(5, time.Minute, -6), false},
		"give far too many":        {hit(5, time.Minute, math.MinInt), false},
		"hit no burst":             {hit(0, time.Minute, 1), false},
		"hit the largest burst":    {hit(1_000_000, time.Minute, 1), true},
		"hit the most":             {hit(1_000_000, time.Microsecond, 1_000_000), true},
		"hit too large a burst":    {hit(1_000_001, time.Microsecond, 1), false},
		"hit too often":            {hit(5, time.Microsecond-1, 1), false},
		"hit once in a century":    {hit(1, 100*year, 1), true},
		"hit less than that":       {hit(1, 100*year+1, 1), false},
		"hit twice in 101 years":   {hit(2, 50*year+1, 1), false},
		"hit a burst of 114 years": {hit(1_000_000, time.Hour, 1), false},
		"hit never again":          {hit(1, math.MaxInt64, 1), false},
		"hit a bad key":            {store.CheckHit("p", store.Limit{Burst: 1, Every: time.Minute}, 1), false},
	} {
		if (c.err == nil) != c.ok || c.err != nil && !errors.Is(c.err, store.ErrInvalid) {
			t.Errorf("%s: %v", name, c.err)
		}
	}
}

func TestWasIsAbsentForNilAndEqualForAllElse(t *testing.T) {
	op := store.Put("p/a", []byte("new"))
	for _, c := range []struct {
		value []byte
		when  store.Condition
	}{{nil, store.IfAbsent}, {[]byte{}, store.IfEqual}, {[]byte("old"), store.IfEqual}} {
		got := op.Was(c.value)
		if got.When != c.when || string(got.Old) != string(c.value) || string(got.Value) != "new" {
			t.Errorf("Was(%#v) = %+v", c.value, got)
		}
	}
	if got := op.Equal([]byte("old")).Absent(); got.When != store.IfAbsent || got.Old != nil {
		t.Errorf("Absent after Equal = %+v", got)
	}
	if op.When != store.Always || op.Old != nil {
		t.Errorf("a method changed the Op it was called on: %+v", op)
	}
}

// A counter that was used before its clock was set back is as full as one can be, and
// no fuller: no client is locked out for as long as the jump.
func TestAfterAJumpBackACounterRefusesForOneIntervalAndNotForTheJump(t *testing.T) {
	l := store.Limit{Burst: 5, Every: time.Minute}
	for _, used := range []int{1, 3, 5} {
		for _, jump := range []time.Duration{time.Hour, 24 * time.Hour, 20 * 365 * 24 * time.Hour} {
			state, d := l.Apply(0, used, start.Add(jump))
			if !d.OK {
				t.Fatal("an unused counter refused")
			}
			now := start // the clock is set right
			for i := range 10 {
				if state, d = l.Apply(state, 1, now); d.OK || d.RetryAfter > l.Every {
					t.Fatalf("%d used, a jump of %v, attempt %d: %+v, want to be refused for %v at the most", used, jump, i, d, l.Every)
				}
				now = now.Add(d.RetryAfter)
				if state, d = l.Apply(state, 1, now); !d.OK {
					t.Fatalf("%d used, a jump of %v, after its interval %d: %+v", used, jump, i, d)
				}
			}
			if _, d := l.Apply(state, l.Burst, now.Add(time.Duration(l.Burst)*l.Every)); !d.OK || d.Left != 0 {
				t.Errorf("%d used, a jump of %v, when the burst has refilled: %+v", used, jump, d)
			}
		}
	}
}
