package auth

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/datixlab/auth/store"
)

// PW-9, LG-1: an account whose hash is none of ours, or is missing, is one that a wrong
// password was tried on, and it is logged.
func TestAMalformedHashIsAWrongPasswordAndIsLogged(t *testing.T) {
	const right = "correct horse battery"
	m, users, uids, _ := twoUsersWithFactor(t, time.Now)
	var log bytes.Buffer
	m.cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
	for _, hash := range []string{
		"", right, "$2x$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy",
		"$2b$31$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy", "pbkdf2_sha256$1$seasalt$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHApj8ArZWb2GRPPc",
		"$argon2id$v=19$m=8,t=0,p=1$c29tZXNhbHRzb21lc2FsdA$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHApj8ArZWb2GRPPc",
		"$argon2id$v=19$m=4294967295,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHApj8ArZWb2GRPPc",
		"$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$",
	} {
		pass := passwordRow(uids[0])
		pass.Rec.Hash = hash
		write := pass.Overwrite()
		if hash == "" { // an empty one is that of an account without a password, and no fault
			write = store.Delete(pass.Key)
		}
		if err := m.records.Commit(t.Context(), write); err != nil {
			t.Fatal(err)
		}
		log.Reset()
		for _, pw := range []Secret{right, ""} {
			if _, err := m.Login(t.Context(), users[0].Email, pw); err != ErrInvalidCredentials {
				t.Errorf("a hash %q: %v, want ErrInvalidCredentials", hash, err)
			}
		}
		if n := strings.Count(log.String(), "password hash is malformed"); n != 2 || strings.Contains(log.String(), right) || hash != "" && strings.Contains(log.String(), hash) {
			t.Errorf("a hash %q: the log is %q", hash, log.String())
		}
		if err := m.UnlockUser(t.Context(), users[0].ID); err != nil {
			t.Fatal(err)
		}
	}
	log.Reset()
	for _, email := range []string{users[1].Email, "nobody@example.com"} {
		if _, err := m.Login(t.Context(), email, "wrong, and long enough"); !errors.Is(err, ErrInvalidCredentials) {
			t.Error(err)
		}
	}
	if log.Len() != 0 {
		t.Errorf("what is no fault is logged: %q", log.String())
	}
}
