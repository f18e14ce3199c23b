package auth

import (
	"math"
	"strconv"
	"testing"
	"time"

	"github.com/datixlab/auth/store/memstore"
)

func (m *memory) count() (n int) {
	for i := range m.sets {
		for j := range m.sets[i].known {
			if m.sets[i].known[j].Load() != nil {
				n++
			}
		}
	}
	return n
}

// see is what a check does with what it finds to be good.
func (m *memory) see(token string) {
	if p := m.token(token); m.wants(p, true, true, new(room)) {
		m.put(p, &remembered{token: token, until: math.MaxInt64})
	}
}

func TestWhatIsRememberedIsBoundedAndTakesTwoLooks(t *testing.T) {
	m := newMemory(memstore.New(), 64)
	for i := range 10_000 {
		m.see("once" + strconv.Itoa(i))
	}
	if n := m.count(); n != 0 {
		t.Errorf("%d of those that were seen once are remembered", n)
	}
	for i := range 10_000 {
		for range 3 {
			m.see("often" + strconv.Itoa(i))
		}
	}
	if n := m.count(); n != 64 {
		t.Errorf("%d are remembered, want 64", n)
	}
	if none := newMemory(memstore.New(), 0); none.token("t").known != nil || none.wants(none.token("t"), true, true, new(room)) {
		t.Error("who is to remember nothing does")
	}
}

func TestWhatIsOutOfTheOrdinaryInSizeIsNotRemembered(t *testing.T) {
	m, in := newMemory(memstore.New(), 64), new(room)
	in.text(make([]byte, maxRememberedTexts+1))
	for range 3 {
		if m.wants(m.token("t"), true, true, in) {
			t.Error("it is")
		}
	}
}

// Where the store tells no stamps, a key is not remembered, and a token once.
func TestWithoutStampsSignaturesAloneAreRemembered(t *testing.T) {
	m := newMemory(nil, 64)
	p := m.token("t")
	for range 3 {
		if m.wants(p, false, false, new(room)) {
			t.Error("a key is remembered")
		}
	}
	if m.wants(p, false, true, new(room)) || !m.wants(p, false, true, new(room)) {
		t.Error("a token is not remembered from the second time on")
	}
	if p.known = new(remembered); m.wants(p, false, true, new(room)) {
		t.Error("a token that is known is remembered again")
	}
}

// A set that is full gives a place away; what is known again keeps its own.
func TestWhatIsKnownAgainTakesItsOwnPlace(t *testing.T) {
	m := newMemory(memstore.New(), ways)
	for i := range ways {
		for range 2 {
			m.see(strconv.Itoa(i))
		}
	}
	for range 100 {
		m.see("0")
	}
	for i := range ways {
		if m.token(strconv.Itoa(i)).known == nil {
			t.Errorf("%d is forgotten", i)
		}
	}
}

func TestInstantsAreComparedAsFarAsTheyGo(t *testing.T) {
	for _, c := range []struct {
		at   time.Time
		want int64
	}{
		{time.Time{}, math.MaxInt64},
		{time.Unix(0, 0), 0},
		{time.Unix(1, 5), 1e9 + 5},
		{time.Unix(math.MaxInt64/int64(time.Second), 0), math.MaxInt64},
		{time.Unix(1e17, 0), math.MaxInt64},
		{time.Unix(-1e17, 0), math.MinInt64},
	} {
		if got := nanos(c.at); got != c.want {
			t.Errorf("nanos(%v) = %d, want %d", c.at, got, c.want)
		}
	}
}
