package auth

import (
	"bytes"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/datixlab/auth/internal/fuzztest"
)

// sampleRecords is one record of each kind, full, with its key.
func sampleRecords() map[string]fields {
	at := time.Date(2030, 1, 2, 3, 4, 5, 678901234, time.UTC)
	return map[string]fields{
		"u.1/acct": &account{Email: "Ada@example.com", PendingEmail: "b@example.com", PendingSince: at, FullName: "Ädä", Role: "admin", Org: "o",
			Agents: []string{"a", "", "c"}, Created: at, Disabled: true, Deleted: true, Epoch: 1<<64 - 1, Enrolment: "e"},
		"u.1/pass":  &passwordRecord{Hash: "$argon2id$", Changed: at},
		"u.1/s.2":   &sessionRecord{Epoch: 7, Created: at, Expires: at.Add(1), AMR: []string{"pwd", "mfa"}, Address: "::1", UserAgent: "x", tokenIDs: tokenIDs{"t", []superseded{{"a", at}, {"b", at.Add(2)}}}, Issued: at},
		"e.1/claim": &emailClaim{User: "1", Since: at, Nonce: "n"},
		"o.1/org":   &orgRecord{Name: "Org", Created: at},
		"u.1/totp":  &totpRecord{Pending: pendingFactor{ID: "p", Sealed: []byte{1, 2}, Since: at}, Active: activeFactor{ID: "a", Sealed: []byte{3}, Since: at, LastStep: 9, Backup: backupSet{Pepper: "k", Salt: []byte{4}, Memory: 8, Time: 1, Threads: 1, Tags: []string{"x", ""}}}},
		"u.1/temp":  &tempRecord{Logins: []pendingLogin{{Digest: []byte{1}, Expires: at, Epoch: 1, Enrolment: "e", Tries: 2, Prefix: "p"}}},
		"u.1/keys":  &keysMade{N: 3},
		"u.1/k.3":   &keyRecord{Digest: []byte{1, 2, 3}, Name: "n", Description: "d", Prefix: "sk_live_abc...", Created: at, Expires: at, Scopes: "a b"},
		"u.1/l.3":   &keyUsage{Last: at, Count: 5, Address: "192.0.2.7", Pattern: keyPattern{Networks: []keyNetwork{{"192.0.2.0/24", at}}, Hour: 7, InHour: 3, Hours: 9, Baseline: 300}},
	}
}

// blank returns a zero record of the same kind.
func blank(r fields) fields { return reflect.New(reflect.TypeOf(r).Elem()).Interface().(fields) }

func TestEveryRecordComesBackAsItWasWritten(t *testing.T) {
	for key, r := range sampleRecords() {
		for _, want := range []fields{r, blank(r)} {
			got := blank(r)
			if err := decode(key, encode(key, want), got, new(room)); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %+v, want %+v: %v", key, got, want, err)
			}
		}
	}
}

func TestARecordIsRefusedUnderAnotherKeyOrWithAnyBitChanged(t *testing.T) {
	for key, r := range sampleRecords() {
		b := encode(key, r)
		if err := decode(key+"x", b, blank(r), new(room)); !errors.Is(err, errDamaged) {
			t.Errorf("%s under another key: %v", key, err)
		}
		for i := range len(b) * 8 {
			d := bytes.Clone(b)
			d[i/8] ^= 1 << (i % 8)
			if err := decode(key, d, blank(r), new(room)); !errors.Is(err, errDamaged) {
				t.Fatalf("%s with bit %d changed: %v", key, i, err)
			}
		}
		for n := range len(b) {
			if err := decode(key, b[:n], blank(r), new(room)); !errors.Is(err, errDamaged) {
				t.Fatalf("%s cut to %d bytes: %v", key, n, err)
			}
		}
	}
}

// seal gives body the header that makes it a record of key.
func sealBody(key string, body []byte) []byte {
	return encode(key, &rawBody{body})
}

type rawBody struct{ b []byte }

func (r *rawBody) fields(c *codec) { c.rest(&r.b) }

// What a newer version adds at the end is kept, and what an older one lacks is zero.
func TestFieldsOfANewerVersionSurviveAnUpdateByThisOne(t *testing.T) {
	for key, r := range sampleRecords() {
		body := append(encode(key, r)[5:], "newer fields"...)
		got := blank(r)
		if err := decode(key, sealBody(key, body), got, new(room)); err != nil {
			t.Errorf("%s: %v", key, err)
		}
		if again := encode(key, got); !bytes.Equal(again[5:], body) {
			t.Errorf("%s: %q, want %q", key, again[5:], body)
		}
	}
	var a account
	older := []byte("\x01a\x01b") // Email and PendingEmail
	if err := decode("u.1/acct", sealBody("u.1/acct", older), &a, new(room)); err != nil || !reflect.DeepEqual(a, account{Email: "a", PendingEmail: "b"}) {
		t.Errorf("%+v, %v", a, err)
	}
}

func FuzzDecode(f *testing.F) {
	for key, r := range sampleRecords() {
		f.Add(encode(key, r)[5:])
	}
	f.Add([]byte{})
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
	saw := fuzztest.BothWays(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		for key, r := range sampleRecords() {
			first := blank(r)
			err := decode(key, sealBody(key, body), first, new(room))
			if saw(err == nil); err != nil {
				continue
			}
			second := blank(r)
			if err := decode(key, encode(key, first), second, new(room)); err != nil || !reflect.DeepEqual(first, second) {
				t.Fatalf("%s: %+v came back as %+v: %v", key, first, second, err)
			}
		}
	})
}
