package password

import (
	"crypto/rand"
	"slices"
)

// A Comparer compares passwords with stored hashes and does the same work for each, so that
// the time tells nothing about the hash or whether there is one. The work is one hash under
// each of its costs. It does not change, and any number of goroutines may use it.
type Comparer struct {
	current  Params
	decoys   []decoy   // one for each of the costs, the current ones first
	firebase *Firebase // nil without WithFirebase
}

// A decoy is what a password is hashed with where the stored hash has other costs.
type decoy struct {
	params Params
	salt   []byte
}

// NewComparer returns a Comparer for hashes of the current costs and for those that were made
// under the costs before. It returns [ErrParams] if one of them is out of range. It computes
// no hash.
func NewComparer(current Params, before ...Params) (*Comparer, error) {
	c := &Comparer{current: current}
	for _, p := range append([]Params{current}, before...) {
		if p.Validate() != nil {
			return nil, ErrParams
		}
		if slices.ContainsFunc(c.decoys, func(d decoy) bool { return d.params == p }) {
			continue
		}
		d := decoy{p, make([]byte, saltLen)}
		rand.Read(d.salt)
		c.decoys = append(c.decoys, d)
	}
	return c, nil
}

// Verify reports whether encoded was made from password. Stale is as for the function
// [Verify], under the current costs. A hash of another system, in the form of
// [Comparer.Import], is always stale.
//
// It does the work of encoded and, for each of the costs that encoded does not have, that of a
// decoy. So a hash under costs of the Comparer takes what no hash at all takes, and one under
// other costs or of another system takes more. If encoded is "" or none of these, the error is
// [ErrMalformed], and all of the work is that of decoys. With [ErrText] no work was done.
//
// Beside the decoys, Verify takes at most 256 MiB. Large tells which hashes take much.
func (c *Comparer) Verify(encoded, password string) (ok, stale bool, err error) {
	text, err := normalize(password)
	if err != nil {
		return false, false, err
	}
	h, err := decode(encoded)
	if err == nil {
		ok, stale = h.verify(c.current, text)
	} else if other, foreignErr := c.decodeForeign(encoded); foreignErr == nil {
		ok, err = other.matches(password), nil
		stale = ok
		if n := other.memory(); n > 0 {
			discarded.add(n)
		}
	} else {
		err = foreignErr
	}
	for _, d := range c.decoys {
		if d.params != h.params { // those of a hash that is not ours are zero, which no decoy has
			compute(d.params, []byte(text), d.salt, tagLen)
		}
	}
	return ok, stale, err
}

// Large reports whether Verify of encoded takes more memory at once than a hash under any of
// the costs of c.
func (c *Comparer) Large(encoded string) bool {
	h, err := c.decodeForeign(encoded)
	return err == nil && !slices.ContainsFunc(c.decoys, func(d decoy) bool { return uint64(d.params.Memory)<<10 >= h.memory() })
}

// verify reports whether h was made from text and, if so, whether it is stale under p.
func (h *hash) verify(p Params, text string) (ok, stale bool) {
	if !h.matches(text) {
		return false, false
	}
	return true, h.params != p || len(h.salt) < saltLen || len(h.tag) < tagLen
}
