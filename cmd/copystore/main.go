// Copystore copies everything that package auth keeps in one store into another:
// accounts, second factors, sessions, API keys and counters. The service continues on
// the other store with the same secret, and its users notice nothing.
//
//	go run github.com/datixlab/auth/cmd/copystore -from bolt:auth.db -to redis://localhost
//
// A store is bolt:PATH, or a URL as in [redisstore.ParseURL] and [pgstore.ParseURL]. On a Redis its
// keys have the prefix "auth:", or that of -from-prefix and -to-prefix. On a PostgreSQL its tables
// are in the schema [pgstore.DefaultSchema], or in that of -from-schema and -to-schema. A URL with a
// password goes into a file that only you may read, since every user of the machine sees the command
// line:
//
//	go run github.com/datixlab/auth/cmd/copystore -from bolt:auth.db -to-file redis.url
//
// The destination is a new store, or one that an earlier run has begun to
// fill. Any other is refused, since what is not in the source is removed from the
// destination.
//
// # Moving a service
//
//  1. Run it while the service runs. It reads the source record by record and writes
//     what the destination lacks. Run it again as often as you like: it writes only
//     what differs, and removes what is gone from the source. If a run was killed, the
//     next one continues.
//  2. Stop the service.
//  3. Run it with -final. It copies once more, then reads both stores from beginning to
//     end and compares them: the number of records, their bytes, and a digest over
//     every key, value and expiry. If they are the same, the destination is complete,
//     and no later run changes it.
//  4. Start the service on the destination, with the same secret.
//
// Until the last step the source is the valid store, and its records are not changed.
// What is written to it after -final began is missing in the destination. What is
// revoked in it after that is still valid there. That is why the service is stopped
// first.
//
// A bolt file is checked first, and a damaged one is not copied. Only one process can open
// a bolt file. So copy it while its service is stopped, or copy a backup
// (boltstore.Store.Backup) and run -final after the stop.
//
// Expired records are not copied. Records that expire within an hour are copied but not
// compared, since either store may drop them meanwhile.
//
// It exits with 0 if it succeeded, 1 if it could not do what it was asked, and 2 if it
// does not understand the command line.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/redis/go-redis/v9/logging"

	"github.com/datixlab/auth/internal/openstore"
	"github.com/datixlab/auth/internal/secretfile"
)

func main() {
	logging.Disable() // the Redis client's log: what matters is also returned as an error
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is main, with everything that it depends on as an argument.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (exit int) {
	flags := flag.NewFlagSet("copystore", flag.ContinueOnError)
	flags.SetOutput(stderr)
	from, to := openstore.Flags{Side: "from"}, openstore.Flags{Side: "to"}
	var rules secretfile.Rules
	from.Add(flags, "the `store` to read: bolt:PATH, "+openstore.URLs)
	to.Add(flags, "the `store` to fill")
	flags.DurationVar(&from.LockWait, "lock-wait", 0, "how long to wait for another process to close a bolt file")
	flags.BoolVar(&rules.Insecure, "insecure-file-mode", false, "accept files with records and passwords that other users may read or write")
	final := flags.Bool("final", false, "nothing is written to the source any more: compare everything, and finish the destination")
	err := flags.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		return 2
	}
	if isGiven(from.Spec) == isGiven(from.File) || isGiven(to.Spec) == isGiven(to.File) || flags.NArg() > 0 {
		fmt.Fprintln(stderr, "copystore: needs -from or -from-file, -to or -to-file, and no argument")
		return 2
	}
	to.LockWait = from.LockWait
	log := slog.New(slog.NewTextHandler(stderr, nil))
	rules.Logger = log
	source, err := place(from, rules, log)
	target, err2 := place(to, rules, log)
	if err := cmp.Or(err, err2); err != nil {
		fmt.Fprintln(stderr, "copystore:", err)
		return 1
	}
	if source.IsSame(target) {
		fmt.Fprintln(stderr, "copystore: needs two stores, a source and a destination")
		return 2
	}
	if err := move(ctx, source, target, *final, stdout, log); err != nil {
		fmt.Fprintln(stderr, "copystore:", err)
		return 1
	}
	return 0
}

// isGiven says whether a flag was given, and is not that of a variable of a script that is not set.
func isGiven(flag *string) bool { return flag != nil && *flag != "" }

func move(ctx context.Context, from, to openstore.Place, final bool, stdout io.Writer, log *slog.Logger) (err error) {
	source, err := openSource(ctx, from, log)
	if err != nil {
		return fmt.Errorf("-from: %w", err)
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	target, err := to.OpenOrCreate(ctx, log)
	if err != nil {
		return fmt.Errorf("-to: %w", err)
	}
	defer func() { err = errors.Join(err, target.Close()) }()

	c := newCopier(source, target, stdout)
	if err := c.begin(ctx); err != nil {
		return err
	}
	if err := c.copy(ctx); err != nil {
		return err
	}
	if !final {
		return nil
	}
	return c.finish(ctx)
}
