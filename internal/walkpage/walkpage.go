// Package walkpage cuts what a walk of a store finds into pages of a size of the caller's.
//
// The pages of a [store.Walker] have the size that the store chooses. Where one has more records
// than are wanted, the rest of it is found by reading it again. The store may have changed
// meanwhile, and the second reading may end elsewhere. Then all of it is returned, so that no
// record is left out that was there throughout. A record may be returned twice.
package walkpage

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strings"

	"github.com/datixlab/auth/store"
)

// maxWalked is how many pages of the store Read reads for one page. Records may be rare in a
// store, so without a bound one call could read all of it.
const maxWalked = 2048

// A Place is where a page begins. The zero Place is the beginning, and after the last page.
type Place struct {
	at    string // the place of the store's page
	after string // the key of the last record of it that was returned; "" if none was
	next  string // the digest of where that page ended
}

// Read returns about limit records of the page that begins at from, and the Place of the next,
// which is zero after the last. It returns fewer if they are rare, none even, and more if the
// store has changed since the page before.
//
// Walk is [store.Walker]'s, and its error is returned as it is. Is reports whether a key is one
// of the list.
func Read(from Place, limit int, walk func(place string) (store.Page, error), is func(key string) bool) ([]store.Record, Place, error) {
	var found []store.Record
	for range maxWalked {
		page, err := walk(from.at)
		if err != nil {
			return nil, Place{}, err
		}
		records := recordsOf(page, is)
		end := digest(page.Next)
		again := from.after != ""
		if again && end == from.next {
			records = slices.DeleteFunc(records, func(r store.Record) bool { return r.Key <= from.after })
			again = false
		}
		if room := limit - len(found); len(records) > room && !again {
			return append(found, records[:room]...), Place{at: from.at, after: records[room-1].Key, next: end}, nil
		}
		found = append(found, records...)
		from = Place{at: page.Next}
		if from.at == "" || len(found) >= limit {
			break
		}
	}
	return found, from, nil
}

// recordsOf returns those of a page that are of the list, by their keys, so that each reading has
// the same order.
func recordsOf(page store.Page, is func(key string) bool) []store.Record {
	records := slices.DeleteFunc(page.Records, func(r store.Record) bool { return !is(r.Key) })
	slices.SortFunc(records, func(a, b store.Record) int { return strings.Compare(a.Key, b.Key) })
	return records
}

// digest is shorter than a place may be.
func digest(place string) string {
	sum := sha256.Sum256([]byte(place))
	return string(sum[:8])
}

// String returns the Place as text, "" for the zero Place. It is not printable.
func (p Place) String() string {
	if p == (Place{}) {
		return ""
	}
	var b []byte
	for _, part := range []string{p.after, p.next, p.at} {
		b = binary.AppendUvarint(b, uint64(len(part)))
		b = append(b, part...)
	}
	return string(b)
}

// Parse returns the Place that String has written, or false for what it has not.
func Parse(text string) (p Place, ok bool) {
	if text == "" {
		return Place{}, true
	}
	b := []byte(text)
	for _, part := range []*string{&p.after, &p.next, &p.at} {
		n, size := binary.Uvarint(b)
		if size <= 0 || n > uint64(len(b)-size) {
			return Place{}, false
		}
		*part, b = string(b[size:size+int(n)]), b[size+int(n):]
	}
	return p, len(b) == 0
}
