package hitcount

import "slices"

// An Entry is one counter as it is written to disk. State is as of store.Limit.Apply.
// If it is 0 the counter is unused again, and what was written is to be deleted.
type Entry struct {
	Key   string
	State int64
}

// Track makes the Table note which counters change, for Dirty. Call it before the first
// Hit, and only if Dirty is called regularly: a changed counter is not dropped until it
// is drained.
func (t *Table) Track() {
	t.tracked = true
}

// Dirty returns up to limit counters that changed since they were last returned, as
// they are now. Fewer than limit means that there are no more at the moment. The Table
// then considers them written. A caller that fails to write them must keep them and try
// again before it calls Dirty again, since later entries of the same keys must win.
// Overflow counters have no key and are never returned; they are lost when the process
// ends.
func (t *Table) Dirty(limit int) []Entry {
	t.drainMu.Lock()
	defer t.drainMu.Unlock()

	var out []Entry
	for range shards {
		if len(out) >= limit {
			break
		}
		out = t.shards[t.drainAt].drain(out, limit-len(out))
		t.drainAt = (t.drainAt + 1) % shards // so a busy shard does not delay the others
	}
	return out
}

// Load puts a counter that was written back into the Table, and does not note it as a
// change. Its key must be one that store.ValidKey accepts. If its shard is full, it
// joins the overflow counter of its key. Call Load before the first Hit.
func (t *Table) Load(e Entry) {
	hash := t.hash(e.Key)
	s := t.shard(hash)
	s.lock()
	defer s.mu.Unlock()
	c := s.buckets.find(e.Key, hash)
	switch {
	case c != nil:
		c.state.Store(e.State)
	case e.State != 0 && s.add(e.Key, hash, e.State, 0) == nil:
		s.share(hash, max(s.shared(hash), e.State))
	}
}

// changed notes that the state of c has changed.
func (s *shard) changed(c *counter) {
	s.lock()
	defer s.mu.Unlock()
	s.mark(c)
}

// mark adds c to the dirty counters. One that is dead was reported when it was dropped.
func (s *shard) mark(c *counter) {
	if !c.dirty.Load() && c.state.Load() != dead {
		c.dirty.Store(true)
		s.dirty = append(s.dirty, c)
	}
}

func (s *shard) drain(out []Entry, limit int) []Entry {
	s.lock()
	defer s.mu.Unlock()
	n := min(limit, len(s.dirty))
	for _, c := range s.dirty[:n] {
		// In this order no change is lost: a hit changes the state and then looks
		// whether c is dirty. Either drain reads its change, or it finds c not dirty
		// and marks it again.
		c.dirty.Store(false)
		state := c.state.Load()
		out = append(out, Entry{c.key, state})
		if state == 0 {
			s.drop(c, 0)
		}
	}
	s.dirty = slices.Delete(s.dirty, 0, n)
	return out
}
