package memstore

import (
	"slices"
	"sort"
	"strings"
	"time"
)

// A record's value is replaced, never changed in place.
type record struct {
	key     string
	value   []byte // never nil
	expires time.Time
	queued  int // position in expiring plus one; 0: not in it
}

// A partition is a list of records in the order of their keys.
type partition []*record

func (p partition) search(key string) (int, bool) {
	return slices.BinarySearchFunc(p, key, func(r *record, key string) int {
		return strings.Compare(r.key, key)
	})
}

func (p partition) find(key string) *record {
	if i, ok := p.search(key); ok {
		return p[i]
	}
	return nil
}

// page returns up to limit records under prefix whose keys are greater than after.
func (p partition) page(prefix, after string, limit int) []*record {
	i, found := p.search(max(prefix, after))
	if found && after != "" {
		i++
	}
	rest := p[i:]
	end := sort.Search(len(rest), func(i int) bool { return !strings.HasPrefix(rest[i].key, prefix) })
	return rest[:min(end, limit)]
}

// insert sets the value of key's record, which it makes if there is none, and returns
// the record. An existing record keeps its expiry.
func (p *partition) insert(key string, value []byte) *record {
	i, found := p.search(key)
	if !found {
		*p = slices.Insert(*p, i, &record{key: strings.Clone(key)})
	}
	r := (*p)[i]
	r.value = value
	return r
}

// remove removes the record of key and returns it, or nil if there is none.
func (p *partition) remove(key string) *record {
	i, found := p.search(key)
	if !found {
		return nil
	}
	r := (*p)[i]
	*p = slices.Delete(*p, i, i+1)
	return r
}
