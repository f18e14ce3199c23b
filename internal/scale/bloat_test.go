//go:build scale && linux

package scale

import (
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/datixlab/auth/store"
)

var (
	bloatCommits  = flag.Int("commits", 10_000_000, "how many Commits TestBloat makes at the most")
	bloatAccounts = flag.Int("accounts", 10_000, "over how many accounts it makes them")
	bloatTime     = flag.Duration("time", time.Hour, "how long it takes at the most")
)

// TestBloat writes the same accounts again and again, with the autovacuum that a server has by
// default, and prints how the tables of PostgreSQL grow.
func TestBloat(t *testing.T) {
	*kind = "postgres"
	p := newPlace(t)
	s := p.open(t)
	defer s.Close()
	account := func(i int) store.Op { // of 300 to 400 bytes
		value := binary.BigEndian.AppendUint64(make([]byte, 300+rand.IntN(93)), rand.Uint64())
		return store.Put(fmt.Sprintf("u.%022d/acct", i), value)
	}
	must(t, manyTimes(p.writers, *bloatAccounts, func(i int) error { return put(ever, s, []store.Op{account(i)}) }))
	fmt.Fprintf(t.Output(), "%s accounts, %d writers\n"+
		"| Commits | a second | what | table + indexes, MB | rows | dead | updates on the same page | vacuums |\n|---:|---:|---|---:|---:|---:|---:|---:|\n",
		thousands(*bloatAccounts), p.writers)
	p.reportBloat(t, t.Output(), 0, 0)
	const parts = 10
	begin, done := time.Now(), 0
	for part := 1; part <= parts && time.Since(begin) < *bloatTime; part++ {
		began, n := time.Now(), *bloatCommits/parts
		end := begin.Add(*bloatTime * time.Duration(part) / parts)
		made := 0
		for made < n && time.Now().Before(end) {
			some := min(n-made, 100*p.writers)
			must(t, manyTimes(p.writers, some, func(int) error { return put(ever, s, []store.Op{account(rand.IntN(*bloatAccounts))}) }))
			made += some
		}
		done += made
		p.reportBloat(t, t.Output(), done, float64(made)/time.Since(began).Seconds())
	}
}

// reportBloat writes a line for each table that Commits write to.
func (p *place) reportBloat(t *testing.T, w io.Writer, commits int, rate float64) {
	t.Helper()
	text := p.postgres.Query(`SELECT json_object_agg(relname, json_build_object('Live', n_live_tup, 'Dead', n_dead_tup,
		'Updates', n_tup_upd, 'Hot', n_tup_hot_upd, 'Vacuums', autovacuum_count)) FROM pg_stat_user_tables WHERE schemaname = 'auth_store'`)
	var seen map[string]struct{ Live, Dead, Updates, Hot, Vacuums int }
	must(t, json.Unmarshal([]byte(text), &seen))
	first := fmt.Sprintf("%s | %.0f", thousands(commits), rate)
	for _, r := range p.relations(t) {
		is := seen[r.Name]
		if r.Name == "counters" {
			continue
		}
		hot := ""
		if is.Updates > 0 {
			hot = fmt.Sprintf("%.1f %%", 100*float64(is.Hot)/float64(is.Updates))
		}
		fmt.Fprintf(w, "| %s | %s | %.1f + %.1f | %s | %s | %s | %d |\n", first, r.Name,
			float64(r.Table)/1e6, float64(r.Indexes)/1e6, thousands(is.Live), thousands(is.Dead), hot, is.Vacuums)
		first = " | "
	}
}
