package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/internal/secretfile"
)

// A terminal says which of the standard streams are one. The zero value is none.
type terminal struct {
	in, err  bool                   // of the standard input and the standard error
	width    func() int             // of the standard output, in columns; nil or 0: it is no terminal
	password func() ([]byte, error) // reads a line of the standard input and shows nothing of it
	restore  func()                 // shows again what is typed; nil: nothing has to be done
}

func standardTerminal() terminal {
	is := func(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }
	t := terminal{
		in: is(os.Stdin), err: is(os.Stderr),
		width: func() int {
			width, _, err := term.GetSize(int(os.Stdout.Fd()))
			if err != nil {
				return 0
			}
			return width
		},
		password: func() ([]byte, error) { return term.ReadPassword(int(os.Stdin.Fd())) },
	}
	if before, err := term.GetState(int(os.Stdin.Fd())); err == nil {
		t.restore = func() { _ = term.Restore(int(os.Stdin.Fd()), before) }
	}
	return t
}

// ask calls read, which waits for somebody who types, until ctx ends.
func (v *invocation) ask(ctx context.Context, read func() (string, error)) (answer string, err error) {
	answer, err = wait(ctx, read)
	if errors.Is(err, errInterrupted) {
		if v.terminal.restore != nil {
			v.terminal.restore()
		}
		fmt.Fprintln(v.stderr)
	}
	return answer, err
}

// errInterrupted reports a signal while nothing was under way that changes anything.
var errInterrupted = errors.New("interrupted; nothing was done")

// wait returns what read does, or errInterrupted when ctx ends. Nothing ends the reading of a
// terminal or a pipe, nor the opening of a FIFO, so then it goes on until the program has ended.
func wait[T any](ctx context.Context, read func() (T, error)) (T, error) {
	type result struct {
		got T
		err error
	}
	done := make(chan result, 1)
	go func() { got, err := read(); done <- result{got, err} }()
	select {
	case r := <-done:
		return r.got, r.err
	case <-ctx.Done():
		var none T
		return none, errInterrupted
	}
}

// confirm returns nil if the operator agrees to what cannot be undone.
func (v *invocation) confirm(ctx context.Context, what string) error {
	if v.yes {
		return nil
	}
	if !v.terminal.in {
		return usageError("this asks before it acts, and there is no terminal to ask on: add -yes")
	}
	fmt.Fprintf(v.stderr, "%s\nType yes to go on: ", what)
	answer, err := v.ask(ctx, func() (string, error) { return v.input.ReadString('\n') })
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if strings.TrimSpace(answer) != "yes" {
		return errors.New("nothing was done")
	}
	return nil
}

// maxPassword is more bytes than a password may have.
const maxPassword = 4096

// newPassword returns a new password: asked for twice on a terminal, otherwise one line of the
// standard input.
func (v *invocation) newPassword(ctx context.Context) (auth.Secret, error) {
	if !v.terminal.in {
		line, err := wait(ctx, func() ([]byte, error) { return io.ReadAll(io.LimitReader(v.input, maxPassword)) })
		text := secretfile.Line(string(line))
		switch {
		case err != nil:
			return "", err
		case text == "" || strings.ContainsAny(text, "\r\n"):
			return "", errors.New("the standard input must have the password, on one line")
		}
		return auth.Secret(text), nil
	}
	typed := func(prompt string) (auth.Secret, error) {
		fmt.Fprint(v.stderr, prompt)
		line, err := v.ask(ctx, func() (string, error) {
			line, err := v.terminal.password()
			return string(line), err
		})
		fmt.Fprintln(v.stderr)
		return auth.Secret(line), err
	}
	first, err := typed("New password: ")
	if err != nil {
		return "", err
	}
	again, err := typed("Again: ")
	if err != nil {
		return "", err
	}
	if first != again {
		return "", errors.New("the two passwords differ; nothing was done")
	}
	return first, nil
}
