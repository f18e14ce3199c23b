package auth

import (
	"strconv"
	"testing"
	"time"

	"github.com/datixlab/auth/internal/record"
	"github.com/datixlab/auth/store/memstore"
)

func TestTheFirstUsesThatWaitAreBounded(t *testing.T) {
	f := firstUses{uses: map[firstUse]struct{}{}}
	for i := range maxFirstUses {
		if !f.add(firstUse{"u", strconv.Itoa(i), "t"}) {
			t.Fatalf("use %d is not noted", i)
		}
	}
	another := firstUse{"u", "another", "t"}
	if f.add(another) || f.has(another) {
		t.Error("more than the bound is noted")
	}
	if !f.add(firstUse{"u", "7", "t"}) {
		t.Error("a use that is noted already is not")
	}
	f.remove(firstUse{"u", "7", "t"})
	if !f.add(another) || !f.has(another) {
		t.Error("a place that is free again is not taken")
	}
}

// An olderSession is the record of a session, to a version that knows nothing of first uses.
type olderSession struct {
	sessionRecord
	rest []byte
}

func (s *olderSession) Fields(c *record.Codec) {
	c.Uint(&s.Epoch)
	c.Time(&s.Created)
	c.Time(&s.Expires)
	c.Strings(&s.AMR)
	c.String(&s.Address)
	c.String(&s.UserAgent)
	c.String(&s.Token)
	c.Time(&s.Issued)
	record.List(c, &s.Superseded, func(t *superseded) {
		c.String(&t.Token)
		c.Time(&t.Until)
	})
	c.Rest(&s.rest)
}

// SE-6: two versions share a store while they are exchanged. What the older one refreshed is no
// lost reply to the newer one.
func TestATokenThatAnOlderVersionRefreshedIsNotRefreshedAgain(t *testing.T) {
	s := memstore.New()
	records := record.Records{Store: s, Timeout: time.Minute, Unavailable: ErrUnavailable}
	at := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	const key = "u.1/s.2"
	for name, byOlder := range map[string]func(*olderSession){
		"it made the session": func(older *olderSession) { older.rest = nil },
		"it refreshed":        func(older *olderSession) { older.Token, older.Issued = "third", at.Add(time.Hour) },
	} {
		row := record.New[sessionRecord](key)
		row.Rec = sessionRecord{Created: at, Expires: at.Add(24 * time.Hour), Issued: at, tokenIDs: tokenIDs{Token: "first"}}
		row.Rec.rotate("second", at.Add(time.Minute), time.Hour, time.Second)
		if !row.Rec.repeats([]byte("first")) || row.Rec.repeats([]byte("second")) {
			t.Fatal("the parent is another")
		}
		older := record.New[olderSession](key)
		if err := s.Commit(t.Context(), row.Overwrite()); err != nil {
			t.Fatal(err)
		}
		if err := records.Read(t.Context(), &older); err != nil {
			t.Fatal(err)
		}
		byOlder(&older.Rec)
		if err := s.Commit(t.Context(), older.Put()); err != nil {
			t.Fatal(err)
		}
		if err := records.Read(t.Context(), &row); err != nil {
			t.Fatal(err)
		}
		for _, token := range []string{"", "first", "second", "third"} {
			if row.Rec.repeats([]byte(token)) {
				t.Errorf("%s: %q counts as a parent", name, token)
			}
		}
	}
}
