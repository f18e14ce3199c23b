//go:build scale && linux

package scale

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.etcd.io/bbolt"

	"github.com/datixlab/auth/internal/pgtest"
	"github.com/datixlab/auth/internal/redistest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/boltstore"
	"github.com/datixlab/auth/store/pgstore"
	"github.com/datixlab/auth/store/redisstore"
)

// writersOnPostgres is how many connections a store on PostgreSQL has.
const writersOnPostgres = 64

// A place is where a store is.
type place struct {
	kind     string
	at       string // a path, or the address of a server
	writers  int    // how many Commits are under way at once while it is filled
	redis    *redistest.Server
	postgres *pgtest.Server
}

func (p *place) open(t *testing.T) store.Store {
	t.Helper()
	s, err := open(p.kind, p.at, time.Now)
	must(t, err)
	return s
}

func open(kind, at string, now func() time.Time) (store.Stamper, error) {
	switch kind {
	case "postgres":
		config, err := pgstore.ParseURL(at)
		if err != nil {
			return nil, err
		}
		config.MaxConns = writersOnPostgres
		return pgstore.OpenOrCreate(ever, config, pgstore.Options{Logger: quiet})
	case "redis":
		return redisstore.OpenOrCreate(ever, redis.UniversalOptions{
			Addrs: []string{at}, PoolSize: 32, ReadTimeout: time.Minute, PoolTimeout: time.Minute, // the machine is busy
		}, redisstore.Options{Prefix: "auth:", Logger: quiet})
	}
	return boltstore.OpenOrCreate(at, boltstore.Options{Now: now, Logger: quiet})
}

// size returns how many bytes a store that is closed takes, and how many without
// those that it will use again. Of PostgreSQL, used is what the records take.
func (p *place) size(t *testing.T) (all, used int64) {
	t.Helper()
	switch p.kind {
	case "postgres":
		p.postgres.Exec("VACUUM ANALYZE")
		for _, r := range p.relations(t) {
			all += r.Table + r.Indexes
			if r.Name == "records" {
				used = r.Table + r.Indexes
			}
		}
		return all, used
	case "redis":
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

// waitForDisk says whether the server waits for its disk. While it is filled it need not.
func (p *place) waitForDisk(wait bool) {
	if p.postgres != nil {
		p.postgres.Exec(fmt.Sprintf("ALTER SYSTEM SET fsync = %v", wait))
		p.postgres.Exec("SELECT pg_reload_conf()")
	}
}

// A relation is a table of PostgreSQL, with the bytes that it takes.
type relation struct {
	Name           string
	Table, Indexes int64
}

// relations returns the tables of the store.
func (p *place) relations(t *testing.T) (all []relation) {
	t.Helper()
	text := p.postgres.Query(`SELECT json_agg(json_build_object('Name', relname, 'Table', pg_table_size(relid), 'Indexes', pg_indexes_size(relid))
		ORDER BY relname) FROM pg_stat_user_tables WHERE schemaname = 'auth_store' AND relname IN ('records', 'counters', 'changes')`)
	must(t, json.Unmarshal([]byte(text), &all))
	return all
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
