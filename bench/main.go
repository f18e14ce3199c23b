// Bench measures the hot paths of package auth. It compares them with what they cannot
// be faster than (a hash, an atomic add, an fsync of bbolt), and with what other
// libraries take for the same work. It prints a table of ratios, each with its mark.
//
// The subjects of a row take turns, round after round. A number is the median of the
// rounds, and a ratio is the median of the rounds' ratios. Absolute times differ
// between machines, and between fast and slow minutes of one machine. So quote only the
// ratios of a run.
//
//	go run . -only 'token|key'            # some rows
//	go run . -write ../PERFORMANCE.md     # all, into the file
//
// It needs redis-server and PostgreSQL, which it starts itself, and Linux, since it reads /proc.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"regexp"
	"time"

	"github.com/redis/go-redis/v9/logging"
)

// rows are the table, from top to bottom.
var rows = []row{
	{name: "access token, seen before", subjects: tokensSeenBefore},
	{name: "access token, seen first", subjects: tokensSeenFirst},
	{name: "access token, on Redis", subjects: tokensOnRedis},
	{name: "access token, on Postgres", subjects: tokensOnPostgres},
	{name: "public keys alone", subjects: verifiers},
	{name: "API key", subjects: apiKeys},
	{name: "middleware", subjects: middleware},
	{name: "middleware over HTTP", subjects: middlewareOverHTTP},
	{name: "GET /me over HTTP", subjects: profileOverHTTP},
	{name: "login under 64 clients", subjects: logins, slow: true},
	{name: "durable Commit", subjects: commits},
	{name: "Hit", subjects: hits},
	{name: "Redis", subjects: roundTrips},
	{name: "Postgres", subjects: postgres, fine: true},
	{name: "enable-2fa", subjects: enrolment},
}

func main() {
	rounds := flag.Int("rounds", 15, "how many `samples` are taken of each subject, 7 at the most where one takes seconds")
	only := flag.String("only", "", "measure the rows whose names match this `regexp`")
	write := flag.String("write", "", "write the table into this `file`, between its markers")
	child := flag.String("child", "", "do this `job` of a row in a process of its own: what bench runs itself with")
	flag.Parse()
	logging.Disable() // the Redis client's log
	if *child != "" {
		runJob(*child)
		return
	}
	if err := run(*rounds, *only, *write); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(rounds int, only, write string) error {
	chosen, err := regexp.Compile(only)
	switch {
	case err != nil:
		return err
	case rounds < 1:
		return errors.New("-rounds: at least one")
	case write != "" && only != "":
		return errors.New("-write is for the whole table: leave out -only")
	}
	began, before := time.Now(), processorTimes()
	var table report
	for _, r := range rows {
		if !chosen.MatchString(r.name) {
			continue
		}
		fmt.Fprintf(os.Stderr, "%6.1fs %s\n", time.Since(began).Seconds(), r.name)
		table.add(r.name, r.measure(rounds))
	}
	if len(table.lines) == 0 {
		return fmt.Errorf("-only: no row matches %q", only)
	}
	text := machine(rounds, time.Since(began), before) + "\n" + table.markdown()
	fmt.Println(text)
	if write == "" {
		return nil
	}
	return replaceTable(write, text)
}
