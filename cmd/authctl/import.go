package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/internal/emailaddr"
	"github.com/datixlab/auth/internal/printable"
	"github.com/datixlab/auth/internal/secretfile"
)

func importCommands() []command {
	return []command{
		{"import", "FILE", "Import the accounts of another system. The file has one of them a line, in JSON. Run it again after an interruption: an address that has an account is passed over.", [2]int{1, 1}, importFile},
	}
}

// importBatch is how many lines are under way before their results are printed, in their order.
const importBatch = 256

// An importer sends the lines of a file, some at once.
type importer struct {
	v      *invocation
	c      *client
	path   string // of each call
	dry    bool
	atOnce int

	lines map[string]int // the first line of each address
	count struct{ imported, there, refused, withoutPassword int }
	other bool // the first line is no JSON object, so the file may have another form
}

// A lineResult is what became of a line, as -json prints it.
type lineResult struct {
	Line        int      `json:"line"`
	Status      string   `json:"status"` // imported, would_import, there or refused
	UserID      string   `json:"user_id,omitempty"`
	DroppedHash *string  `json:"dropped_hash,omitempty"`
	Code        string   `json:"code,omitempty"`
	Errors      []string `json:"errors,omitempty"`
}

func importFile(flags *flag.FlagSet) action {
	dry := flags.Bool("dry-run", false, "change nothing, and say of each line what would be refused, also an address that has an account")
	atOnce := flags.Int("at-once", 16, "how many lines are imported at the same time")
	return func(ctx context.Context, v *invocation) error {
		if *atOnce < 1 || *atOnce > 64 {
			return usageError("-at-once must be from 1 to 64")
		}
		name := v.args[0]
		rules := secretfile.Rules{Insecure: v.at.insecure}
		file, err := rules.Open(name, os.O_RDONLY) // it has password hashes
		if err != nil {
			return err
		}
		defer file.Close()
		info, err := file.Stat()
		if err != nil {
			return err
		}
		c, err := v.client(ctx)
		if err != nil {
			return err
		}
		// Each line is tried again for a while. So a mistake that is the same for all is found before.
		if _, err := c.call(ctx, http.MethodGet, "/stats", nil); err != nil {
			return err
		}
		i := &importer{v: v, c: c, path: "/users/import", dry: *dry, atOnce: *atOnce, lines: map[string]int{}}
		if *dry {
			i.path += "?dry_run=true"
		}
		p := v.progress("bytes", info.Size())
		err = i.file(ctx, name, file, p)
		p.end()
		if err != nil {
			return fmt.Errorf("%w\n  run it again: a line that was imported is not imported twice", err)
		}
		return i.summary(name)
	}
}

func (i *importer) summary(name string) error {
	word := "imported"
	if i.dry {
		word = "would be imported"
	}
	fmt.Fprintf(i.v.stderr, "%s: %d %s, %d of them without a password; %d were there already; %d refused\n",
		printable.Escape(name), i.count.imported, word, i.count.withoutPassword, i.count.there, i.count.refused)
	if i.other {
		fmt.Fprintln(i.v.stderr, "  The file must have one JSON object a line: jq -c '.[]' makes them of a list, and jq -c . of objects on several lines.")
	}
	if i.count.refused > 0 {
		return exitStatus(1)
	}
	return nil
}

// A line is one line of the file, which begins with 1.
type line struct {
	number  int
	text    []byte
	tooLong bool
}

// file imports every line, and prints the results in the order of the lines.
func (i *importer) file(ctx context.Context, name string, file io.Reader, p *progress) error {
	r := bufio.NewReaderSize(file, auth.MaxImportLine+2)
	for number := 1; ; {
		var batch []line
		var read int64
		for len(batch) < importBatch {
			l, n, err := readLine(r)
			read += int64(n)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return err
			}
			if l.number = number; number == 1 {
				l.text = bytes.TrimPrefix(l.text, []byte("\ufeff"))
			}
			number++
			if l.tooLong || len(l.text) > 0 {
				batch = append(batch, l)
			}
		}
		if len(batch) == 0 {
			return nil
		}
		results, err := i.batch(ctx, batch)
		for _, r := range results {
			if r.Status != "" {
				if err := i.tell(name, r, p); err != nil {
					return err
				}
			}
		}
		if err != nil {
			return err
		}
		p.add(read)
	}
}

// readLine reads a line without its end, and how many bytes it has with it. It returns io.EOF after
// the last. Of a line that is too long it keeps nothing.
func readLine(r *bufio.Reader) (l line, n int, err error) {
	text, err := r.ReadSlice('\n')
	for n = len(text); errors.Is(err, bufio.ErrBufferFull); n += len(text) {
		l.tooLong = true
		text, err = r.ReadSlice('\n')
	}
	if err != nil && (!errors.Is(err, io.EOF) || n == 0) {
		return l, n, err
	}
	if !l.tooLong {
		l.text = bytes.Clone(bytes.TrimSpace(text))
	}
	return l, n, nil
}

