package redisstore

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/datixlab/auth/store"
)

var _ store.Examiner = (*Store)(nil)

// Examine implements store.Examiner. It asks every master for its clock and for INFO: whether it
// evicts records, and keeps a file. Of several clocks it returns the one that differs most.
func (s *Store) Examine(ctx context.Context) (store.Examination, error) {
	if err := s.enter(ctx); err != nil {
		return store.Examination{}, err
	}
	defer s.calls.RUnlock()
	masters, err := s.masters(ctx)
	if err != nil {
		return store.Examination{}, err
	}
	found := store.Examination{Kind: fmt.Sprintf("redis, masters: %d", len(masters))}
	for _, c := range masters {
		if err := examineMaster(ctx, c, &found); err != nil {
			return store.Examination{}, describe(ctx, err)
		}
	}
	return found, nil
}

func examineMaster(ctx context.Context, c *redis.Client, found *store.Examination) error {
	server := c.Options().Addr
	warn := func(text string) { found.Warnings = append(found.Warnings, server+": "+text+".") }
	there, err := c.Time(ctx).Result()
	switch {
	case unavailable(err):
		warn("TIME is not available, so whether its clock agrees is not known")
	case err != nil:
		return err
	case found.Time.IsZero() || time.Until(there).Abs() > time.Until(found.Time).Abs():
		found.Time = there
	}
	text, err := c.Info(ctx).Result()
	if unavailable(err) {
		warn("INFO is not available, so whether it evicts records and keeps a file is not known")
		return nil
	}
	if err != nil {
		return err
	}
	info := fields(text)
	if policy := info["maxmemory_policy"]; policy != "noeviction" && policy != "" {
		warn("with maxmemory-policy " + policy + " it drops records when its memory is full; set it to noeviction")
	}
	if info["aof_enabled"] == "0" {
		warn("it keeps no append-only file, and forgets what its last snapshot does not hold when it stops")
	}
	return nil
}
