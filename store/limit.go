package store

import "time"

// A Limit bounds how often something may happen: Burst times at once, and once
// more for every Every that passes. In any span of time d at most
// Burst + d/Every attempts are admitted. (It is the generic cell rate algorithm,
// ITU-T I.371, whose whole state is one instant.)
type Limit struct {
	Burst int           // 1 to 1,000,000
	Every time.Duration // 1 µs or more; Burst × Every is at most 100 years
}

// A Decision is a store's answer to Hit.
type Decision struct {
	// OK is true if the attempts were counted. It is always true when giving back.
	OK bool
	// Left is how many more attempts would be admitted at this instant.
	Left int
	// RetryAfter is 0 if OK is true. Otherwise it is the time until the same call would
	// be admitted if nothing else is counted, and more than 0.
	RetryAfter time.Duration
}

// Apply is the arithmetic of Hit: it takes a counter's state and returns its next one
// with the decision. The state is an instant in nanoseconds since the Unix epoch. A
// counter that was never used, or whose state is not after now, counts as absent and
// may be dropped. Adapters that can run Go inside their atomic step call Apply; others
// (a Lua script) do the same sums. They are exact for arguments that CheckHit accepts
// and a now from 1970 to 2060.
func (l Limit) Apply(state int64, n int, now time.Time) (next int64, d Decision) {
	at := now.UnixNano()
	full := at + int64(l.Burst)*int64(l.Every) // the state that leaves nothing
	state = max(at, min(state, full))          // it is further ahead only if the clock went back, which must not lock for as long
	next = state + int64(n)*int64(l.Every)
	if next > full {
		return state, Decision{RetryAfter: time.Duration(next - full), Left: l.left(full - state)}
	}
	next = max(at, next) // nothing is given back that was not counted
	return next, Decision{OK: true, Left: l.left(full - next)}
}

// left returns how many attempts fit into span, which is never negative. Unsigned
// numbers are divided faster.
func (l Limit) left(span int64) int { return int(uint64(span) / uint64(l.Every)) }
