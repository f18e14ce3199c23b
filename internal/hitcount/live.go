package hitcount

import "time"

// Shards is the number of parts in which Live reads a Table.
const Shards = shards

// Live returns the counters of one shard (0 to Shards-1) that are in use at now. Each
// is as it was at some instant of the call. Overflow counters have no key and are left
// out.
func (t *Table) Live(shard int, now time.Time) []Entry {
	s := &t.shards[shard]
	s.lock()
	defer s.mu.Unlock()
	var out []Entry
	for _, c := range s.counters {
		if state := c.state.Load(); state > now.UnixNano() {
			out = append(out, Entry{c.key, state})
		}
	}
	return out
}
