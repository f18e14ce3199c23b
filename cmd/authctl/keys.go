package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/datixlab/auth/internal/checkdigits"
	"github.com/datixlab/auth/internal/ident"
	"github.com/datixlab/auth/internal/printable"
)

// What an API key is made of, as package auth makes it: a prefix, random digits, those of the user,
// and check digits. TestTheScannerKnowsTheKeysOfPackageAuth holds it.
const (
	keySecretLen = 30
	keyDigits    = keySecretLen + ident.TimedLen
	keyShown     = 3 // digits that are shown of a key
	keyIDBytes   = 16

	defaultKeyPrefix = "sk_live_"
)

func keyCommands() []command {
	return []command{
		{"keys scan", "PATH…", "Find API keys in files, without a network. Folders are searched with all that is in them, and - is the standard input: git log -p --all | authctl keys scan -. A key is recognised by its checksum. It is not shown, but its user and its id are.", [2]int{1, -1}, scanKeys},
		{"keys pattern", "", "Print a rule for a secret scanner: gitleaks, trufflehog, or a regular expression.", [2]int{0, 0}, keyPattern},
	}
}

// keyPrefixes adds the flag of the prefixes, which have the form that package auth asks for.
func keyPrefixes(flags *flag.FlagSet) func() []string {
	var prefixes []string
	form := regexp.MustCompile(`^[A-Za-z0-9_]{1,31}_$`)
	flags.Func("prefix", "`prefix` of the keys, once for each that the service has had (default "+defaultKeyPrefix+")", func(p string) error {
		if !form.MatchString(p) {
			return errors.New("it has 2 to 32 letters, digits and _, and ends in _")
		}
		prefixes = append(prefixes, p)
		return nil
	})
	return func() []string {
		if prefixes == nil {
			return []string{defaultKeyPrefix}
		}
		return prefixes
	}
}

// A leak is a key that was found, without what opens anything.
type leak struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Key    string `json:"key"` // its prefix, as the list of keys has it
	UserID string `json:"user_id"`
	KeyID  string `json:"key_id"`
}

func scanKeys(flags *flag.FlagSet) action {
	prefixes := keyPrefixes(flags)
	return func(ctx context.Context, v *invocation) error {
		s := scanner{v: v, prefixes: prefixes()}
		if _, err := wait(ctx, func() (any, error) { return nil, s.arguments(ctx) }); err != nil {
			fmt.Fprintln(v.stderr, "authctl: interrupted; what was left was not searched")
			return exitStatus(2)
		}
		switch {
		case s.unread > 0:
			return exitStatus(2)
		case s.found > 0:
			fmt.Fprintln(v.stderr, "authctl: revoke each one: authctl users revoke USER -key KEY")
			return exitStatus(1)
		}
		return nil
	}
}

// A scanner finds keys in files.
type scanner struct {
	v             *invocation
	prefixes      []string
	found, unread int
}

// failed says what could not be read, and goes on.
func (s *scanner) failed(path string, err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		s.unread++
		fmt.Fprintln(s.v.stderr, "authctl:", printable.Escape(path)+":", printable.Escape(err.Error()))
	}
}

