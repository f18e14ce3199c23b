package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/datixlab/auth/store"
)

// A sum is the same for two stores with the same records, in any order. It has the
// number of records, their bytes, and the sum of a hash of each.
type sum struct {
	records, bytes int64
	high, low      uint64
}

// add counts a record. Stores keep an expiry to the second at worst, rounded up.
func (s *sum) add(r store.Record) {
	h := sha256.New()
	var n [8]byte
	put := func(v int64) { binary.BigEndian.PutUint64(n[:], uint64(v)); h.Write(n[:]) }
	put(int64(len(r.Key)))
	h.Write([]byte(r.Key))
	if r.Expires.IsZero() {
		put(-1)
	} else {
		put(r.Expires.Add(time.Second - 1).Unix())
	}
	h.Write(r.Value)
	digest := h.Sum(nil)
	s.records++
	s.bytes += int64(len(r.Key) + len(r.Value))
	s.high += binary.BigEndian.Uint64(digest)
	s.low += binary.BigEndian.Uint64(digest[8:])
}

func (c *copier) sum(ctx context.Context, s store.Walker) (total sum, err error) {
	err = walk(ctx, s, func(p store.Page) error {
		for _, r := range p.Records {
			soon := !r.Expires.IsZero() && r.Expires.Before(c.now.Add(time.Hour))
			if !soon && r.Key != mark {
				total.add(r)
			}
		}
		return nil
	})
	return total, err
}

// finish compares the two stores and, if they are the same, removes the mark.
func (c *copier) finish(ctx context.Context) error {
	c.now = time.Now() // the copy may have taken long
	from, err := c.sum(ctx, c.from)
	if err != nil {
		return err
	}
	to, err := c.sum(ctx, c.to)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.out, "source:      %d records, %d bytes, digest %016x%016x\n", from.records, from.bytes, from.high, from.low)
	fmt.Fprintf(c.out, "destination: %d records, %d bytes, digest %016x%016x\n", to.records, to.bytes, to.high, to.low)
	if from != to {
		return errors.New("the two differ, so the destination is not finished; is the service stopped? Then run this again")
	}
	if err := c.to.Commit(ctx, store.Delete(mark)); err != nil {
		return err
	}
	fmt.Fprintln(c.out, "the two are the same: the service can be started on the destination")
	return nil
}
