//go:build scale && linux

package scale

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9/logging"

	"github.com/datixlab/auth/internal/pgtest"
	"github.com/datixlab/auth/internal/redistest"
)

var (
	users    = flag.Int("users", 1_000_000, "how many users to make, each with a session and an API key")
	kind     = flag.String("store", "bolt", "bolt, redis or postgres")
	listpack = flag.Int("listpack", 64, "the zset-max-listpack-value of the Redis server")
	plotted  = flag.String("plot", "", "the SVG file to draw the latencies into; none if empty")

	ever  = context.Background()
	quiet = slog.New(slog.DiscardHandler)
)

// A child process measures, so that what it takes is not mixed with what loading took.
func TestMain(m *testing.M) {
	logging.Disable() // the client's own remarks on dialling
	if text := os.Getenv(taskVariable); text != "" {
		os.Exit(measureFor(text, os.Stdout))
	}
	os.Exit(m.Run())
}

// TestScale fills a store to each power of ten up to -users and prints what it costs.
func TestScale(t *testing.T) {
	p := newPlace(t)
	decades := decadesOf(*users)
	var columns []column
	var kept []sample
	for i, n := range decades {
		from := 0
		if i > 0 {
			from = decades[i-1]
		}
		c := column{Users: n}
		s := p.open(t)
		p.waitForDisk(false)
		if p.postgres != nil && from >= committed {
			s = p.copying(t, s)
		}
		begin := time.Now()
		more, made := load(t, s, p.writers, from, n, func(i int) bool { return wanted(decades, i) })
		must(t, s.Close())
		c.Rate = float64(n-from) / time.Since(begin).Seconds()
		p.waitForDisk(true)
		kept = append(kept, more...)
		c.Records = made
		if i > 0 {
			c.Records += columns[i-1].Records
		}
		c.Size, c.Used = p.size(t)
		if p.postgres != nil {
			c.Relations = p.relations(t)
		}
		c.result = measureApart(t, p, n, pick(kept, n))
		columns = append(columns, c)
		fmt.Fprintf(t.Output(), "%d users after %v\n", n, time.Since(begin).Round(time.Second))
		report(t.Output(), columns)
	}
	if *plotted != "" {
		must(t, os.WriteFile(*plotted, plot(*kind, columns), 0o644))
	}
}

// A column is what was seen at one number of users.
type column struct {
	Users, Records int
	Rate           float64 // users a second, while the store grew to that many
	Size, Used     int64   // bytes: all of them, and without those that are free to be used again
	Relations      []relation
	result
}

func decadesOf(n int) (all []int) {
	for d := 1000; d < n; d *= 10 {
		all = append(all, d)
	}
	return append(all, n)
}

// mostSamples is how many users are asked about at each power of ten, spread evenly.
const mostSamples = 5000

func stride(n int) int { return max(1, n/mostSamples) }

// wanted reports whether user i is asked about at any of decades.
func wanted(decades []int, i int) bool {
	for _, n := range decades {
		if i < n && i%stride(n) == 0 {
			return true
		}
	}
	return false
}

// pick returns those of kept who are asked about where there are n users.
func pick(kept []sample, n int) (some []sample) {
	for _, s := range kept {
		if s.Number%stride(n) == 0 {
			some = append(some, s)
		}
	}
	return some
}

// measureApart measures in a process that has done nothing else.
func measureApart(t *testing.T, p *place, n int, samples []sample) (r result) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "samples")
	write := func(v any) []byte {
		b, err := json.Marshal(v)
		must(t, err)
		return b
	}
	must(t, os.WriteFile(file, write(samples), 0o600))
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), taskVariable+"="+string(write(task{Kind: p.kind, At: p.at, Samples: file, Users: n})))
	c.Stderr = t.Output()
	out, err := c.Output()
	must(t, err)
	must(t, json.Unmarshal(out, &r))
	return r
}