// arguments scans what the command line names.
func (s *scanner) arguments(ctx context.Context) error {
	for _, path := range s.v.args {
		if path == "-" {
			s.failed(path, s.scan(ctx, path, s.v.input))
		} else {
			s.failed(path, s.argument(ctx, path))
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// argument scans what an argument names, whatever it is: a folder with all that is in it, or
// a file, such as the pipe of a shell. A symbolic link is followed.
func (s *scanner) argument(ctx context.Context, path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return s.file(ctx, path)
	}
	return filepath.WalkDir(filepath.Clean(path)+string(filepath.Separator), func(path string, entry fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			s.failed(path, err)
		case entry.Type().IsRegular(): // a device or a FIFO may never end
			s.failed(path, s.file(ctx, path))
		}
		return nil
	})
}

func (s *scanner) file(ctx context.Context, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(s.scan(ctx, path, f), f.Close())
}

// scan finds the keys that r has. NULs are left out, so that keys in UTF-16 are found too.
func (s *scanner) scan(ctx context.Context, name string, r io.Reader) error {
	const longest = 32 + keyDigits + checkdigits.Len
	text := make([]byte, 0, 256<<10)
	chunk := make([]byte, 128<<10)
	line, last := 1, false
	for !last {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := r.Read(chunk)
		if last = err == io.EOF; err != nil && !last {
			return err
		}
		for _, b := range chunk[:n] {
			if b != 0 {
				text = append(text, b)
			}
		}
		ready := len(text) // keys that begin before it are whole
		if !last {
			ready = max(0, len(text)-longest)
		}
		if err := s.report(name, line, text, ready); err != nil {
			return err
		}
		line += bytes.Count(text[:ready], []byte{'\n'})
		text = append(text[:0], text[ready:]...)
	}
	return nil
}

// report prints the keys that begin before ready in text, whose first line has that number.
func (s *scanner) report(name string, line int, text []byte, ready int) error {
	next := make([]int, len(s.prefixes)) // where each prefix is, from i on; looked for again only behind it
	for i := 0; i < ready; {
		at := ready
		for n, p := range s.prefixes {
			if next[n] <= i && next[n] < ready {
				next[n] = ready
				if found := bytes.Index(text[i:], []byte(p)); found >= 0 {
					next[n] = i + found
				}
			}
			at = min(at, next[n])
		}
		if at == ready {
			return nil
		}
		line += bytes.Count(text[i:at], []byte{'\n'})
		i = at + 1
		for n, p := range s.prefixes {
			end := at + len(p) + keyDigits + checkdigits.Len
			if next[n] != at || end > len(text) {
				continue
			}
			if found, ok := leakOf(string(text[at:end]), p); ok {
				s.found++
				found.File, found.Line = name, line
				if err := s.print(found); err != nil {
					return err
				}
				i = end
			}
		}
	}
	return nil
}

// leakOf returns what may be shown of key, if it is one.
func leakOf(key, prefix string) (leak, bool) {
	digits, ok := checkdigits.Cut(key, prefix, keyDigits)
	if !ok {
		return leak{}, false
	}
	digest := sha256.Sum256([]byte(key))
	return leak{
		Key: key[:len(prefix)+keyShown] + "...", UserID: "user_" + digits[keySecretLen:], KeyID: "key_" + hex.EncodeToString(digest[:keyIDBytes]),
	}, true
}

func (s *scanner) print(l leak) error {
	if s.v.json {
		return s.v.printJSON(l)
	}
	_, err := fmt.Fprintf(s.v.stdout, "%s:%d: %s %s %s\n", printable.Escape(l.File), l.Line, l.Key, l.UserID, l.KeyID)
	return err
}

func keyPattern(flags *flag.FlagSet) action {
	prefixes := keyPrefixes(flags)
	form := flags.String("format", "gitleaks", "`gitleaks`, trufflehog or regexp")
	return func(_ context.Context, v *invocation) error {
		var quoted []string
		for _, p := range prefixes() {
			quoted = append(quoted, regexp.QuoteMeta(p))
		}
		pattern := fmt.Sprintf("(?:%s)[0-9A-Za-z]{%d}", strings.Join(quoted, "|"), keyDigits+checkdigits.Len)
		var text string
		switch *form {
		case "gitleaks":
			text = "[[rules]]\nid = \"auth-api-key\"\ndescription = \"API key of the service\"\n" +
				"regex = '''" + pattern + "'''\nkeywords = [" + listOf(prefixes(), `"`) + "]\n"
		case "trufflehog":
			text = "detectors:\n  - name: auth-api-key\n    keywords: [" + listOf(prefixes(), `"`) + "]\n" +
				"    regex:\n      key: '(" + pattern + ")'\n"
		case "regexp":
			text = pattern + "\n"
		default:
			return usageError("-format must be gitleaks, trufflehog or regexp")
		}
		_, err := io.WriteString(v.stdout, text)
		return err
	}
}

func listOf(words []string, quote string) string {
	return quote + strings.Join(words, quote+", "+quote) + quote
}
