package storetest

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/datixlab/auth/store"
)

var hitRules = []Rule{{
	Name:  "HitCounts",
	Says:  "Hit decides as store.Limit.Apply does, for each key by itself",
	check: checkHitCounts,
}, {
	Name:  "HitRefused",
	Says:  "attempts beyond the limit are refused as a whole and not counted",
	check: checkHitRefused,
}, {
	Name:  "HitRetryAfter",
	Says:  "RetryAfter is how long until the same call is admitted, within a millisecond",
	check: checkHitRetryAfter,
}, {
	Name:  "HitGivesBack",
	Says:  "a negative n gives attempts back, at most all of them",
	check: checkHitGivesBack,
}, {
	Name:  "HitRace",
	Says:  "a Hit is one atomic step: racers are admitted as often as the limit says, no more and no less",
	check: checkHitRace,
}, {
	Name:  "HitRaceGivesBack",
	Says:  "a Hit is one atomic step: of what racers count and give back nothing is lost",
	check: checkHitRaceGivesBack,
}, {
	Name:  "HitRemembers",
	Says:  "a counter in use is never dropped to make room for others",
	check: checkHitRemembers,
}, {
	Name:  "HitApart",
	Says:  "counters live apart from records: Get, List and Commit neither see nor touch them",
	check: checkHitApart,
}, {
	Name:  "SkewedClocks",
	Says:  "clients whose clocks differ by minutes are admitted as store.Limit.Apply says, and the one behind is not locked out for longer than that",
	check: checkSkewedClocks,
}}

// base is the instant at which the counters of the rules begin. It is the real time,
// since a store may drop a counter whose state is not after now by its own clock.
func base() time.Time { return time.Now().Truncate(time.Millisecond) }

func checkHitCounts(p *probe) {
	rnd := rand.New(rand.NewPCG(3, 4))
	states := map[string]int64{}
	now := base()
	for range 600 {
		now = now.Add(time.Duration(rnd.IntN(3)) * time.Minute)
		key := fmt.Sprintf("h.%d/%d", rnd.IntN(3), rnd.IntN(4))
		l := store.Limit{Burst: 1 + rnd.IntN(8), Every: time.Duration(1+rnd.IntN(10)) * time.Minute}
		n := 1 + rnd.IntN(l.Burst)
		if rnd.IntN(4) == 0 {
			n = -n
		}
		state := states[key]
		next, want := l.Apply(state, n, now)
		states[key] = next
		if got := p.hit(key, l, n, now); !alike(got, want) {
			failf("Hit(%q, %+v, %d) of a counter %v ahead = %+v, want %+v",
				key, l, n, time.Duration(max(0, state-now.UnixNano())), got, want)
		}
	}
}

// alike reports whether a decision is the wanted one. Its RetryAfter may be up to a
// millisecond longer.
func alike(got, want store.Decision) bool {
	if got.RetryAfter > want.RetryAfter && got.RetryAfter < want.RetryAfter+time.Millisecond {
		got.RetryAfter = want.RetryAfter
	}
	return got == want
}

func checkHitRefused(p *probe) {
	now := base()
	l := store.Limit{Burst: 4, Every: time.Minute}
	if d := p.hit("h/whole", l, 3, now); !d.OK || d.Left != 1 || d.RetryAfter != 0 {
		failf("3 of 4: %+v, want OK, 1 left and no RetryAfter", d)
	}
	for range 50 {
		if d := p.hit("h/whole", l, 2, now); d.OK || d.Left != 1 || d.RetryAfter <= 0 {
			failf("2 more where 1 is left: %+v, want it refused with 1 left", d)
		}
	}
	if d := p.hit("h/whole", l, 1, now); !d.OK || d.Left != 0 {
		failf("the last of 4, after refused attempts: %+v, want OK and none left", d)
	}
	for range 50 {
		if d := p.hit("h/whole", l, 1, now); d.OK || d.Left != 0 || d.RetryAfter != time.Minute {
			failf("a fifth of 4: %+v, want it refused for a minute", d)
		}
	}
	for i := range 3 {
		now = now.Add(time.Minute)
		if d := p.hit("h/whole", l, 1, now); !d.OK || d.Left != 0 {
			failf("%d minutes after refused attempts: %+v, want one admitted", i+1, d)
		}
		if d := p.hit("h/whole", l, 1, now); d.OK {
			failf("two admitted in one minute, where the limit is one")
		}
	}
	now = now.Add(time.Hour)
	if d := p.hit("h/whole", l, 4, now); !d.OK || d.Left != 0 {
		failf("after an hour of rest: %+v, want the whole burst admitted", d)
	}
}

