package memstore

import (
	"bytes"
	"container/heap"
	"sync"
	"time"

	"github.com/datixlab/auth/internal/stamps"
	"github.com/datixlab/auth/store"
)

// A shard holds the partitions whose names hash to it, under one lock.
type shard struct {
	mu         sync.RWMutex
	partitions map[string]partition // none is empty; nil once closed
	expiring   expiring
}

// get puts the store's own values into values. The bytes of a record are never changed
// in place, so the caller can copy them without the lock.
func (s *shard) get(name string, keys []string, values [][]byte) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.partitions == nil {
		return store.ErrClosed
	}
	p := s.partitions[name]
	for i, key := range keys {
		if r := p.find(key); r != nil {
			values[i] = r.value
		}
	}
	return nil
}

// list returns items with the store's own values, as get does.
func (s *shard) list(name, prefix, after string, limit int) ([]store.Item, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.partitions == nil {
		return nil, store.ErrClosed
	}
	page := s.partitions[name].page(prefix, after, limit)
	items := make([]store.Item, len(page))
	for i, r := range page {
		items[i] = store.Item{Key: r.key, Value: r.value}
	}
	return items, nil
}

func (s *shard) commit(name string, ops []store.Op) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.partitions == nil {
		return store.ErrClosed
	}
	p := s.partitions[name]
	for i := range ops {
		if !holds(&ops[i], p.find(ops[i].Key)) {
			return store.ErrConflict
		}
	}
	for i := range ops {
		switch op := &ops[i]; op.Write {
		case store.Set:
			s.expiring.set(p.insert(op.Key, clone(op.Value)), op.Expires)
		case store.Remove:
			if r := p.remove(op.Key); r != nil {
				s.expiring.set(r, time.Time{})
			}
		}
	}
	s.put(name, p)
	return nil
}

// collect drops some of the records that are past their expiry.
func (s *shard) collect(now time.Time, stamps *stamps.Table) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for range maxCollected {
		if len(s.expiring) == 0 || s.expiring[0].expires.After(now) {
			return
		}
		key := heap.Pop(&s.expiring).(*record).key
		name := store.Partition(key)
		stamps.Begin(name)
		p := s.partitions[name]
		p.remove(key)
		s.put(name, p)
		stamps.End(name)
	}
}

func (s *shard) put(name string, p partition) {
	if len(p) == 0 {
		delete(s.partitions, name)
		return
	}
	s.partitions[name] = p
}

func (s *shard) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.partitions, s.expiring = nil, nil
}

func holds(op *store.Op, r *record) bool {
	switch op.When {
	case store.IfAbsent:
		return r == nil
	case store.IfEqual:
		return r != nil && bytes.Equal(r.value, op.Old)
	}
	return true
}
