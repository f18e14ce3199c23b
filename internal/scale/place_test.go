//go:build scale && linux

package scale

import (
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.etcd.io/bbolt"

	"github.com/datixlab/auth/internal/redistest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/boltstore"
	"github.com/datixlab/auth/store/redisstore"
)

// A place is where a store is.
type place struct {
	kind    string
	at      string // a path, or the address of a server
	writers int    // how many Commits are under way at once while it is filled
	redis   *redistest.Server
}

func (p *place) open(t *testing.T) store.Store {
	t.Helper()
	s, err := open(p.kind, p.at, time.Now)
	must(t, err)
	return s
}

func open(kind, at string, now func() time.Time) (store.Stamper, error) {
	if kind == "redis" {
		return redisstore.OpenOrCreate(ever, redis.UniversalOptions{
			Addrs: []string{at}, PoolSize: 32, ReadTimeout: time.Minute, PoolTimeout: time.Minute, // the machine is busy
		}, redisstore.Options{Prefix: "auth:", Logger: quiet})
	}
	return boltstore.OpenOrCreate(at, boltstore.Options{Now: now, Logger: quiet})
}

// size returns how many bytes a store that is closed takes, and how many without
// those that it will use again.
func (p *place) size(t *testing.T) (all, used int64) {
	t.Helper()
	if p.kind == "redis" {
		n, err := strconv.ParseInt(p.redis.Field("memory", "used_memory_rss"), 10, 64)
		must(t, err)
		m, err := strconv.ParseInt(p.redis.Field("memory", "used_memory"), 10, 64)
		must(t, err)
		return n, m
	}
	info, err := os.Stat(p.at)
	must(t, err)
	db, err := bbolt.Open(p.at, 0o600, &bbolt.Options{ReadOnly: true, PreLoadFreelist: true})
	must(t, err)
	defer db.Close()
	must(t, db.View(func(tx *bbolt.Tx) error {
		s := db.Stats()
		used = tx.Size() - int64(s.FreePageN+s.PendingPageN)*int64(db.Info().PageSize)
		return nil
	}))
	return info.Size(), used
}

// forget makes the kernel drop the pages of the file from its cache. No process may
// have it mapped.
func forget(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Sync(); err != nil { // what is not written yet would stay
		return err
	}
	const dontNeed = 4 // POSIX_FADV_DONTNEED
	if _, _, errno := syscall.Syscall6(syscall.SYS_FADVISE64, f.Fd(), 0, 0, dontNeed, 0, 0); errno != 0 {
		return errno
	}
	return nil
}
