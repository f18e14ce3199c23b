package main

import (
	"crypto/sha256"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/store"
)

// apiKeys check one key again and again; its use is counted and written meanwhile.
func apiKeys(f *fixture) []*subject {
	const floor = "one SHA-256 of its length"
	var all []*subject
	add := func(name string, s store.Store) *subject {
		h := f.manager(s, auth.Config{})
		key := h.Register().APIKey()
		if all == nil {
			text := []byte(key)
			var sum [sha256.Size]byte
			all = append(all, each(floor, func() error { sum = sha256.Sum256(text); return nil }))
			_ = sum
		}
		check := each(name, func() error { _, err := h.VerifyAPIKey(client, auth.Secret(key)); return err })
		all = append(all, check.reaches(floor, atMost(4).withAllocs(0)))
		return check
	}
	add("memory", f.onMemory())
	add("bbolt", f.onBolt())
	add("Redis, MaxLag 20 ms", f.onRedisWith(maxLag)).waiting()
	return all
}
