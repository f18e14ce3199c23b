package hitcount

import "time"

// Shards is how many parts Live reads a Table in.
const Shards = shards

// Live returns the counters of one shard, 0 to Shards-1, that are in use at now, as
// they are at one instant. Overflow counters have no key and are left out.
func (t *Table) Live(shard int, now time.Time) []Entry {
	s := &t.shards[shard]
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Entry
	for _, c := range s.slots {
		if c.key != "" && c.state > now.UnixNano() {
			out = append(out, Entry{c.key, c.state})
		}
	}
	return out
}
