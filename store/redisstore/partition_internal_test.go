package redisstore

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/datixlab/auth/internal/fuzztest"
	"github.com/datixlab/auth/store"
)

// FuzzDecode: a member of a partition is a name, 15 digits and a value, or no record.
func FuzzDecode(f *testing.F) {
	at := time.Date(2026, 1, 15, 10, 30, 0, 1, time.UTC)
	for _, member := range []string{
		"acct\x00" + expiry(at) + "value", "acct\x00" + never, "a\x00" + never + "\x00\x00",
		"", "\x00", "acct", "acct\x00", "acct\x00" + never[1:], "\x01" + never + "acct",
	} {
		f.Add(member, at.UnixNano())
	}
	f.Add("", int64(-1))
	saw := fuzztest.BothWays(f)
	fuzztest.Fuzz(f, func(t *testing.T, member string, at int64) {
		name, value, err := decode(member)
		if saw(err == nil); err != nil {
			if name != "" || value != nil || !errors.Is(err, errReply) {
				t.Fatalf("%q: %q, %q, %v", member, name, value, err)
			}
		} else if rest := strings.TrimPrefix(member, name+"\x00"); strings.Contains(name, "\x00") || len(member)-len(rest) != len(name)+1 || rest[expiryLen:] != string(value) {
			t.Fatalf("%q is %q, %q", member, name, value)
		}

		when := time.Unix(0, at)
		digits := expiry(when)
		back, err := decodeExpiry(digits)
		if err != nil || len(digits) != expiryLen || digits >= never || at >= 0 && (back.Before(when) || back.Add(-time.Millisecond).After(when)) {
			t.Fatalf("%v is %q, is %v: %v", when, digits, back, err)
		}
		if name, value, err := decode("acct\x00" + digits + member); err != nil || name != "acct" || string(value) != member {
			t.Fatalf("%q came back as %q, %q: %v", member, name, value, err)
		}
	})
}

// FuzzPlace: where a walk goes on is a cursor and a master, or ErrInvalid.
func FuzzPlace(f *testing.F) {
	for _, after := range []string{"", "0@localhost:6379", "18446744073709551615@[::1]:1", "1@a@b", "@", "1@", "@a", "-1@a", "+1@a", "1 @a", "18446744073709551616@a", "0x1@a", "1_0@a"} {
		f.Add(after)
	}
	saw := fuzztest.BothWays(f)
	fuzztest.Fuzz(f, func(t *testing.T, after string) {
		node, cursor, err := parsePlace(after)
		saw(err == nil)
		switch {
		case err != nil:
			if node != "" || cursor != 0 || !errors.Is(err, store.ErrInvalid) {
				t.Fatalf("%q: %q, %d, %v", after, node, cursor, err)
			}
		case after == "":
		default:
			digits, rest, _ := strings.Cut(after, "@")
			if node == "" || rest != node || strings.TrimLeft(digits, "0") != strings.TrimLeft(strconv.FormatUint(cursor, 10), "0") {
				t.Fatalf("%q is %d at %q", after, cursor, node)
			}
		}
	})
}
