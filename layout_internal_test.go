package auth

import (
	"bytes"
	"context"
	"errors"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/datixlab/auth/internal/fuzztest"
	"github.com/datixlab/auth/internal/ident"
	"github.com/datixlab/auth/internal/keyuse"
	"github.com/datixlab/auth/internal/record"
	"github.com/datixlab/auth/store"
)

// A sample is one kind of record: a full one and a zero one, and how it is written and read.
type sample struct {
	full, blank any
	write       func(rec any) []byte
	read        func(raw []byte) (rec any, err error)
}

func sampleOf[T any](key string, full T) sample {
	var blank T
	return sample{
		full: full, blank: blank,
		write: func(rec any) []byte {
			row := record.New[T](key)
			row.Rec = rec.(T)
			return row.Overwrite().Value
		},
		read: func(raw []byte) (any, error) {
			row := record.New[T](key)
			err := record.Records{Store: oneValue{raw: raw}, Timeout: time.Minute, Unavailable: ErrUnavailable}.Read(context.Background(), &row)
			return row.Rec, err
		},
	}
}

// oneValue is a store whose only value is raw.
type oneValue struct {
	store.Store
	raw []byte
}

func (s oneValue) Get(context.Context, ...string) ([][]byte, error) { return [][]byte{s.raw}, nil }

// samples are one of each kind of record, by key.
func samples() map[string]sample {
	at := time.Date(2030, 1, 2, 3, 4, 5, 678901234, time.UTC)
	return map[string]sample{
		"u.1/acct": sampleOf("u.1/acct", account{Email: "Ada@example.com", PendingEmail: "b@example.com", PendingSince: at, FullName: "Ädä", Role: "admin", Org: "o",
			Agents: []string{"a", "", "c"}, Created: at, Disabled: true, Deleted: true, Epoch: 1<<64 - 1, Enrolment: "e", Digests: []string{"d", "f"},
			ProvenEmail: "Ada@example.com", Unproven: true, RequestedEmail: "c@example.com", RequestedUntil: at, LastChange: "i", KeysNamed: true}),
		"u.1/pass":   sampleOf("u.1/pass", passwordRecord{Hash: "$argon2id$", Changed: at}),
		"u.1/s.2":    sampleOf("u.1/s.2", sessionRecord{Epoch: 7, Created: at, Expires: at.Add(1), AMR: []string{"pwd", "mfa"}, Address: "::1", UserAgent: "x", tokenIDs: tokenIDs{"t", []superseded{{"a", at}, {"b", at.Add(2)}}, "t"}, Issued: at, Parent: "p", Lifetime: time.Hour, ByDevice: true, Org: "org_1"}),
		"e.1/claim":  sampleOf("e.1/claim", emailClaim{User: "1", Since: at, Nonce: "n", Org: "2"}),
		"e.1/known":  sampleOf("e.1/known", knownNetworks{Prefixes: []string{"192.0.2.7", "unknown"}, User: "1"}),
		"o.1/org":    sampleOf("o.1/org", orgRecord{Name: "Org", Created: at, Kept: true, Ended: true}),
		"o.1/roster": sampleOf("o.1/roster", rosterRecord{Version: 7, Admins: []string{"1", "2"}, MoreAdmins: true}),
		"o.1/m.2": sampleOf("o.1/m.2", memberRecord{Role: "admin", Disabled: true, Joined: at, Pending: at, PendingID: "p", Overlap: true, Leaving: true,
			Change: memberChange{ID: "p", Kind: departure, Role: "owner", Org: "3", Session: "4", Actor: "ses_4", Notify: true, Disable: true, Orphans: true, Invitation: "i"}, Invitation: "i", From: "4"}),
		"o.1/invitations": sampleOf("o.1/invitations", invitationsRecord{Invitations: []invitation{{ID: "i", Digest: []byte{1, 2}, Email: "a@example.com", Role: "member", Inviter: "1", Created: at, Expires: at.Add(1), Mailed: true, TakenBy: "2", TakenID: "p"}}}),
		"m.auth/managers": sampleOf("m.auth/managers", managersRecord{Secrets: []string{"a", "b"}, Issuer: "i", Audience: "a", APIKeyPrefix: "p_", TokenType: "JWT"}),
		"m.auth/rosters":  sampleOf("m.auth/rosters", rostersRecord{Complete: true, Swept: true}),
		"u.1/totp":        sampleOf("u.1/totp", totpRecord{Pending: pendingFactor{ID: "p", Sealed: []byte{1, 2}, Since: at}, Active: activeFactor{ID: "a", Sealed: []byte{3}, Since: at, LastStep: 9, Backup: backupSet{Pepper: "k", Salt: []byte{4}, Memory: 8, Time: 1, Threads: 1, Tags: []string{"x", ""}}}, PendingBy: "p/s"}),
		"u.1/temp":        sampleOf("u.1/temp", tempRecord{Logins: []pendingLogin{{Digest: []byte{1}, Expires: at, Epoch: 1, Enrolment: "e", Tries: 2, Prefix: "p"}}, Firsts: []firstStep{{Digest: []byte{1}, Flags: 5}}, Methods: []firstMethod{{Digest: []byte{1}, Method: "oauth"}}}),
		"u.1/mail":        sampleOf("u.1/mail", mailTokens{Tokens: []mailToken{{Digest: []byte{1, 2}, Purpose: "reset_password", Expires: at, Epoch: 3}}, Unsure: []string{"\x01\x02"}}),
		"u.1/devices":     sampleOf("u.1/devices", devicesRecord{Devices: []device{{ID: "d", Digest: []byte{1, 2}, Epoch: 3, Enrolment: "e", Created: at, Expires: at.Add(1), Used: at, Address: "::1", UserAgent: "x"}}}),
		"u.1/keys":        sampleOf("u.1/keys", keysMade{N: 3}),
		"u.1/k.3":         sampleOf("u.1/k.3", keyRecord{Digest: []byte{1, 2, 3}, Name: "n", Description: "d", Prefix: "sk_live_abc...", Created: at, Expires: at, Scopes: "a b", Disabled: true, Replaced: at, Successor: "4", Org: "org_1"}),
		"u.1/l.3":         sampleOf("u.1/l.3", keyuse.Usage{Last: at, Count: 5, Address: "192.0.2.7", Hours: []keyuse.Hour{{Number: 7, Uses: 5}}}),
	}
}