// batch sends lines. A result without a Status was cut off by the error.
func (i *importer) batch(ctx context.Context, lines []line) ([]lineResult, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	results := make([]lineResult, len(lines))
	slots := make(chan struct{}, i.atOnce)
	var all sync.WaitGroup
	for n, l := range lines {
		if results[n] = i.refuse(l); results[n].Status != "" {
			continue
		}
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			if ctx.Err() != nil {
				return
			}
			var err error
			if results[n], err = i.line(ctx, l); err != nil {
				cancel(fmt.Errorf("line %d: %w", l.number, err))
			}
		})
	}
	all.Wait()
	return results, context.Cause(ctx)
}

// refuse returns why a line is not sent. Of two lines with one address the first counts, whichever
// would be there first.
func (i *importer) refuse(l line) lineResult {
	if l.tooLong {
		return lineResult{Line: l.number, Status: "refused", Code: "too_long", Errors: []string{fmt.Sprintf("It has more than %d bytes.", auth.MaxImportLine)}}
	}
	i.other = i.other || l.number == 1 && (!json.Valid(l.text) || l.text[0] != '{')
	var who struct{ Email string }
	if json.Unmarshal(l.text, &who) != nil || who.Email == "" {
		return lineResult{} // the service says what is wrong
	}
	email, ok := emailaddr.Canonical(printable.Trim(who.Email))
	if !ok {
		return lineResult{}
	}
	if first, twice := i.lines[email]; twice {
		return lineResult{Line: l.number, Status: "refused", Code: "duplicate", Errors: []string{fmt.Sprintf("email: Line %d has the same.", first)}}
	}
	i.lines[email] = l.number
	return lineResult{}
}

// line imports one line. What may pass by itself is tried again for half a minute: an address that a
// crash has left claimed is free after that.
func (i *importer) line(ctx context.Context, l line) (lineResult, error) {
	for pause := time.Second; ; pause *= 2 {
		done, err := i.send(ctx, l)
		var refused *refusal
		passes := err != nil && (!errors.As(err, &refused) || refused.Status == http.StatusServiceUnavailable || refused.Status == http.StatusTooManyRequests)
		if !passes || pause > 16*time.Second {
			return done, err
		}
		if err := i.v.sleep(ctx, pause); err != nil {
			return lineResult{}, err
		}
	}
}

func (i *importer) send(ctx context.Context, l line) (lineResult, error) {
	doc, err := i.c.call(ctx, http.MethodPost, i.path, json.RawMessage(l.text))
	var refused *refusal
	r := lineResult{Line: l.number, Status: "refused"}
	switch {
	case isCode(err, "email_taken") && !i.dry:
		r.Status = "there"
		return r, nil
	case isCode(err, "email_taken"):
		r.Code, r.Errors = "email_taken", []string{"email: There is an account with this address."}
		return r, nil
	case errors.As(err, &refused) && refused.Status >= 400 && refused.Status < 500 && aboutTheLine[refused.Code]:
		r.Code = refused.Code
		for _, e := range refused.Errors {
			r.Errors = append(r.Errors, e.Field+": "+e.Detail)
		}
		if r.Errors == nil {
			r.Errors = []string{refused.Detail}
		}
		return r, nil
	case err != nil:
		return lineResult{}, err
	}
	made, err := decode[struct {
		User        account
		DroppedHash *string `json:"dropped_hash"`
	}](doc)
	if err != nil {
		return lineResult{}, err
	}
	r.Status, r.UserID, r.DroppedHash = "imported", made.User.ID, made.DroppedHash
	if i.dry {
		r.Status = "would_import"
	}
	return r, nil
}

// aboutTheLine are the refusals that concern a line, and not the whole import.
var aboutTheLine = map[string]bool{"invalid_input": true, "invalid_json": true, "not_found": true, "body_too_large": true}

// tell counts a result, and prints it if somebody must do something about it, in the place of p.
func (i *importer) tell(name string, r lineResult, p *progress) error {
	switch r.Status {
	case "imported", "would_import":
		i.count.imported++
		if r.DroppedHash != nil {
			i.count.withoutPassword++
		}
	case "there":
		i.count.there++
	default:
		i.count.refused++
	}
	if i.v.json || r.Errors != nil || r.DroppedHash != nil {
		p.clear()
	}
	if i.v.json {
		return i.v.printJSON(r)
	}
	at := fmt.Sprintf("%s:%d: ", printable.Escape(name), r.Line)
	var err error
	for _, text := range r.Errors {
		_, err = fmt.Fprintln(i.v.stdout, at+printable.Escape(text))
	}
	if r.DroppedHash != nil {
		_, err = fmt.Fprintln(i.v.stdout, at+"without a password ("+printable.Escape(*r.DroppedHash)+"): the user sets one by a reset")
	}
	return err
}
