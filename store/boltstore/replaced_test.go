//go:build unix

package boltstore_test

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/boltstore"
)

// removals are the ways in which an open file is lost to the next start.
var removals = map[string]func(t *testing.T, path string){
	"a backup is moved over it": func(t *testing.T, path string) {
		backup := newPath(t)
		must(t, mustOpen(t, backup, boltstore.Options{}).Close())
		must(t, os.Rename(backup, path))
	},
	"it is removed": func(t *testing.T, path string) { must(t, os.Remove(path)) },
	"it is moved away and a new one made": func(t *testing.T, path string) {
		must(t, os.Rename(path, path+".old"))
		must(t, mustOpen(t, path, boltstore.Options{}).Close())
	},
	"its directory is moved away": func(t *testing.T, path string) {
		moved := filepath.Join(t.TempDir(), "moved")
		must(t, os.Rename(filepath.Dir(path), moved))
		t.Cleanup(func() { os.Rename(moved, filepath.Dir(path)) })
	},
	"a link that led to it leads elsewhere": func(t *testing.T, path string) {
		other := newPath(t)
		must(t, mustOpen(t, other, boltstore.Options{}).Close())
		must(t, os.Remove(path))
		must(t, os.Symlink(other, path))
	},
}

// openedAt opens a database with a record at path, through a link if the test is about
// one.
func openedAt(t *testing.T, path, how string, o boltstore.Options) *boltstore.Store {
	t.Helper()
	if strings.Contains(how, "link") {
		target := newPath(t)
		must(t, mustOpen(t, target, boltstore.Options{}).Close())
		must(t, os.Symlink(target, path))
	}
	s := mustOpen(t, path, o)
	must(t, s.Commit(ever, store.Put("u/a", []byte("acknowledged"))))
	return s
}

func TestNoCommitIsAcknowledgedThatTheNextStartWillNotSee(t *testing.T) {
	for how, lose := range removals {
		t.Run(how, func(t *testing.T) {
			path := newPath(t)
			var log bytes.Buffer
			s := openedAt(t, path, how, boltstore.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
			lose(t, path)
			for range 2 {
				if err := s.Commit(ever, store.Put("u/b", nil)); !errors.Is(err, boltstore.ErrReplaced) || !strings.Contains(err.Error(), path) {
					t.Errorf("a Commit: %v", err)
				}
			}
			if _, err := s.Hit(ever, "login/a", perHour, 1, start); !errors.Is(err, boltstore.ErrReplaced) {
				t.Errorf("a hit that the next start will not see: %v", err)
			}
			if err := s.Verify(ever); !errors.Is(err, boltstore.ErrReplaced) {
				t.Errorf("Verify: %v", err)
			}
			if v := get(t, s, "u/a"); string(v) != "acknowledged" {
				t.Errorf("a record that was there: %q", v)
			}
			rescued, f := create(t)
			if err := s.Backup(ever, f); !errors.Is(err, boltstore.ErrReplaced) {
				t.Errorf("Backup: %v", err)
			}
			must(t, f.Close())
			s.Close()
			if v := get(t, mustOpen(t, rescued, boltstore.Options{}), "u/a"); string(v) != "acknowledged" {
				t.Errorf("the rescued record is %q", v)
			}
			if n := strings.Count(log.String(), "level=ERROR"); n != 1 || !strings.Contains(log.String(), "replaced") {
				t.Errorf("it logged %q", &log)
			}
		})
	}
}

// Nobody may log in or out for hours, and no one may ask for a Verify.
func TestAFileThatIsLostBesideAnIdleStoreIsNoticedWithinASecond(t *testing.T) {
	for how, lose := range removals {
		t.Run(how, func(t *testing.T) {
			path := newPath(t)
			o := newClock().o()
			o.Logger = slog.New(slog.DiscardHandler)
			synctest.Test(t, func(t *testing.T) {
				s := openedAt(t, path, how, o)
				pass(time.Second)
				if _, err := s.Hit(ever, "login/a", perHour, 1, start); err != nil {
					t.Errorf("before it is lost: %v", err)
				}
				lose(t, path)
				pass(time.Second)
				if _, err := s.Hit(ever, "login/a", perHour, 1, start); !errors.Is(err, boltstore.ErrReplaced) {
					t.Errorf("a second later: %v", err)
				}
				s.Close()
			})
		})
	}
}

// What changes the file but not its place is none of this.
func TestAFileThatStaysInItsPlaceIsNotTakenForReplaced(t *testing.T) {
	path := newPath(t)
	t.Chdir(filepath.Dir(path))
	s := mustOpen(t, filepath.Base(path), boltstore.Options{})
	t.Chdir(t.TempDir())
	must(t, s.Commit(ever, store.Put("u/a", nil)))
	must(t, os.Link(path, path+".link"))
	must(t, os.Chtimes(path, start, start))
	must(t, s.Commit(ever, store.Put("u/b", nil)))
	must(t, os.Remove(path+".link"))
	must(t, s.Verify(ever))
	must(t, s.Close())
}