func TestEveryRecordComesBackAsItWasWritten(t *testing.T) {
	for key, s := range samples() {
		for _, want := range []any{s.full, s.blank} {
			if got, err := s.read(s.write(want)); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %+v, want %+v: %v", key, got, want, err)
			}
		}
	}
}

func TestARecordIsRefusedUnderAnotherKeyOrWithAnyBitChanged(t *testing.T) {
	for key, s := range samples() {
		b := s.write(s.full)
		row := record.New[rawBody](key + "x")
		if err := (record.Records{Store: oneValue{raw: b}, Timeout: time.Minute, Unavailable: ErrUnavailable}).Read(t.Context(), &row); !errors.Is(err, record.ErrDamaged) {
			t.Errorf("%s under another key: %v", key, err)
		}
		for i := range len(b) * 8 {
			d := bytes.Clone(b)
			d[i/8] ^= 1 << (i % 8)
			if _, err := s.read(d); !errors.Is(err, record.ErrDamaged) {
				t.Fatalf("%s with bit %d changed: %v", key, i, err)
			}
		}
		for n := range len(b) {
			if _, err := s.read(b[:n]); !errors.Is(err, record.ErrDamaged) {
				t.Fatalf("%s cut to %d bytes: %v", key, n, err)
			}
		}
	}
}

// sealBody gives body the header that makes it a record of key.
func sealBody(key string, body []byte) []byte {
	row := record.New[rawBody](key)
	row.Rec.b = body
	return row.Overwrite().Value
}

type rawBody struct{ b []byte }

func (r *rawBody) Fields(c *record.Codec) { c.Rest(&r.b) }

const headerLen = 5 // of a record: format and checksum

// What a newer version adds at the end is kept, and what an older one lacks is zero.
func TestFieldsOfANewerVersionSurviveAnUpdateByThisOne(t *testing.T) {
	for key, s := range samples() {
		body := append(s.write(s.full)[headerLen:], "newer fields"...)
		got, err := s.read(sealBody(key, body))
		if err != nil {
			t.Errorf("%s: %v", key, err)
		}
		if again := s.write(got); !bytes.Equal(again[headerLen:], body) {
			t.Errorf("%s: %q, want %q", key, again[headerLen:], body)
		}
	}
	older := []byte("\x01a\x01b") // Email and PendingEmail
	a, err := samples()["u.1/acct"].read(sealBody("u.1/acct", older))
	if err != nil || !reflect.DeepEqual(a, account{Email: "a", PendingEmail: "b"}) {
		t.Errorf("%+v, %v", a, err)
	}
}

func FuzzRecords(f *testing.F) {
	for _, s := range samples() {
		f.Add(s.write(s.full)[headerLen:])
	}
	f.Add([]byte{})
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
	saw := fuzztest.BothWays(f)
	fuzztest.Fuzz(f, func(t *testing.T, body []byte) {
		for key, s := range samples() {
			first, err := s.read(sealBody(key, body))
			if saw(err == nil); err != nil {
				continue
			}
			second, err := s.read(s.write(first))
			if err != nil || !reflect.DeepEqual(first, second) {
				t.Fatalf("%s: %+v came back as %+v: %v", key, first, second, err)
			}
		}
	})
}

// FuzzNames holds what is taken as a part of a key of the store against patterns.
func FuzzNames(f *testing.F) {
	id := "user_" + strings.Repeat("0", ident.TimedLen)
	for _, s := range []string{
		id, id[:len(id)-1], id + "0", id + "\n", "USER_" + id[5:], "org_" + id[5:], id[:len(id)-1] + "/", id[:len(id)-1] + "é"[:1], "",
		"admin", "a-b_c.d:e", "a b", "sk_live_", "sk", "_", "__", "sk-live_", strings.Repeat("a", 31) + "_", strings.Repeat("a", 32) + "_", strings.Repeat("a", 64), strings.Repeat("a", 65),
	} {
		f.Add(s)
	}
	ids := regexp.MustCompile(`\Auser_[0-9A-Za-z]{29}\z`)
	roles := regexp.MustCompile(`\A[0-9A-Za-z_.:-]{1,64}\z`)
	prefixes := regexp.MustCompile(`\A[0-9A-Za-z_]{1,31}_\z`)
	saw := fuzztest.BothWays(f)
	fuzztest.Fuzz(f, func(t *testing.T, s string) {
		uid, ok := parseUser(s)
		if ok != ids.MatchString(s) || ok && userIDOf(uid) != s {
			t.Errorf("parseUser(%q) = %q, %v", s, uid, ok)
		}
		if ok && !store.ValidKey(accountKey(uid)) {
			t.Errorf("%q is in no key of a store", s)
		}
		if got := validRole(s); got != roles.MatchString(s) || got != (checkRole(s) == nil) {
			t.Errorf("validRole(%q) = %v", s, got)
		}
		if got := validKeyPrefix(s); got != prefixes.MatchString(s) {
			t.Errorf("validKeyPrefix(%q) = %v", s, got)
		}
		saw(ok)
	})
}
