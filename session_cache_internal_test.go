package auth

import (
	"math"
	"strconv"
	"testing"
	"time"

	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/memstore"
)

// see is what a check does with what it finds to be good.
func (m *checkCache) see(token string) {
	lasting := m.sessionOf("lasting")
	if p := m.token(token); m.shouldStore(p, lasting, true) {
		m.put(p, &cachedCheck{token: token, snapshot: lasting, until: math.MaxInt64})
	}
}

// has returns how many of the tokens, and of the sessions, with these names are cached.
func (m *checkCache) has(names []string) (tokens, sessions int) {
	for _, name := range names {
		if m.token(name).entry != nil {
			tokens++
		}
		if m.session([]byte("user"), []byte(name)) != nil {
			sessions++
		}
	}
	return tokens, sessions
}

// sessionOf is what the records of a session came to, under the stamp of now.
func (m *checkCache) sessionOf(name string) *snapshot {
	part := "u." + name
	return &snapshot{identity: Identity{User: User{ID: "user"}, SessionID: name}, part: part, stamp: m.stamps.Of(part)}
}

func TestTheCacheIsBoundedAndEntriesNeedTwoChecks(t *testing.T) {
	m := newCheckCache(memstore.New(), 64)
	var once, often []string
	for i := range 10_000 {
		once, often = append(once, "once"+strconv.Itoa(i)), append(often, "often"+strconv.Itoa(i))
	}
	for _, name := range once {
		m.see(name)
	}
	if n, _ := m.has(once); n != 0 {
		t.Errorf("%d of those that were seen once are remembered", n)
	}
	for _, name := range often {
		for range 3 {
			m.see(name)
		}
		m.putSession(m.sessionOf(name))
	}
	if tokens, sessions := m.has(often); tokens != 64 || sessions != 64 {
		t.Errorf("%d tokens and %d sessions are remembered, want 64 of each", tokens, sessions)
	}
	none := newCheckCache(memstore.New(), 0)
	none.putSession(none.sessionOf("s"))
	if none.token("t").entry != nil || none.shouldStore(none.token("t"), none.sessionOf("s"), true) || none.session([]byte("user"), []byte("s")) != nil {
		t.Error("who is to remember nothing does")
	}
}

func TestUnusuallyLargeValuesAreNotCached(t *testing.T) {
	m := newCheckCache(memstore.New(), 64)
	f := m.sessionOf("s")
	f.size = maxRememberedSize + 1
	for range 3 {
		if m.shouldStore(m.token("t"), f, true) {
			t.Error("it is")
		}
	}
	if m.putSession(f); m.session([]byte("user"), []byte("s")) != nil {
		t.Error("it is, for its session")
	}
}

// Where the store tells no stamps, neither a key nor a session is remembered, and a
// token once.
func TestWithoutStampsSignaturesAloneAreRemembered(t *testing.T) {
	m := newCheckCache(nil, 64)
	p, unstamped := m.token("t"), m.sessionOf("s")
	for range 3 {
		if m.shouldStore(p, unstamped, false) {
			t.Error("a key is remembered")
		}
	}
	if m.putSession(unstamped); m.session([]byte("user"), []byte("s")) != nil {
		t.Error("a session is remembered")
	}
	if m.shouldStore(p, unstamped, true) || !m.shouldStore(p, unstamped, true) {
		t.Error("a token is not remembered from the second time on")
	}
	if p.entry = new(cachedCheck); m.shouldStore(p, unstamped, true) {
		t.Error("a token that is known is remembered again")
	}
}

// A session is found by both its names, and no longer than its records are what they were.
func TestASessionIsRememberedUntilItsRecordsChange(t *testing.T) {
	s := memstore.New()
	m := newCheckCache(s, 64)
	f := m.sessionOf("s")
	m.putSession(f)
	if m.session([]byte("user"), []byte("s")) != f {
		t.Error("it is not found")
	}
	for _, other := range [][2]string{{"other", "s"}, {"user", "other"}, {"", ""}, {"user", ""}} {
		if m.session([]byte(other[0]), []byte(other[1])) != nil {
			t.Errorf("it is found as %q", other)
		}
	}
	if err := s.Commit(t.Context(), store.Put("u.s/any", nil)); err != nil {
		t.Fatal(err)
	}
	if m.session([]byte("user"), []byte("s")) != nil {
		t.Error("it is found although something has changed")
	}
	again := m.sessionOf("s")
	m.putSession(again)
	if m.session([]byte("user"), []byte("s")) != again {
		t.Error("what was read anew did not take the place of what had changed")
	}
}

// Checks of a session at the same time may remember it twice: that hides nothing that is
// read later.
func TestASessionThatIsRememberedTwiceIsKnownAgainAfterAChange(t *testing.T) {
	s := memstore.New()
	m := newCheckCache(s, 1)
	for range 2 {
		m.sessions.Put(0, m.sessionOf("s"), nil, m.outdated)
	}
	for range 3 {
		if err := s.Commit(t.Context(), store.Put("u.s/any", nil)); err != nil {
			t.Fatal(err)
		}
		f := m.sessionOf("s")
		m.putSession(f)
		if m.session([]byte("user"), []byte("s")) != f {
			t.Fatal("it is not known")
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
