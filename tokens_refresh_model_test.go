//go:build !race

package auth_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store"
)

// A generation is what the model knows of one token of the session.
type generation struct {
	token      string
	issued     time.Time
	superseded time.Time       // when it was refreshed first
	used       map[string]bool // by which holder
	known      map[int]bool    // which Managers have noted a use
	written    bool            // whether a use is written, so that all of them know
}

func (g *generation) expires() time.Time { return g.issued.Add(time.Hour) }

// A holder is a client with a token of the session: the owner, or the thief who copied the
// owner's token once.
type holder struct {
	name string
	gen  int
}

// A model of one session, with the Managers of several processes on its store. The owner's tabs
// share one token, as the documentation asks them to. A refresh of theirs arrives before the first
// use of the token that a later refresh returned.
type model struct {
	t        *testing.T
	rng      *rand.Rand
	clock    *authtest.Clock
	managers []*auth.Manager
	gens     []generation
	late     time.Duration // Config.RefreshAfterExpiry
	over     bool
	log      []string
	stats    map[string]int
}

const modelGrace = 10 * time.Second

func (m *model) note(format string, args ...any) {
	m.log = append(m.log, fmt.Sprintf("%8.0fs ", m.clock.Now().Sub(m.gens[0].issued).Seconds())+fmt.Sprintf(format, args...))
}

func (m *model) failf(format string, args ...any) {
	m.t.Helper()
	m.t.Fatalf(format+"\n%s", append(args, strings.Join(m.log, "\n"))...)
}

func (m *model) current() *generation { return &m.gens[len(m.gens)-1] }

// knows reports whether a Manager knows that the current token was used.
func (m *model) knows(manager int) bool {
	g := m.current()
	return g.written || g.known[manager]
}

// use lets a holder use its token at a Manager.
func (m *model) use(h *holder, manager int) {
	m.t.Helper()
	g := &m.gens[h.gen]
	now := m.clock.Now()
	want := !m.over && now.Before(g.expires()) && (g == m.current() || now.Before(g.superseded.Add(modelGrace)))
	got := verify(m.t, m.managers[manager], g.token)
	m.note("%s uses %d at %d: %v", h.name, h.gen, manager, got)
	if got != want {
		m.failf("%s uses token %d: accepted %v", h.name, h.gen, got)
	}
	if !got {
		return
	}
	g.used[h.name] = true
	if g == m.current() && h.gen > 0 {
		g.known[manager] = true
	}
}

// refresh lets a holder refresh its token at a Manager. If the reply is lost, the holder keeps the
// token that it has.
func (m *model) refresh(h *holder, manager int, lost bool) (ended bool) {
	m.t.Helper()
	g, now, last := &m.gens[h.gen], m.clock.Now(), len(m.gens)-1
	expired := !now.Before(g.expires().Add(m.late))
	lapsed := h.gen < last && !now.Before(m.current().expires())
	young := last > 0 && now.Sub(m.current().issued) < 5*time.Second
	inGrace := h.gen < last && now.Before(g.superseded.Add(modelGrace))
	again := h.gen == last-1 && !m.knows(manager)
	fresh, err := m.managers[manager].Refresh(context.Background(), auth.Secret(g.token))
	m.note("%s refreshes %d at %d, lost %v: %v", h.name, h.gen, manager, lost, err)
	got := string(fresh.Token)
	switch {
	case m.over || expired:
		if err != auth.ErrInvalidToken {
			m.failf("%s refreshes token %d of a session that is over, or that expired: %v", h.name, h.gen, err)
		}
		return m.over
	case h.gen < last && !inGrace && !again:
		if err != auth.ErrInvalidToken {
			m.failf("%s refreshes token %d of %d, which was copied: %v", h.name, h.gen, last, err)
		}
		m.over = true
		for i, g := range m.gens {
			for _, manager := range m.managers {
				if verify(m.t, manager, g.token) {
					m.failf("token %d outlives the end of its session", i)
				}
			}
		}
		return true
	case err != nil:
		m.failf("%s refreshes token %d of %d: %v", h.name, h.gen, last, err)
	case h.gen < last || young:
		if lapsed {
			if payload(m.t, auth.Secret(got))["jti"] != payload(m.t, auth.Secret(m.current().token))["jti"] {
				m.failf("%s refreshes token %d and has another than token %d, which expired", h.name, h.gen, last)
			}
			m.current().token, m.current().issued = got, now
			m.stats["lapsed"]++
		}
		if got != m.current().token {
			m.failf("%s refreshes token %d and has another than token %d", h.name, h.gen, last)
		}
		if h.gen == last {
			m.current().known[manager] = true
		}
		if h.gen < last && !inGrace {
			m.stats["again"]++
		}
	default:
		g.superseded = now
		m.gens = append(m.gens, generation{token: got, issued: now, used: map[string]bool{}, known: map[int]bool{}})
		last++
	}
	if !lost {
		h.gen = last
	}
	return false
}

// write writes the first uses that a Manager has noted.
func (m *model) write(manager int) {
	writeFirstUses(m.t, m.managers[manager])
	m.note("%d writes", manager)
	if m.current().known[manager] {
		m.current().written = true
	}
}

// crash loses the first uses that a Manager has noted, and has it begin again.
func (m *model) crash(manager int) {
	auth.Crash(m.managers[manager])
	m.note("%d crashes", manager)
	delete(m.current().known, manager)
	m.stats["crash"]++
}