func checkHitRetryAfter(p *probe) {
	for i, c := range []struct {
		l    store.Limit
		n    int
		rest time.Duration
	}{
		{store.Limit{Burst: 1, Every: time.Minute}, 1, 0},
		{store.Limit{Burst: 5, Every: 61_337 * time.Millisecond}, 1, 12_345 * time.Millisecond},
		{store.Limit{Burst: 5, Every: 61_337 * time.Millisecond}, 5, 12_345 * time.Millisecond},
		{store.Limit{Burst: 1000, Every: 7_001 * time.Microsecond}, 700, time.Millisecond},
		{store.Limit{Burst: 2, Every: 365 * 24 * time.Hour}, 2, time.Hour},
	} {
		key := fmt.Sprintf("h/retry%d", i)
		now := base()
		p.hit(key, c.l, c.l.Burst, now)
		now = now.Add(c.rest)
		d := p.hit(key, c.l, c.n, now)
		if d.OK || d.RetryAfter <= 0 {
			failf("Hit of %d beyond %+v: %+v, want it refused with a RetryAfter", c.n, c.l, d)
		}
		if early := p.hit(key, c.l, c.n, now.Add(d.RetryAfter-time.Millisecond)); early.OK {
			failf("%d of %+v are admitted more than 1 ms before the RetryAfter of %v", c.n, c.l, d.RetryAfter)
		}
		if then := p.hit(key, c.l, c.n, now.Add(d.RetryAfter)); !then.OK || then.RetryAfter != 0 {
			failf("%d of %+v after the RetryAfter of %v: %+v, want them admitted", c.n, c.l, d.RetryAfter, then)
		}
	}
}

func checkHitGivesBack(p *probe) {
	now := base()
	l := store.Limit{Burst: 5, Every: time.Minute}
	if d := p.hit("h/back", l, -5, now); !d.OK || d.Left != 5 {
		failf("giving back to an unused counter: %+v, want OK and 5 left", d)
	}
	if d := p.hit("h/back", l, 5, now); !d.OK || d.Left != 0 {
		failf("5 of 5 after giving back what was never counted: %+v, want OK and none left", d)
	}
	if d := p.hit("h/back", l, 1, now); d.OK {
		failf("giving back to an unused counter made room for more than the burst")
	}
	if d := p.hit("h/back", l, -2, now); !d.OK || d.Left != 2 || d.RetryAfter != 0 {
		failf("giving 2 of 5 back: %+v, want OK and 2 left", d)
	}
	if d := p.hit("h/back", l, 3, now); d.OK {
		failf("3 admitted after 2 of 5 were given back")
	}
	if d := p.hit("h/back", l, 2, now); !d.OK || d.Left != 0 {
		failf("the 2 that were given back: %+v, want them admitted again", d)
	}
	now = now.Add(2 * time.Minute)
	if d := p.hit("h/back", l, -5, now); !d.OK || d.Left != 5 {
		failf("giving back 5 where 3 are counted: %+v, want OK and 5 left", d)
	}
	if d := p.hit("h/back", l, 5, now); !d.OK || p.hit("h/back", l, 1, now).OK {
		failf("a counter that was given back more than it had is not as if never used: %+v", d)
	}
}

func checkHitRace(p *probe) {
	const many, burst = 200, 50
	now := base()
	probes := p.all()
	rounds(10, func(round int) {
		for _, n := range []int{1, 3} {
			key := fmt.Sprintf("h/race%d/%d", round, n)
			l := store.Limit{Burst: burst, Every: time.Hour}
			var admitted atomic.Int64
			race(many, probes, func(_ int, p *probe) {
				if p.hit(key, l, n, now).OK {
					admitted.Add(int64(n))
				}
			})
			if got := admitted.Load(); got != burst/int64(n)*int64(n) {
				failf("%d racers with %d attempts each: %d admitted at a limit of %d", many, n, got, burst)
			}
		}
	})
}

func checkHitRaceGivesBack(p *probe) {
	const each = 20
	now := base()
	l := store.Limit{Burst: 1000, Every: time.Hour}
	probes := p.all()
	rounds(10, func(round int) {
		key := fmt.Sprintf("h/back%d", round)
		race(racers, probes, func(_ int, p *probe) {
			for range each {
				if d := p.hit(key, l, 2, now); !d.OK {
					failf("refused at a limit of %d, where fewer can be counted: %+v", l.Burst, d)
				}
				p.hit(key, l, -1, now) // not 2: updates lost both ways would cancel each other out
			}
		})
		want := l.Burst - racers*each - 1
		if d := p.hit(key, l, 1, now); d.Left != want {
			failf("%d racers counted 2 and gave 1 back, %d times: one more leaves %d of %d, want %d", racers, each, d.Left, l.Burst, want)
		}
	})
}

