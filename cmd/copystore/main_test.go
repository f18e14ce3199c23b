//go:build !race

package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9/logging"
	"go.etcd.io/bbolt"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/internal/openstore"
	"github.com/datixlab/auth/internal/pgtest"
	"github.com/datixlab/auth/internal/redistest"
	"github.com/datixlab/auth/internal/secretfile"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/boltstore"
	"github.com/datixlab/auth/store/pgstore"
)

const (
	secret   auth.Secret = "a root secret that only tests use: 0123456789"
	password auth.Secret = "a passphrase nobody else has"

	// arguments, in the environment, makes the test binary the program.
	arguments = "COPYSTORE_TEST_ARGUMENTS"
)

func TestMain(m *testing.M) {
	logging.Disable()
	if args := os.Getenv(arguments); args != "" {
		os.Exit(run(context.Background(), strings.Split(args, "\n"), os.Stdout, os.Stderr))
	}
	os.Exit(pgtest.Main(m.Run))
}

// copystore runs the program here and returns what it says.
func copystore(t *testing.T, want int, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	if exit := run(t.Context(), args, &out, &out); exit != want {
		t.Fatalf("copystore %q: exit status %d, want %d:\n%s", args, exit, want, &out)
	}
	return out.String()
}

func newManager(t *testing.T, s store.Store) *auth.Manager {
	t.Helper()
	m, err := auth.New(s, auth.Config{
		Secrets: []auth.Secret{secret}, InsecureCheapHashing: true,
		PasswordHash: auth.HashParams{Memory: 8, Time: 1, Threads: 1},
		Limits:       auth.Limits{LoginByAccountAddress: store.Limit{Burst: 3, Every: time.Hour}},
		Logger:       slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// A tenant is a user with everything that a service keeps, who notices if any of it
// is lost on the way.
type tenant struct {
	id         auth.Identity
	email      string
	token, key auth.Secret
	totp       auth.Secret
	backup     []auth.Secret
	revoked    auth.Secret // a key that must stay dead
}

func must[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func newTenant(t *testing.T, m *auth.Manager, n int) *tenant {
	t.Helper()
	ctx := t.Context()
	p := &tenant{email: fmt.Sprintf("tenant%d@example.com", n)}
	_, err := m.Register(ctx, auth.Registration{Email: p.email, Password: password, FullName: "Ada"})
	if err != nil {
		t.Fatal(err)
	}
	p.token = must[auth.LoginResult](t)(m.Login(ctx, p.email, password)).AccessToken.Token
	p.id = must[auth.Identity](t)(m.VerifyAccessToken(ctx, p.token))
	enrolment := must[auth.TwoFactorEnrollment](t)(m.EnableTwoFactor(ctx, p.id, ""))
	p.totp, p.backup = enrolment.Secret, enrolment.BackupCodes
	if err := m.ConfirmTwoFactor(ctx, p.id, auth.Secret(authtest.TOTPCode(p.totp, time.Now()))); err != nil {
		t.Fatal(err)
	}
	_, p.key, err = m.CreateAPIKey(ctx, p.id, auth.NewAPIKey{Name: "kept"})
	if err != nil {
		t.Fatal(err)
	}
	dead, text, err := m.CreateAPIKey(ctx, p.id, auth.NewAPIKey{Name: "dead"})
	if err != nil {
		t.Fatal(err)
	}
	if p.revoked = text; m.RevokeAPIKey(ctx, p.id, dead.ID) != nil {
		t.Fatal("revoke")
	}
	return p
}

// check fails the test unless everything of the tenant is as it was.
func (p *tenant) check(t *testing.T, m *auth.Manager) {
	t.Helper()
	ctx := t.Context()
	if id, err := m.VerifyAccessToken(ctx, p.token); err != nil || id.User.ID != p.id.User.ID || !id.User.TwoFactorEnabled {
		t.Errorf("%s: the session: %v", p.email, err)
	}
	if id, err := m.VerifyAPIKey(ctx, p.key); err != nil || id.User.ID != p.id.User.ID {
		t.Errorf("%s: the key: %v", p.email, err)
	}
	if _, err := m.VerifyAPIKey(ctx, p.revoked); err == nil {
		t.Errorf("%s: a revoked key works", p.email)
	}
	half := must[auth.LoginResult](t)(m.Login(ctx, p.email, password))
	if _, err := m.VerifyTwoFactor(ctx, half.TempToken, p.backup[0]); err != nil {
		t.Errorf("%s: the backup code: %v", p.email, err)
	}
	p.backup = p.backup[1:]
	if _, err := m.Register(ctx, auth.Registration{Email: p.email, Password: password, FullName: "Eve"}); err == nil {
		t.Errorf("%s can be registered again", p.email)
	}
	if _, err := m.Refresh(ctx, p.token); err != nil {
		t.Errorf("%s: refresh: %v", p.email, err)
	}
}

// fill puts records into s that no test reads, so that a copy takes more than a page.
func fill(t *testing.T, s store.Store, n int) {
	t.Helper()
	var partitions []int
	for i := range n / 5 {
		partitions = append(partitions, i)
	}
	err := forEach(t.Context(), partitions, func(ctx context.Context, i int) error {
		ops := make([]store.Op, 5)
		for j := range ops {
			ops[j] = store.Put(fmt.Sprintf("fill%d/%d", i, j), bytes.Repeat([]byte{byte(j)}, 200))
		}
		return s.Commit(ctx, ops...)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// with opens a store as the program does, for as long as use runs.
func with(t *testing.T, spec string, use func(s store.Walker)) {
	t.Helper()
	withFlags(t, openstore.Flags{Side: "to", Spec: &spec}, use)
}

func withFlags(t *testing.T, f openstore.Flags, use func(s store.Walker)) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	p, err := f.Place("", secretfile.Rules{Logger: log}, log)
	if err != nil {
		t.Fatal(err)
	}
	s, err := p.OpenOrCreate(t.Context(), log)
	if err != nil {
		t.Fatal(err)
	}
	use(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func serve(t *testing.T, s store.Store, f func(m *auth.Manager)) {
	t.Helper()
	m := newManager(t, s)
	f(m)
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
}

func bolt(t *testing.T) string { return "bolt:" + filepath.Join(t.TempDir(), "auth.db") }

func redis(t *testing.T) string { return "redis://" + redistest.Start(t).Addr() }

// postgres makes a database.
func postgres(t *testing.T) string {
	t.Helper()
	server := pgtest.Shared(t)
	return server.URLOf(server.NewDatabase(""))
}

// each runs test with every kind of store as the source and as the destination.
func each(t *testing.T, test func(t *testing.T, from, to string)) {
	t.Run("bolt to bolt", func(t *testing.T) { test(t, bolt(t), bolt(t)) })
	if redistest.Available(t) {
		t.Run("bolt to Redis", func(t *testing.T) { test(t, bolt(t), redis(t)) })
		t.Run("Redis to bolt", func(t *testing.T) { test(t, redis(t), bolt(t)) })
	}
	if pgtest.Available(t) {
		t.Run("bolt to PostgreSQL", func(t *testing.T) { test(t, bolt(t), postgres(t)) })
		t.Run("PostgreSQL to bolt", func(t *testing.T) { test(t, postgres(t), bolt(t)) })
	}
}

func TestAServiceGoesOnInTheOtherStoreAsIfNothingHadHappened(t *testing.T) {
	each(t, moves)
	if redistest.Available(t) {
		t.Run("cluster to bolt", func(t *testing.T) {
			moves(t, "redis-cluster://"+redistest.StartCluster(t).Addrs()[0], bolt(t))
		})
	}
	if redistest.Available(t) && pgtest.Available(t) {
		t.Run("Redis to PostgreSQL", func(t *testing.T) { moves(t, redis(t), postgres(t)) })
		t.Run("PostgreSQL to Redis", func(t *testing.T) { moves(t, postgres(t), redis(t)) })
	}
}

func moves(t *testing.T, from, to string) {
	var tenants []*tenant
	stranger := "stranger@example.com"
	with(t, from, func(s store.Walker) {
		fill(t, s, 2500)
		serve(t, s, func(m *auth.Manager) {
			for n := range 3 {
				tenants = append(tenants, newTenant(t, m, n))
			}
			for range 3 {
				_, _ = m.Login(t.Context(), stranger, "wrong")
			}
		})
	})
	copystore(t, 0, "-from", from, "-to", to)
	with(t, from, func(s store.Walker) { // the service went on meanwhile
		if err := s.Commit(t.Context(), store.Delete("fill0/1"), store.Put("fill0/2", nil)); err != nil {
			t.Fatal(err)
		}
		serve(t, s, func(m *auth.Manager) {
			tenants = append(tenants, newTenant(t, m, 3))
			if err := m.Logout(t.Context(), newTenant(t, m, 4).id); err != nil {
				t.Fatal(err)
			}
		})
	})
	out := copystore(t, 0, "-final", "-from", from, "-to", to)
	sums := regexp.MustCompile(`(?m)^(?:source|destination): +(\d+ records, \d+ bytes, digest \w+)$`).FindAllStringSubmatch(out, -1)
	if len(sums) != 2 || sums[0][1] != sums[1][1] || !strings.Contains(out, "1 removed") {
		t.Errorf("it says\n%s", out)
	}
	with(t, to, func(s store.Walker) {
		serve(t, s, func(m *auth.Manager) {
			if _, err := m.Login(t.Context(), stranger, "wrong"); err == nil || !strings.Contains(err.Error(), "too many") {
				t.Errorf("after a copy a guesser has new attempts: %v", err)
			}
			for _, p := range tenants {
				p.check(t, m)
			}
		})
	})
	if out := copystore(t, 1, "-from", from, "-to", to); !strings.Contains(out, "not of an unfinished copy") {
		t.Errorf("it would overwrite a finished copy: %s", out)
	}
}

func TestTheNextRunCompletesACopyThatWasKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("not with -short: it starts processes")
	}
	each(t, func(t *testing.T, from, to string) {
		with(t, from, func(s store.Walker) { fill(t, s, 6_000) })
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), arguments+"="+strings.Join([]string{"-from", from, "-to", to}, "\n"))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var once sync.Once
		said, err := io.ReadAll(io.TeeReader(out, writer(func() { once.Do(func() { _ = cmd.Process.Kill() }) })))
		if err != nil || cmd.Wait() == nil || strings.Contains(string(said), "copied:") {
			t.Fatalf("it was not killed in the middle: %v\n%s", err, said)
		}
		again := copystore(t, 0, "-from", from, "-to", to)
		written := regexp.MustCompile(`copied: 6000 records read, (\d+) written, 0 removed`).FindStringSubmatch(again)
		if written == nil || written[1] == "6000" || written[1] == "0" {
			t.Errorf("the next run says\n%s", again)
		}
		if out := copystore(t, 0, "-final", "-from", from, "-to", to); !strings.Contains(out, " 0 written, 0 removed") {
			t.Errorf("the last run says\n%s", out)
		}
	})
}

type writer func()

func (w writer) Write(b []byte) (int, error) { w(); return len(b), nil }

// A destination that is not the same is never finished.
func TestAnUnfinishedCopyIsNoSource(t *testing.T) {
	from, half, to := bolt(t), bolt(t), bolt(t)
	with(t, from, func(s store.Walker) { fill(t, s, 10) })
	copystore(t, 0, "-from", from, "-to", half)
	if said := copystore(t, 1, "-from", half, "-to", to, "-final"); !strings.Contains(said, "unfinished") {
		t.Errorf("it says %q", said)
	}
	copystore(t, 0, "-from", from, "-to", half, "-final")
	copystore(t, 0, "-from", half, "-to", to, "-final")
}

func TestWhatDiffersIsFound(t *testing.T) {
	from, to := bolt(t), bolt(t)
	with(t, from, func(s store.Walker) { fill(t, s, 100) })
	for what, op := range map[string]store.Op{
		"a value":        store.Put("fill0/1", []byte("other")),
		"an expiry":      store.Put("fill0/1", bytes.Repeat([]byte{1}, 200)).Until(time.Now().Add(48 * time.Hour)),
		"a record less":  store.Delete("fill0/1"),
		"another record": store.Put("fill0/other", nil),
	} {
		with(t, to, func(s store.Walker) {
			with(t, from, func(source store.Walker) {
				c := newCopier(source, s, io.Discard)
				if err := c.begin(t.Context()); err != nil {
					t.Fatal(err)
				}
				if err := c.copy(t.Context()); err != nil {
					t.Fatal(err)
				}
				before, err := s.Get(t.Context(), "fill0/1")
				if err != nil {
					t.Fatal(err)
				}
				if err := s.Commit(t.Context(), op); err != nil {
					t.Fatal(err)
				}
				if err := c.finish(t.Context()); err == nil || !strings.Contains(err.Error(), "differ") {
					t.Errorf("%s: %v", what, err)
				}
				if err := s.Commit(t.Context(), store.Put("fill0/1", before[0])); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}

// A file of over 64 MiB is not checked when it is opened. In this one a branch has forgotten
// its last child, and a walk through it meets no error.
func TestADamagedFileIsNoSource(t *testing.T) {
	from := bolt(t)
	path := strings.TrimPrefix(from, "bolt:")
	with(t, from, func(s store.Walker) {
		for i := range 6 {
			ops := make([]store.Op, store.MaxOps)
			for j := range ops {
				ops[j] = store.Put(fmt.Sprintf("u/%d-%d", i, j), make([]byte, store.MaxValue))
			}
			if err := s.Commit(t.Context(), ops...); err != nil {
				t.Fatal(err)
			}
		}
	})
	forget(t, path)
	s, err := boltstore.Open(path, boltstore.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatalf("the test is of a file that opens: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"-final"}, nil} {
		if out := copystore(t, 1, append(args, "-from", from, "-to", bolt(t))...); !strings.Contains(out, "damaged") {
			t.Errorf("it says %q", out)
		}
	}
}

// forget removes the last child of a branch from a closed database.
func forget(t *testing.T, path string) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	branch := 0
	err = db.View(func(tx *bbolt.Tx) error {
		for id := 2; branch == 0; id++ {
			info, err := tx.Page(id)
			if err != nil || info == nil {
				return fmt.Errorf("no branch: %w", err)
			}
			if info.Type == "branch" && info.Count > 2 {
				branch = id
			}
		}
		return nil
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	count, at := make([]byte, 2), int64(branch*os.Getpagesize()+10)
	_, err = f.ReadAt(count, at)
	binary.NativeEndian.PutUint16(count, binary.NativeEndian.Uint16(count)-1)
	_, err2 := f.WriteAt(count, at)
	if err := errors.Join(err, err2, f.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestWhatCannotBeDoneIsOneClearLine(t *testing.T) {
	dir := t.TempDir()
	taken := filepath.Join(dir, "taken.db")
	s, err := boltstore.OpenOrCreate(taken, boltstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	file := func(text string) string { return specFile(t, text) }
	forOthers := file("redis://u:hunter2@127.0.0.1:1")
	if err := os.Chmod(forOthers, 0o604); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		exit int
		says string
	}{
		{nil, 2, "needs -from or -from-file"},
		{[]string{"-from", "bolt:a", "-to", "bolt:a"}, 2, "two stores"},
		{[]string{"-from", "bolt:a", "-to-file", file("bolt:a\n")}, 2, "two stores"},
		{[]string{"-from", "bolt:a", "-to", "bolt:b", "c"}, 2, "no argument"},
		{[]string{"-from", "bolt:a", "-from-file", "a", "-to", "bolt:b"}, 2, "needs -from or -from-file"},
		{[]string{"-from", "bolt:a", "-to", "bolt:b", "-to-file", "a"}, 2, "-to or -to-file"},
		{[]string{"-from", "bolt:a", "-to-file", ""}, 2, "-to or -to-file"},
		{[]string{"-from-file", dir + "/none", "-to", "bolt:b"}, 1, "-from-file: stat"},
		{[]string{"-from", "bolt:a", "-to-file", forOthers}, 1, "chmod 600"},
		{[]string{"-from-file", file("redis://u:hunter2@["), "-to", "bolt:b"}, 1, "malformed URL"},
		{[]string{"-from-file", file("redis://u:hunter2@127.0.0.1:1\n"), "-to", "bolt:b"}, 1, "connection refused"},
		{[]string{"-from", "bolt:" + taken, "-to", "bolt:b"}, 1, "in use"},
		{[]string{"-from", "bolt:" + dir + "/none.db", "-to", "bolt:b"}, 1, "does not exist"},
		{[]string{"-from", "memory", "-to", "bolt:b"}, 1, "-from: a store in memory is in its process"},
		{[]string{"-from", "hunter2:a", "-to", "bolt:b"}, 1, "-from: unknown store"},
		{[]string{"-from", "bolt:", "-to", "bolt:b"}, 1, "-from: bolt: needs a path"},
		{[]string{"-from", "bolt:a", "-from-prefix", "a:", "-to", "bolt:b"}, 1, "-from-prefix is for a Redis"},
		{[]string{"-from", "bolt:a", "-to-prefix", "a:", "-to", "bolt:b"}, 1, "-to-prefix is for a Redis"},
		{[]string{"-from", "bolt:a", "-from-schema", "a", "-to", "bolt:b"}, 1, "-from-schema is for a PostgreSQL"},
		{[]string{"-from", "postgres://a", "-to", "postgres://a", "-to-schema", pgstore.DefaultSchema}, 2, "two stores"},
		{[]string{"-from", "postgres://u:hunter2@[", "-to", "bolt:b"}, 1, "-from: pgstore: "},
		{[]string{"-from", "postgres://u:hunter2@127.0.0.1:1", "-to", "bolt:b"}, 1, "connection refused"},
		{[]string{"-from", "redis://a", "-to", "redis://a", "-to-prefix", "auth:"}, 2, "two stores"},
		{[]string{"-from", "unix:///none/redis.sock", "-to", "bolt:b"}, 1, "no such file"},
		{[]string{"-from", "bolt:" + taken, "-to", "bolt:b", "-lock-wait", "-1s"}, 1, "LockWait"},
		{[]string{"-from", "redis://u:hunter2@[", "-to", "bolt:b"}, 1, "malformed URL"},
		{[]string{"-from", "redis://u:hunter2@127.0.0.1:1", "-to", "bolt:b"}, 1, "connection refused"},
	} {
		out := copystore(t, c.exit, c.args...)
		if !strings.Contains(out, c.says) || strings.Contains(out, "hunter2") {
			t.Errorf("%q: it says %q", c.args, out)
		}
	}
}

// Two services share a Redis, or one moves to another prefix on it.
func TestRecordsAreCopiedFromOnePrefixToAnother(t *testing.T) {
	if !redistest.Available(t) {
		return
	}
	server := redis(t)
	copiesWithin(t, server, "prefix", openstore.DefaultPrefix, func(prefix string) openstore.Flags {
		return openstore.Flags{Spec: &server, Prefix: &prefix}
	})
}

func TestRecordsAreCopiedFromOneSchemaToAnother(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	database := postgres(t)
	copiesWithin(t, database, "schema", pgstore.DefaultSchema, func(schema string) openstore.Flags {
		return openstore.Flags{Spec: &database, Schema: &schema}
	})
}

// copiesWithin copies from one room of a store to another, and from there to a file. The flags -from-
// and -to- with this name say which room, or else it is the usual one.
func copiesWithin(t *testing.T, spec, flag, usual string, room func(name string) openstore.Flags) {
	withFlags(t, room("one"), func(s store.Walker) { fill(t, s, 15) })
	with(t, spec, func(s store.Walker) { fill(t, s, 35) })
	copystore(t, 0, "-from", spec, "-from-"+flag, "one", "-to", spec, "-to-"+flag, "two", "-final")
	file := bolt(t)
	copystore(t, 0, "-from", spec, "-from-"+flag, "two", "-to", file, "-final")
	for name, want := range map[string]int{"one": 15, usual: 35, "two": 15} {
		withFlags(t, room(name), func(s store.Walker) {
			if n := recordsIn(t, s); n != want {
				t.Errorf("%s has %d records, want %d", name, n, want)
			}
		})
	}
	with(t, file, func(s store.Walker) {
		if n := recordsIn(t, s); n != 15 {
			t.Errorf("the file has %d records", n)
		}
	})
}

func recordsIn(t *testing.T, s store.Walker) (n int) {
	t.Helper()
	if err := walk(t.Context(), s, func(p store.Page) error { n += len(p.Records); return nil }); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestAFileThatOthersMayReadIsCopiedOnlyInsecurely(t *testing.T) {
	from, to := bolt(t), bolt(t)
	with(t, from, func(s store.Walker) { fill(t, s, 3) })
	if err := os.Chmod(strings.TrimPrefix(from, "bolt:"), 0o644); err != nil {
		t.Fatal(err)
	}
	if out := copystore(t, 1, "-from", from, "-to", to); !strings.Contains(out, "-insecure-file-mode") {
		t.Errorf("it says %q", out)
	}
	if out := copystore(t, 0, "-from", from, "-to", to, "-insecure-file-mode", "-final"); strings.Count(out, "level=WARN") != 1 {
		t.Errorf("it says %q", out)
	}
}

// specFile makes a file for -from-file or -to-file.
func specFile(t *testing.T, text string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "store")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestThePasswordOfAStoreNeedsNoCommandLine(t *testing.T) {
	from, to := bolt(t), bolt(t)
	with(t, from, func(s store.Walker) { fill(t, s, 3) })
	copystore(t, 0, "-from-file", specFile(t, from+"\n"), "-to-file", specFile(t, to+"\r\n"), "-final")
	copystore(t, 0, "-from", from, "-to-file", specFile(t, to), "-final")

	const url, warning = "redis://u:hunter2@127.0.0.1:1", "on the command line"
	for _, c := range []struct {
		args  []string
		warns int
	}{
		{[]string{"-from", url, "-to", "bolt:b"}, 1},
		{[]string{"-from", bolt(t), "-to", url}, 1},
		{[]string{"-from", url, "-to", "redis-sentinel://127.0.0.1:1?master_name=m&sentinel_password=hunter2"}, 2},
		{[]string{"-from-file", specFile(t, url), "-to", "bolt:b"}, 0},
		{[]string{"-from", "postgres://u:hunter2@127.0.0.1:1/auth", "-to", "bolt:b"}, 1},
		{[]string{"-from-file", specFile(t, "postgres://u:hunter2@127.0.0.1:1/auth"), "-to", "bolt:b"}, 0},
		{[]string{"-from", "redis://127.0.0.1:1", "-to", "bolt:b"}, 0},
	} {
		out := copystore(t, 1, c.args...)
		if strings.Count(out, warning) != c.warns || strings.Contains(out, "hunter2") {
			t.Errorf("%q: it says %q", c.args, out)
		}
	}
}
