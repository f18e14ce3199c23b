package redisstore

import (
	"fmt"
	"strings"
	"time"

	"github.com/datixlab/auth/store"
)

// A partition is one Redis key, so it expires as a whole and moves between the nodes of
// a cluster as a whole. (A script on two keys is refused while their slot is being
// moved.) The key is a sorted set whose scores are all 0, so its members are in the
// order of their bytes. There are two kinds of members:
//
//	name 0x00 expiry value     a record
//	0x01 expiry name           for every record with an expiry: when its time comes
//
// The expiry is in milliseconds since 1970, in 15 digits; never is all nines. No name
// contains a byte below 0x21. So the records are in the order of their names, after all
// expiries, and a record can be found by its name alone.
const (
	expiryLen = 15
	never     = "999999999999999"
)

// base returns the Redis key of the partition of key. Neither the prefix nor a key
// contains a brace, so the braces enclose the hash tag: the partition and its counters
// are in one slot.
func (s *Store) base(key string) string {
	return s.prefix + "{" + store.Partition(key) + "}"
}

func name(key string) string {
	_, name, _ := strings.Cut(key, "/")
	return name
}

// expiry returns the first millisecond in which a record may be dropped.
func expiry(t time.Time) string {
	switch {
	case t.IsZero(), t.Year() > 9999:
		return never
	case t.Before(time.Unix(0, 0)):
		t = time.Unix(0, 0)
	}
	return fmt.Sprintf("%0*d", expiryLen, t.Add(time.Millisecond-1).UnixMilli())
}

// stored returns what the record of op is to be stored as: "" removes it, "-" leaves
// it.
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