func checkHitRemembers(p *probe) {
	now := base()
	l := store.Limit{Burst: 5, Every: time.Hour}
	p.hit("h/victim", l, 4, now)
	end := now.Add(4 * budget)
	for i := 0; i < 20_000 && (i < 500 || time.Now().Before(end)); i++ {
		p.hit(fmt.Sprintf("h.%d/%d", i%7, i), l, 1, now)
	}
	if d := p.hit("h/victim", l, 1, now); !d.OK || d.Left != 0 {
		failf("after 4 of 5 attempts and then many of other keys, the fifth is %+v, want OK and none left", d)
	}
	if d := p.hit("h/victim", l, 1, now); d.OK {
		failf("a sixth attempt of 5 was admitted after many of other keys")
	}
}

func checkHitApart(p *probe) {
	now := base()
	l := store.Limit{Burst: 5, Every: time.Hour}
	p.hit("a/hit", l, 1, now)
	p.want("a/hit", nil)
	p.commit(store.Put("a/hit", []byte("record")).Absent())
	if d := p.hit("a/hit", l, 1, now); !d.OK || d.Left != 3 {
		failf("second Hit, after a Commit to a record of the same key: %+v, want OK and 3 left", d)
	}
	p.want("a/hit", []byte("record"))
	p.hit("a/other", l, 1, now)
	if items := p.list("a/", "", 10); len(items) != 1 {
		failf("List shows %d records where there is one, and two counters: %+v", len(items), items)
	}
	p.commit(store.Delete("a/hit"), store.Delete("a/other"))
	if d := p.hit("a/hit", l, 1, now); !d.OK || d.Left != 2 {
		failf("third Hit, after the record of the same key was deleted: %+v, want OK and 2 left", d)
	}
	p.want("a/hit", nil)
	p.commit(store.Put("a/past", nil).Until(now.Add(-time.Hour)))
	p.hit("a/past", l, 5, now)
	churn(p)
	if d := p.hit("a/past", l, 1, now); d.OK {
		failf("a counter went with the expiry of the record of the same key")
	}
}

func checkSkewedClocks(p *probe) {
	const skew = 7 * time.Minute
	rnd := rand.New(rand.NewPCG(5, 6))
	probes := p.all()
	begin := base()
	for i, l := range []store.Limit{
		{Burst: 5, Every: time.Minute}, {Burst: 100, Every: time.Second}, {Burst: 3, Every: time.Hour}, {Burst: 1, Every: time.Second},
	} {
		key := fmt.Sprintf("h/skewed%d", i)
		now, state := begin, int64(0)
		latest := begin
		hit := func(behind bool, n int) store.Decision {
			who, at := probes[0], now.Add(skew)
			if behind {
				who, at = probes[len(probes)-1], now
			}
			next, want := l.Apply(state, n, at)
			got := who.hit(key, l, n, at)
			if !alike(got, want) && state <= latest.UnixNano() { // to one of them it counted as absent
				next, want = l.Apply(0, n, at)
			}
			if !alike(got, want) {
				failf("Hit(%q, %+v, %d) by clocks %v apart, of a counter %v ahead of this one = %+v, want %+v",
					key, l, n, skew, time.Duration(max(0, state-at.UnixNano())), got, want)
			}
			state = next
			if at.After(latest) {
				latest = at
			}
			return got
		}
		hit(false, l.Burst)
		if d := hit(true, 1); d.OK || d.RetryAfter > l.Every+time.Millisecond {
			failf("Hit of a used up %+v by a clock %v behind: %+v, want it refused for %v at most", l, skew, d, l.Every)
		}
		now = now.Add(l.Every)
		if d := hit(true, 1); !d.OK {
			failf("Hit of %+v by a clock %v behind, %v after it was used up: %+v, want it admitted", l, skew, l.Every, d)
		}
		for range 60 {
			now = now.Add(time.Duration(rnd.Int64N(int64(l.Every)) / int64(time.Millisecond) * int64(time.Millisecond)))
			n := 1 + rnd.IntN(l.Burst)
			if rnd.IntN(4) == 0 {
				n = -n
			}
			hit(rnd.IntN(2) == 0, n)
		}
	}
}
