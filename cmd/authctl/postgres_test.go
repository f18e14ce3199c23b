package main

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/internal/pgtest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/pgstore"
)

func TestAMigrationMakesTheSchemaThatAServiceOpens(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	server := pgtest.Shared(t)
	at := server.URLOf(server.NewDatabase(""))
	config, err := pgstore.ParseURL(at)
	if err != nil {
		t.Fatal(err)
	}
	const schema = "of_operators"
	open := func() (*pgstore.Store, error) {
		return pgstore.Open(t.Context(), config, pgstore.Options{Schema: schema, Logger: slog.New(slog.DiscardHandler)})
	}
	if s, err := open(); err == nil {
		t.Fatalf("before the migration it opens: %v", s.Close())
	}
	file := filepath.Join(t.TempDir(), "url")
	if err := os.WriteFile(file, []byte(at+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time there is nothing left to do
		r := runWith(t, 0, environment{}, "migrate", "-store-file", file, "-postgres-schema", schema)
		if !strings.Contains(r.stdout, "the schema "+schema+" is ready for this program") {
			t.Errorf("it says %q", r.stdout)
		}
	}
	if got, want := runWith(t, 0, environment{store: auth.Secret(at)}, "migrate", "-json").stdout, `{"schema":"`+pgstore.DefaultSchema+`","store":"postgres"}`+"\n"; got != want {
		t.Errorf("it says %q, want %q", got, want)
	}
	s, err := open()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// sqlOnThePage returns the blocks of SQL of docs/postgres.md.
func sqlOnThePage(t *testing.T) (blocks []string) {
	t.Helper()
	page, err := os.ReadFile("../../docs/postgres.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, after := range strings.Split(string(page), "\n```sql\n")[1:] {
		block, _, _ := strings.Cut(after, "\n```")
		blocks = append(blocks, block)
	}
	return blocks
}

func TestTheDocumentedPrivilegesAreEnoughAndMakeNoTables(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	server := pgtest.Shared(t)
	database := server.NewDatabase("")
	server.Exec("DROP DATABASE " + database) // its name is free for the one on the page
	owner, role := database+"_owner", database+"_service"
	own := strings.NewReplacer("auth_owner", owner, "auth_service", role, "DATABASE auth", "DATABASE "+database, "…", string(password))
	blocks := sqlOnThePage(t)
	if len(blocks) != 2 {
		t.Fatalf("the page has %d blocks of SQL", len(blocks))
	}
	for statement := range strings.Lines(blocks[0]) {
		server.Exec(own.Replace(statement))
	}
	server.In(database).Exec("SET SESSION AUTHORIZATION " + owner + "; " + own.Replace(blocks[1]))
	as := func(role string) environment {
		at, err := url.Parse(server.URLOf(database))
		if err != nil {
			t.Fatal(err)
		}
		at.User = url.UserPassword(role, string(password))
		return environment{store: auth.Secret(at.String())}
	}

	if r := runWith(t, 1, as(role), "migrate"); !strings.Contains(r.stderr, "permission denied") || !strings.Contains(r.stderr, "let its owner do that: authctl migrate") {
		t.Errorf("the service can make tables, or is not told who can: %q", r.stderr)
	}
	runWith(t, 0, as(owner), "migrate")
	config, err := pgstore.ParseURL(string(as(role).store))
	if err != nil {
		t.Fatal(err)
	}
	s, err := pgstore.OpenOrCreate(t.Context(), config, pgstore.Options{Logger: slog.New(slog.DiscardHandler), MaxLag: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := errors.Join(
		s.Commit(t.Context(), store.Put("a/1", nil), store.Put("a/2", nil)),
		s.Commit(t.Context(), store.Delete("a/1"), store.Put("a/2", []byte("x"))),
	); err != nil {
		t.Error(err)
	}
	for _, n := range []int{1, 1, -1, -1} { // the last one leaves no counter
		if _, err := s.Hit(t.Context(), "a/hits", store.Limit{Burst: 3, Every: time.Hour}, n, time.Now()); err != nil {
			t.Error(err)
		}
	}
	if page, err := s.Walk(t.Context(), ""); err != nil || len(page.Records) != 1 {
		t.Errorf("%d records, %v", len(page.Records), err)
	}
}

func TestOtherStoresHaveNothingToMigrate(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, spec := range []string{"memory", "bolt:auth.db", "redis://127.0.0.1:1"} {
		if got := runWith(t, 0, environment{}, "migrate", "-store", spec).stdout; !strings.Contains(got, "there is nothing to migrate") {
			t.Errorf("%s: it says %q", spec, got)
		}
	}
	if made, err := os.ReadDir("."); err != nil || len(made) > 0 {
		t.Errorf("it made %v (%v)", made, err)
	}
}

func TestAPostgreSQLIsOpenedWhileItsServiceRuns(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	server := pgtest.Shared(t)
	at := server.URLOf(server.NewDatabase(""))
	config, err := pgstore.ParseURL(at)
	if err != nil {
		t.Fatal(err)
	}
	records, err := pgstore.OpenOrCreate(t.Context(), config, pgstore.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer records.Close()
	m, err := auth.New(records, auth.Config{
		Secrets: []auth.Secret{testSecret}, InsecureCheapHashing: true, PasswordHash: auth.HashParams{Memory: 8, Time: 1, Threads: 1},
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	ctx := t.Context()
	if _, err := m.Register(ctx, auth.Registration{Email: "ada@example.com", Password: password, FullName: "Ada"}); err != nil {
		t.Fatal(err)
	}
	login, err := m.Login(ctx, "ada@example.com", password)
	if err != nil {
		t.Fatal(err)
	}
	env := environment{store: auth.Secret(at), secret: testSecret}
	t.Chdir(t.TempDir())
	runWith(t, 0, env, "users", "revoke", "ada@example.com", "-yes")
	if _, err := m.VerifyAccessToken(ctx, login.AccessToken.Token); err == nil {
		t.Error("the service accepts what the command has revoked")
	}

	var said struct{ Checks []check }
	r := runWith(t, 1, env, "doctor", "-json") // there is no Mailer
	if err := json.Unmarshal([]byte(r.stdout), &said); err != nil {
		t.Fatalf("%q: %v", r.stdout, err)
	}
	isNamed := false
	for _, c := range said.Checks {
		isNamed = isNamed || strings.Contains(c.Detail, "postgres")
		if c.Status == "fail" {
			t.Errorf("%+v", c)
		}
	}
	if !isNamed {
		t.Errorf("it says nothing of a PostgreSQL: %+v", said.Checks)
	}
}
