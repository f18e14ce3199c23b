package redisstore

import (
	"fmt"
	"strings"
	"time"

	"github.com/datixlab/auth/store"
)

// A partition is one Redis key, so that it is moved between the nodes of a cluster,
// and expires, as a whole; a script on two keys is refused for as long as their slot
// is being moved. The key is a sorted set whose scores are all 0, so its members are
// in the order of their bytes. There are two kinds:
//
//	name 0x00 expiry value     a record
//	0x01 expiry name           for every record with an expiry: when its time comes
//
// The expiry is in milliseconds since 1970, in 15 digits; never is all nines. No
// name has a byte below 0x21 in it, so the records are in the order of their names,
// behind all expiries, and one is found by its name alone.
const (
	expiryLen = 15
	never     = "999999999999999"
)

// base is the key of the partition that key is in. Neither the prefix nor a key has
// a brace in it, so these enclose the hash tag: the partition and its counters are
// in one slot.
func (s *Store) base(key string) string {
	return s.prefix + "{" + store.Partition(key) + "}"
}

func name(key string) string {
	_, name, _ := strings.Cut(key, "/")
	return name
}

// expiry is the first millisecond in which a record may be dropped.
func expiry(t time.Time) string {
	switch {
	case t.IsZero(), t.Year() > 9999:
		return never
	case t.Before(time.Unix(0, 0)):
		t = time.Unix(0, 0)
	}
	return fmt.Sprintf("%0*d", expiryLen, t.Add(time.Millisecond-1).UnixMilli())
}

// stored is what the record of op is to be stored as: "" not at all, "-" as it is.
func stored(op *store.Op) string {
	switch op.Write {
	case store.None:
		return "-"
	case store.Remove:
		return ""
	}
	return name(op.Key) + "\x00" + expiry(op.Expires) + string(op.Value)
}

// decode returns the name and a copy of the value of a record.
func decode(member any) (name string, value []byte, err error) {
	text, _ := member.(string)
	name, rest, ok := strings.Cut(text, "\x00")
	if !ok || len(rest) < expiryLen {
		return "", nil, errReply
	}
	return name, []byte(rest[expiryLen:]), nil
}
