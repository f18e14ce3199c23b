// Authctl is the command of operators. It shows and changes accounts while the service runs.
//
//	authctl users find ada@example.com
//	authctl users unlock ada@example.com
//	authctl backup /backups/auth.db
//
// It speaks to the administration handler of the service (httpauth.NewAdmin). With -store it opens
// the store of a service that is stopped, or a Redis or a PostgreSQL, and serves itself. So every
// command exists once, and each act is an event with the operator as its actor.
//
//	-admin unix:auth.sock        a Unix socket, as the example server makes it; the default if it is there
//	-admin https://HOST/…        with AUTH_ADMIN_TOKEN of the environment as its Bearer token, or
//	                             with the certificate of -cert, or both
//	-store bolt:auth.db          the store itself, with the root secret beside it or in AUTH_SECRET
//
// Without either, AUTH_ADMIN of the environment says what -admin would. No secret is ever an argument,
// since every user of the machine sees the list of processes. Names and other texts of users are shown
// with their control characters escaped.
//
// What cannot be undone asks first. Without a terminal it needs -yes. With -json the output is what
// the API answers: one document, or one a line for a list.
//
// It exits with 0 if it succeeded, 1 if it could not do what it was asked, and 2 if it does not
// understand the command line. Keys scan exits with 1 where it has found a key, and with 2 where
// something could not be read. Doctor exits with 1 where an operator should look at something, and
// with 2 where something does not work.
package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/redis/go-redis/v9/logging"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/internal/printable"
)

func main() {
	logging.Disable() // the Redis client's log: what matters is also returned as an error
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(run(ctx, os.Args[1:], environment{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, terminal: standardTerminal(), admin: os.Getenv("AUTH_ADMIN"), sleep: sleep,
		token: auth.Secret(os.Getenv("AUTH_ADMIN_TOKEN")), secret: auth.Secret(os.Getenv("AUTH_SECRET")), store: auth.Secret(os.Getenv("AUTH_STORE")),
	}))
}

