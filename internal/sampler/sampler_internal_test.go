package sampler

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/datixlab/auth/store"
)

// A flood of refusals from thousands of sources costs little memory, and hides nothing
// rarer: what is left out is counted.
func TestAFloodIsPickedFromAndCounted(t *testing.T) {
	p := New(store.Limit{Burst: 20, Every: 3 * time.Second})
	at := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	refused := Kind{"api_key_refused", "malformed"}
	allowed, all := 0, 200_000
	for i := range all {
		s := Source{Kind: refused, Network: fmt.Sprintf("10.%d.%d.%d", byte(i>>12), byte(i>>4), byte(i))}
		if p.Allow(s, at.Add(time.Duration(i)*10*time.Microsecond)) {
			allowed++
		}
	}
	if len(p.sources) > maxSources+10 {
		t.Errorf("%d sources are remembered", len(p.sources))
	}
	if n := maps.Collect(p.Take())[refused]; n != all-allowed || n == 0 {
		t.Errorf("%d allowed and %d counted of %d", allowed, n, all)
	}
	if n := len(maps.Collect(p.Take())); n != 0 {
		t.Errorf("%d kinds are counted again", n)
	}
	if !p.Allow(Source{Kind{"api_key_refused", "expired"}, "user_1", "10.0.0.1"}, at.Add(time.Hour)) {
		t.Error("a refusal of another kind was left out")
	}
	one, at := Source{Kind: Kind{"token_refused", "malformed"}}, at.Add(2*time.Hour)
	for i := range 30 {
		if got := p.Allow(one, at); got != (i < 20) {
			t.Fatalf("event %d of one source: %v", i, got)
		}
	}
	at = at.Add(3 * time.Second)
	if !p.Allow(one, at) || p.Allow(one, at) {
		t.Error("after 3 seconds not exactly one more")
	}
}

func TestKindsBeyondABoundAreCountedByType(t *testing.T) {
	p := New(store.Limit{Burst: 1, Every: time.Second})
	for i := range maxKinds + 10 {
		p.CountOmitted(Kind{"denied", fmt.Sprint(i)})
	}
	p.CountOmitted(Kind{"denied", "0"})
	omitted := maps.Collect(p.Take())
	if omitted[Kind{Type: "denied"}] != 10 || omitted[Kind{"denied", "0"}] != 2 || len(omitted) != maxKinds+1 {
		t.Errorf("%d kinds, %d by type", len(omitted), omitted[Kind{Type: "denied"}])
	}
}