// report writes columns as a table in Markdown.
func report(w io.Writer, columns []column) {
	row := func(name string, cell func(c column) string) {
		cells := make([]string, len(columns))
		for i, c := range columns {
			cells[i] = cell(c)
		}
		fmt.Fprintf(w, "| %s | %s |\n", name, strings.Join(cells, " | "))
	}
	bolt := *kind == "bolt"
	spans := func(name string, of func(result) span) {
		row(name+", p50 / p99", func(c column) string { s := of(c.result); return micros(s.P50) + " / " + micros(s.P99) })
	}
	longest := func(name string, of func(result) span) {
		row(name+", p50 / p99 / longest", func(c column) string {
			s := of(c.result)
			return millis(s.P50) + " / " + millis(s.P99) + " / " + millis(s.Longest)
		})
	}
	row("users", func(c column) string { return thousands(c.Users) })
	fmt.Fprintln(w, "|---|"+strings.Repeat("---:|", len(columns)))
	row("records", func(c column) string { return thousands(c.Records) })
	row("users loaded a second", func(c column) string { return thousands(int(c.Rate)) })
	row("MB", func(c column) string { return fmt.Sprintf("%.1f", float64(c.Size)/1e6) })
	for i, r := range columns[0].Relations {
		row(r.Name+", table + indexes, MB", func(c column) string {
			return fmt.Sprintf("%.1f + %.1f", float64(c.Relations[i].Table)/1e6, float64(c.Relations[i].Indexes)/1e6)
		})
	}
	row("bytes a user, without free pages", func(c column) string { return thousands(int(c.Used) / c.Users) })
	row("bytes a record", func(c column) string { return strconv.Itoa(int(c.Used) / c.Records) })
	row("open, ms", func(c column) string { return millis(c.Open) })
	if bolt {
		spans("Get from the disk, µs", func(r result) span { return r.ColdGet })
		spans("API key from the disk, µs", func(r result) span { return r.ColdKey })
		spans("token from the disk, µs", func(r result) span { return r.ColdToken })
	}
	spans("Get, µs", func(r result) span { return r.Get })
	spans("API key seen first, µs", func(r result) span { return r.FirstKey })
	row("the same in SHA-256 of the key", func(c column) string {
		return fmt.Sprintf("%.0f", float64(c.FirstKey.P50)/float64(c.SHA256))
	})
	spans("API key again, µs", func(r result) span { return r.Key })
	spans("token seen first, µs", func(r result) span { return r.FirstToken })
	spans("token again, µs", func(r result) span { return r.Token })
	spans("login, µs", func(r result) span { return r.Login })
	row("memory of the process, MB", func(c column) string { return fmt.Sprintf("%.0f", float64(c.Memory)/1e6) })
	if bolt {
		row("pages of the file mapped, MB", func(c column) string { return fmt.Sprintf("%.0f", float64(c.Mapped)/1e6) })
		row("sessions swept", func(c column) string { return thousands(c.Swept) })
		row("in s", func(c column) string { return fmt.Sprintf("%.1f", c.Sweep.Seconds()) })
		longest("token beside no sweep, ms", func(r result) span { return r.ReadBeside.None })
		longest("token beside the sweep, ms", func(r result) span { return r.ReadBeside.Sweep })
		longest("Commit beside no sweep, ms", func(r result) span { return r.CommitBeside.None })
		longest("Commit beside the sweep, ms", func(r result) span { return r.CommitBeside.Sweep })
	}
}

func micros(d time.Duration) string { return strconv.FormatFloat(float64(d)/1e3, 'f', 1, 64) }
func millis(d time.Duration) string { return strconv.FormatFloat(float64(d)/1e6, 'f', 2, 64) }

// thousands writes n with a comma after each thousand.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// newPlace returns where the store is to be: a new file, or a new server.
func newPlace(t *testing.T) *place {
	t.Helper()
	switch *kind {
	case "bolt":
		return &place{kind: *kind, at: filepath.Join(t.TempDir(), "auth.db"), writers: 1024}
	case "redis":
		s := redistest.Start(t, "--zset-max-listpack-value", strconv.Itoa(*listpack))
		return &place{kind: *kind, at: s.Addr(), writers: 32, redis: s}
	case "postgres":
		s := pgtest.StartAsInProduction(t)
		return &place{kind: *kind, at: s.URL(), writers: writersOnPostgres, postgres: s}
	}
	t.Fatalf("-store=%s: it is bolt, redis or postgres", *kind)
	return nil
}
