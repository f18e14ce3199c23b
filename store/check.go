package store

import (
	"fmt"
	"math/bits"
	"strings"
	"time"
)

// Partition returns the part of key before its first '/', or "" if it has none.
func Partition(key string) string {
	p, _, ok := strings.Cut(key, "/")
	if !ok {
		return ""
	}
	return p
}

// CheckGet returns nil if Get may be called with keys, else an error that wraps
// ErrInvalid. Every adapter calls the Check functions before anything else, so that all
// adapters refuse the same calls.
func CheckGet(keys []string) error {
	if len(keys) == 0 || len(keys) > MaxGet {
		return fmt.Errorf("%w: Get of %d keys", ErrInvalid, len(keys))
	}
	return checkKeys(len(keys), func(i int) string { return keys[i] })
}

// CheckList returns nil if List may be called with these arguments, else an
// error that wraps ErrInvalid.
func CheckList(prefix, after string, limit int) error {
	if limit < 1 || limit > MaxList {
		return fmt.Errorf("%w: List limit %d", ErrInvalid, limit)
	}
	if Partition(prefix) == "" || !validText(prefix) {
		return fmt.Errorf("%w: List prefix %q", ErrInvalid, prefix)
	}
	if after != "" && (!strings.HasPrefix(after, prefix) || !validText(after)) {
		return fmt.Errorf("%w: List after %q is not under %q", ErrInvalid, after, prefix)
	}
	return nil
}

// CheckCommit returns nil if Commit may be called with ops, else an error that
// wraps ErrInvalid.
func CheckCommit(ops []Op) error {
	if len(ops) == 0 || len(ops) > MaxOps {
		return fmt.Errorf("%w: Commit of %d operations", ErrInvalid, len(ops))
	}
	if err := checkKeys(len(ops), func(i int) string { return ops[i].Key }); err != nil {
		return err
	}
	for i := range ops {
		op := &ops[i]
		if op.When > IfEqual || op.Write > Remove {
			return fmt.Errorf("%w: unknown condition or write for %q", ErrInvalid, op.Key)
		}
		if len(op.Value) > MaxValue {
			return fmt.Errorf("%w: value of %d bytes for %q", ErrInvalid, len(op.Value), op.Key)
		}
		if op.Write != Set && (op.Value != nil || !op.Expires.IsZero()) {
			return fmt.Errorf("%w: value or expiry without Set for %q", ErrInvalid, op.Key)
		}
		for j := range i {
			if ops[j].Key == op.Key {
				return fmt.Errorf("%w: %q twice in one Commit", ErrInvalid, op.Key)
			}
		}
	}
	return nil
}

// CheckHit returns nil if Hit may be called with these arguments, else an error
// that wraps ErrInvalid.
func CheckHit(key string, l Limit, n int) error {
	if !ValidKey(key) {
		return fmt.Errorf("%w: key %q", ErrInvalid, key)
	}
	return CheckLimit(l, n)
}

// CheckLimit is CheckHit without the key, for an adapter that has checked the key
// before.
func CheckLimit(l Limit, n int) error {
	const century = 100 * 365 * 24 * time.Hour
	over, span := bits.Mul64(uint64(l.Burst), uint64(l.Every))
	if l.Burst < 1 || l.Burst > 1_000_000 || l.Every < time.Microsecond || over != 0 || span > uint64(century) {
		return fmt.Errorf("%w: limit of %d and %v", ErrInvalid, l.Burst, l.Every)
	}
	if n == 0 || n > l.Burst || n < -l.Burst {
		return fmt.Errorf("%w: %d hits on a limit of %d", ErrInvalid, n, l.Burst)
	}
	return nil
}

// ValidKey reports whether key is within the contract.
func ValidKey(key string) bool {
	i := strings.IndexByte(key, '/')
	return i > 0 && i < len(key)-1 && validText(key)
}

func checkKeys(n int, key func(int) string) error {
	var partition string // of the first, with its '/'
	for i := range n {
		k := key(i)
		switch {
		case !ValidKey(k):
			return fmt.Errorf("%w: key %q", ErrInvalid, k)
		case i == 0:
			partition = k[:strings.IndexByte(k, '/')+1]
		case !strings.HasPrefix(k, partition):
			return fmt.Errorf("%w: %q and %q are of two partitions", ErrInvalid, key(0), k)
		}
	}
	return nil
}

func validText(s string) bool {
	var others byte
	for i := range len(s) {
		others |= noText[s[i]]
	}
	return others == 0 && len(s) <= MaxKey
}

// noText is 0 for each byte that a key may contain. Every call checks its keys, and a
// table needs no branch.
var noText = func() (others [256]byte) {
	for i := range others {
		if c := byte(i); c < 0x21 || c > 0x7e || c == '{' || c == '}' {
			others[i] = 1
		}
	}
	return others
}()