// The environment has everything that the program depends on.
type environment struct {
	stdin                io.Reader
	stdout, stderr       io.Writer
	terminal             terminal
	admin                string      // AUTH_ADMIN, or ""
	token, secret, store auth.Secret // "" is none
	sleep                func(context.Context, time.Duration) error
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// A command is what the words behind the flags of the program say.
type command struct {
	name  string // one or two words
	args  string // as the help shows them
	about string
	takes [2]int // how many arguments at least and at most; -1 is any number
	// setup adds the flags of the command, and returns what it does.
	setup func(flags *flag.FlagSet) action
}

type action func(ctx context.Context, v *invocation) error

// simple is the setup of a command without flags of its own.
func simple(do action) func(*flag.FlagSet) action {
	return func(*flag.FlagSet) action { return do }
}

// commands are all of them, in the order of the help.
func commands() []command {
	return slices.Concat(userCommands(), adminCommands(), organizationCommands(), importCommands(), serviceCommands(), doctorCommands(), keyCommands())
}

// An invocation is one run of a command.
type invocation struct {
	environment
	input     *bufio.Reader // of stdin
	args      []string
	json, yes bool
	at        target
	open      *client // nil until it is needed
}

// A usageError is about the command line.
type usageError string

// Error implements error.
func (e usageError) Error() string { return string(e) }

// An exitStatus ends the program after it has said everything.
type exitStatus int

// Error implements error.
func (e exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// run is main, with everything that it depends on as an argument.
func run(ctx context.Context, args []string, env environment) (exit int) {
	v := &invocation{environment: env, input: bufio.NewReader(env.stdin)}
	out := &output{w: env.stdout}
	v.stdout = out
	err := cmp.Or(v.run(ctx, args), out.err)
	if v.open != nil {
		err = cmp.Or(err, v.open.close())
	}
	var status exitStatus
	var usage usageError
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.As(err, &status):
		if out.err != nil {
			say(env.stderr, out.err)
		}
		return int(status)
	case errors.As(err, &usage):
		say(env.stderr, usage)
		return 2
	}
	say(env.stderr, err)
	return 1
}

// An output is the standard output. What was lost on the way is an error at the end of the program,
// whoever wrote it: a list that a full disk has cut short is not the list.
type output struct {
	w   io.Writer
	err error // the first
}

// Write implements io.Writer.
func (o *output) Write(b []byte) (int, error) {
	n, err := o.w.Write(b)
	o.err = cmp.Or(o.err, err)
	return n, err
}

// say prints an error. A server, a certificate and other strangers may have written parts of it, so
// no line of it has a character that a terminal would obey.
func say(w io.Writer, err error) {
	obeyed := func(r rune) bool { return !unicode.IsPrint(r) }
	lines := strings.Split(err.Error(), "\n")
	for i, line := range lines {
		if !utf8.ValidString(line) || strings.ContainsFunc(line, obeyed) {
			lines[i] = printable.Escape(line)
		}
	}
	fmt.Fprintln(w, "authctl:", strings.Join(lines, "\n"))
}

func (v *invocation) run(ctx context.Context, args []string) error {
	flags := v.flags("authctl")
	flags.Usage = func() { help(v.stderr, flags) }
	if err := flags.Parse(args); err != nil {
		return asUsage(err)
	}
	if err := refuseEmpty(flags); err != nil {
		return err
	}
	words := flags.Args()
	if len(words) > 0 && words[0] == "help" {
		if words = append(words[1:], "-h"); len(words) == 1 {
			help(v.stderr, flags)
			return nil
		}
	}
	c, rest, err := find(words)
	if err != nil {
		if len(words) == 0 {
			help(v.stderr, flags)
		}
		return err
	}
	own := v.flags(c.name)
	do := c.setup(own)
	own.Usage = func() {
		fmt.Fprintf(v.stderr, "authctl %s\n\n%s\n\nFlags:\n", strings.TrimSpace(c.name+" "+c.args), c.about)
		own.PrintDefaults()
	}
	if v.args, err = parseAnywhere(own, rest); err != nil {
		return asUsage(err)
	}
	if err := refuseEmpty(own); err != nil {
		return err
	}
	if n := len(v.args); n < c.takes[0] || c.takes[1] >= 0 && n > c.takes[1] {
		return usageError("it is used as: authctl " + strings.TrimSpace(c.name+" "+c.args))
	}
	return do(ctx, v)
}

// flags returns the flags that every command has. They keep what an earlier set has set.
func (v *invocation) flags(name string) *flag.FlagSet {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(v.stderr)
	v.at.add(flags)
	flags.BoolVar(&v.json, "json", v.json, "print what the API answers: one document, or one a line for a list")
	flags.BoolVar(&v.yes, "yes", v.yes, "do what cannot be undone without asking")
	return flags
}

// refuseEmpty refuses a flag whose text is empty, as that of a variable of a script that is not set.
// Without its text a command would do more than it was asked, such as list every account.
func refuseEmpty(flags *flag.FlagSet) (err error) {
	flags.Visit(func(f *flag.Flag) {
		if text, ok := f.Value.(flag.Getter); ok && text.Get() == "" {
			err = usageError("-" + f.Name + " is empty")
		}
	})
	return err
}

// asUsage gives an error of package flag its exit status. The flags have said it already.
func asUsage(err error) error {
	if errors.Is(err, flag.ErrHelp) {
		return err
	}
	return exitStatus(2)
}

// find returns the command that words begin with, and the words behind it.
func find(words []string) (command, []string, error) {
	all := commands()
	var family []string
	for _, c := range all {
		name := strings.Fields(c.name)
		if len(words) >= len(name) && slices.Equal(name, words[:len(name)]) {
			return c, words[len(name):], nil
		}
		if len(words) > 0 && name[0] == words[0] {
			family = append(family, name[1])
		}
	}
	switch {
	case len(words) == 0:
		return command{}, nil, usageError("needs a command")
	case family != nil:
		return command{}, nil, usageError(fmt.Sprintf("%s needs one of: %s", words[0], strings.Join(family, ", ")))
	}
	return command{}, nil, usageError("there is no such command; authctl -h lists them") // it may be a secret, and is not repeated
}

// parseAnywhere parses flags before, between and behind arguments, until an argument "--".
func parseAnywhere(flags *flag.FlagSet, words []string) (args []string, err error) {
	for {
		if err := flags.Parse(words); err != nil {
			return nil, err
		}
		rest := flags.Args()
		if len(rest) == 0 {
			return args, nil
		}
		if parsed := len(words) - len(rest); parsed > 0 && words[parsed-1] == "--" {
			return append(args, rest...), nil
		}
		args, words = append(args, rest[0]), rest[1:]
	}
}

func help(w io.Writer, flags *flag.FlagSet) {
	fmt.Fprint(w, "authctl [flags] command [flags] [arguments]\n\nCommands (authctl COMMAND -h has more):\n")
	t := table{w: w, gap: "  "}
	for _, c := range commands() {
		first, _, _ := strings.Cut(c.about, ".")
		t.row("", strings.TrimSpace(c.name+" "+c.args), first)
	}
	t.flush()
	fmt.Fprint(w, "\nFlags:\n")
	flags.PrintDefaults()
}

// printJSON prints a document of the API on one line. What is not printable is escaped, which
// changes nothing for programs.
func (v *invocation) printJSON(doc any) error {
	b, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	var line strings.Builder
	for _, r := range string(b) {
		switch {
		case unicode.IsPrint(r):
			line.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&line, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&line, `\u%04x`, r)
		}
	}
	_, err = fmt.Fprintln(v.stdout, line.String())
	return err
}