func (m *model) pass() {
	steps := []time.Duration{time.Second, 4 * time.Second, 6 * time.Second, 11 * time.Second, time.Minute, 10 * time.Minute, 25 * time.Minute}
	if m.late > 0 { // the client sleeps
		steps = append(steps, 2*time.Hour, 5*time.Hour)
	}
	m.clock.Advance(steps[m.rng.IntN(len(steps))])
}

// newModel begins a session on three Managers.
func newModel(t *testing.T, managers []*authtest.Harness, late time.Duration, rng *rand.Rand, stats map[string]int) *model {
	alice := managers[0].Register()
	now := managers[0].Clock.Now()
	m := &model{t: t, rng: rng, clock: managers[0].Clock, late: late, stats: stats, gens: []generation{{
		token: alice.Token(), issued: now, used: map[string]bool{}, known: map[int]bool{},
	}}}
	for _, h := range managers {
		m.managers = append(m.managers, h.Manager)
	}
	m.clock.Advance(time.Second)
	return m
}

// eachModel plays rounds of sessions on every store. Late is Config.RefreshAfterExpiry.
func eachModel(t *testing.T, late time.Duration, play func(m *model)) {
	everyStore(t, func(t *testing.T, s store.Store) {
		cfg := slowUses()
		cfg.Limits, cfg.RefreshAfterExpiry = unlimited(), late
		h := authtest.With(t, s, cfg)
		managers := []*authtest.Harness{h, twin(t, h, cfg), twin(t, h, cfg)}
		rounds := 40
		if strings.HasSuffix(t.Name(), "/memory") {
			rounds = 400
		}
		stats := map[string]int{}
		for seed := range uint64(rounds) {
			play(newModel(t, managers, late, rand.New(rand.NewPCG(seed, 13)), stats))
		}
		t.Logf("%v", stats)
		if stats["again"] < rounds/4 || stats["crash"] < rounds || late > 0 && stats["lapsed"] < rounds/8 {
			t.Errorf("%v: the test tries nothing", stats)
		}
	})
}

// SE-6: whatever replies are lost, whichever tab asks, however often, and whoever crashes.
func TestAnOwnerAloneNeverLosesTheSession(t *testing.T) {
	eachModel(t, 0, ownerAlone)
}

// SE-3, SE-6: the same for clients that sleep for hours.
func TestAnOwnerWhoSleepsNeverLosesTheSession(t *testing.T) {
	eachModel(t, 24*time.Hour, ownerAlone)
}

func ownerAlone(m *model) {
	longest := 27 * time.Minute // that a step and the retries take
	if m.late > 0 {
		longest = 6 * time.Hour
	}
	tabs := &holder{name: "the owner"} // all of them: they share the token
	for range 60 {
		manager, other := m.rng.IntN(3), m.rng.IntN(3)
		switch m.rng.IntN(8) {
		case 0, 1:
			m.use(tabs, manager)
		case 2, 3:
			m.refresh(tabs, manager, m.rng.IntN(2) == 0)
		case 4: // two tabs at once, with the same token
			second := *tabs
			m.refresh(tabs, manager, m.rng.IntN(2) == 0)
			m.refresh(&second, other, m.rng.IntN(2) == 0)
			tabs.gen = max(tabs.gen, second.gen)
		case 5:
			m.write(manager)
		case 6:
			m.crash(manager)
		case 7:
			m.pass()
		}
		if m.clock.Now().Add(longest).After(m.gens[tabs.gen].expires().Add(m.late)) { // a client refreshes in time
			for range 1 + m.rng.IntN(3) {
				m.refresh(tabs, m.rng.IntN(3), true)
				m.clock.Advance(11 * time.Second)
			}
			m.refresh(tabs, manager, false)
		}
		if m.over || !m.clock.Now().Before(m.gens[tabs.gen].expires().Add(m.late)) {
			m.failf("the owner lost the session")
		}
	}
}

// SE-6: two cannot go on with one session. Once one of them has used a token that the other does
// not have, and that is known where the other comes, the other's next refresh ends it.
func TestAThiefWithACopyIsFoundAtTheNextRefresh(t *testing.T) {
	eachModel(t, 0, func(m *model) {
		owner := &holder{name: "the owner"}
		var thief *holder
		for range 80 {
			manager := m.rng.IntN(3)
			who := owner
			if thief != nil && m.rng.IntN(2) == 0 {
				who = thief
			}
			switch m.rng.IntN(9) {
			case 0, 1, 2:
				m.use(who, manager)
			case 3, 4:
				other := owner
				if who == owner {
					other = thief
				}
				ahead := other != nil && other.gen > who.gen && m.current().used[other.name] && m.knows(manager) &&
					!m.clock.Now().Before(m.gens[who.gen].superseded.Add(modelGrace)) && m.clock.Now().Before(m.gens[who.gen].expires())
				ended := m.refresh(who, manager, m.rng.IntN(4) == 0)
				if ahead && !ended {
					m.failf("%s goes on beside %s", who.name, other.name)
				}
			case 5, 6:
				m.write(manager)
			case 7:
				m.crash(manager)
			case 8:
				m.pass()
			}
			if thief == nil && m.rng.IntN(6) == 0 {
				thief = &holder{"the thief", owner.gen}
				m.note("the thief copies %d", owner.gen)
			}
			if m.over {
				m.stats["found"]++
				return
			}
		}
	})
}
