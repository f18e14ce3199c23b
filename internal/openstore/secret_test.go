package openstore

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/datixlab/auth/internal/secretfile"
	"github.com/datixlab/auth/store/memstore"
)

const testSecret = "a root secret that only tests use: 0123456789"

var discard = slog.New(slog.DiscardHandler)

func TestTheSecretIsMadeOnceAndForItsOwnerOnly(t *testing.T) {
	p := Place{Path: filepath.Join(t.TempDir(), "auth.db")}
	made, err := p.Secrets("")
	if err != nil || len(made) != 1 || len(made[0]) < minSecret {
		t.Fatalf("%d secrets, %v", len(made), err)
	}
	info, err := os.Stat(p.Path + ".secret")
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v", info.Mode(), err)
	}
	again, err := p.Secrets("")
	if err != nil || !slices.Equal(again, made) {
		t.Errorf("the second start has another secret (%v)", err)
	}
	if left, _ := filepath.Glob(p.Path + ".secret.new-*"); left != nil {
		t.Errorf("left behind: %v", left)
	}
}

func TestProcessesThatStartTogetherHaveTheSameSecret(t *testing.T) {
	p := Place{Path: filepath.Join(t.TempDir(), "auth.db")}
	const starters = 16
	got := make([][]string, starters)
	var all sync.WaitGroup
	barrier := make(chan struct{})
	for i := range starters {
		all.Go(func() {
			<-barrier
			var err error
			if got[i], err = p.Secrets(""); err != nil {
				t.Error(err)
			}
		})
	}
	close(barrier)
	all.Wait()
	for _, secrets := range got {
		if !slices.Equal(secrets, got[0]) {
			t.Fatal("two of them differ")
		}
	}
}

func TestAGivenSecretSignsAndTheStoredOneStillVerifies(t *testing.T) {
	p := Place{Path: filepath.Join(t.TempDir(), "auth.db")}
	alone, err := p.Secrets(testSecret)
	if err != nil || !slices.Equal(alone, []string{testSecret}) {
		t.Errorf("with a given secret: %d secrets, %v", len(alone), err)
	}
	if _, err := os.Stat(p.Path + ".secret"); err == nil {
		t.Error("a file was made beside a given secret")
	}
	kept, err := p.Secrets("")
	if err != nil {
		t.Fatal(err)
	}
	both, err := p.Secrets(testSecret)
	if err != nil || !slices.Equal(both, []string{testSecret, kept[0]}) {
		t.Errorf("with both: %d secrets, %v", len(both), err)
	}
	same, err := p.Secrets(kept[0])
	if err != nil || !slices.Equal(same, kept) {
		t.Errorf("with the kept one given: %d secrets, %v", len(same), err)
	}
}

// Tools that make a secret for a container end it with a line break, or begin it with a byte
// order mark. One file and one variable must give one secret.
func TestASecretIsTheSameFromAFileAndFromTheEnvironment(t *testing.T) {
	for _, text := range []string{"%s", "%s\n", "%s\r\n", "\ufeff%s\r\n", "%s\n\n"} {
		text = strings.ReplaceAll(text, "%s", testSecret)
		fromFile, err := Given(new(storeFile(t, text)), "another", secretfile.Rules{})
		if err != nil || fromFile != testSecret {
			t.Errorf("a file with %q gives %d bytes, %v", text, len(fromFile), err)
		}
		if fromEnv, err := Given(nil, text, secretfile.Rules{}); err != nil || fromEnv != testSecret {
			t.Errorf("a variable with %q gives %d bytes, %v", text, len(fromEnv), err)
		}
		p := Place{Path: filepath.Join(t.TempDir(), "auth.db")}
		if err := os.WriteFile(p.Path+".secret", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if kept, err := p.Secrets(""); err != nil || !slices.Equal(kept, []string{testSecret}) {
			t.Errorf("beside the database %q gives %d secrets, %v", text, len(kept), err)
		}
	}
	if none, err := Given(nil, "\n", secretfile.Rules{}); err != nil || none != "" {
		t.Errorf("an empty variable gives %d bytes, %v", len(none), err)
	}
}

func TestABadSecretIsRefused(t *testing.T) {
	if _, err := (Place{}).Secrets("31 bytes are one too few, alas."); err == nil || !strings.Contains(err.Error(), "AUTH_SECRET has 31 bytes") {
		t.Errorf("short AUTH_SECRET: %v", err)
	}
	for _, c := range []struct {
		name, text string
		mode       os.FileMode
		says       string
	}{
		{"writable by the group", testSecret, 0o620, "chmod 600"},
		{"readable by others", testSecret, 0o604, "chmod 600"},
		{"writable by others", testSecret, 0o602, "chmod 600"},
		{"empty", "", 0o600, "holds 0 bytes"},
		{"short", strings.Repeat("a", 31) + "\n", 0o600, "holds 31 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := Place{Path: filepath.Join(t.TempDir(), "auth.db")}
			if err := os.WriteFile(p.Path+".secret", []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(p.Path+".secret", c.mode); err != nil {
				t.Fatal(err)
			}
			_, err := p.Secrets("")
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v", err)
			}
			if text, _ := os.ReadFile(p.Path + ".secret"); string(text) != c.text {
				t.Error("the file was changed")
			}
		})
	}
}

func TestADatabaseWhoseSecretIsGoneIsNotGivenANewOne(t *testing.T) {
	p := Place{Path: filepath.Join(t.TempDir(), "auth.db")}
	s, err := p.OpenOrCreate(t.Context(), discard)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Secrets(""); err == nil || !strings.Contains(err.Error(), "set AUTH_SECRET") {
		t.Errorf("error %v", err)
	}
	if _, err := p.Secrets(testSecret); err != nil {
		t.Errorf("with AUTH_SECRET: %v", err)
	}
}

// Two machines have a file each; what they share is the store.
func TestOnASharedStoreOneSecretIsMadeAndAnotherRefused(t *testing.T) {
	s := memstore.New()
	here, there := filepath.Join(t.TempDir(), "auth.secret"), filepath.Join(t.TempDir(), "auth.secret")
	made, err := SharedSecret(t.Context(), s, "", here, secretfile.Rules{})
	if err != nil || len(made) != 1 || len(made[0]) < minSecret {
		t.Fatalf("%d secrets, %v", len(made), err)
	}
	if again, err := SharedSecret(t.Context(), s, made[0], there, secretfile.Rules{}); err != nil || !slices.Equal(again, made) {
		t.Errorf("the second start has another secret (%v)", err)
	}
	if _, err := SharedSecret(t.Context(), s, newSecret(), here, secretfile.Rules{}); err == nil || !strings.Contains(err.Error(), "AUTH_SECRET is not the secret") {
		t.Errorf("another secret of the environment: %v", err)
	}
	if _, err := SharedSecret(t.Context(), s, "", there, secretfile.Rules{}); err == nil || !strings.Contains(err.Error(), "has records") {
		t.Errorf("a second machine made a secret of its own: %v", err)
	}
	if _, err := os.Stat(there); err == nil {
		t.Error("a file was made for a store that has a secret")
	}
	if err := os.WriteFile(there, []byte(newSecret()), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := SharedSecret(t.Context(), s, "", there, secretfile.Rules{}); err == nil || !strings.Contains(err.Error(), "first used with") {
		t.Errorf("a second machine has a secret of its own: %v", err)
	}
	if err := os.WriteFile(there, []byte(made[0]), 0o600); err != nil {
		t.Fatal(err)
	}
	if copied, err := SharedSecret(t.Context(), s, "", there, secretfile.Rules{}); err != nil || !slices.Equal(copied, made) {
		t.Errorf("with the file copied: %v", err)
	}
}

// A program beside the service makes nothing, and says nothing of a store that has no digest.
func TestASecretIsFoundWithoutAWrite(t *testing.T) {
	s := memstore.New()
	file := filepath.Join(t.TempDir(), "auth.secret")
	if _, err := FindSharedSecret(t.Context(), s, "", file, secretfile.Rules{}); err == nil || !strings.Contains(err.Error(), "there is no "+file) {
		t.Errorf("without a secret: %v", err)
	}
	if found, err := FindSharedSecret(t.Context(), s, testSecret, file, secretfile.Rules{}); err != nil || !slices.Equal(found, []string{testSecret}) {
		t.Errorf("on a store without a digest: %q, %v", found, err)
	}
	if empty, err := isEmpty(t.Context(), s); err != nil || !empty {
		t.Errorf("it wrote: %v", err)
	}
	if _, err := SharedSecret(t.Context(), s, testSecret, file, secretfile.Rules{}); err != nil {
		t.Fatal(err)
	}
	if found, err := FindSharedSecret(t.Context(), s, testSecret, file, secretfile.Rules{}); err != nil || !slices.Equal(found, []string{testSecret}) {
		t.Errorf("%q, %v", found, err)
	}
	if _, err := FindSharedSecret(t.Context(), s, newSecret(), file, secretfile.Rules{}); err == nil || !strings.Contains(err.Error(), "AUTH_SECRET is not the secret") {
		t.Errorf("another secret: %v", err)
	}
}

func TestEveryProcessOnMemoryHasASecretOfItsOwn(t *testing.T) {
	one, err := Place{}.Secrets("")
	if err != nil {
		t.Fatal(err)
	}
	other, err := Place{}.Secrets("")
	if err != nil {
		t.Fatal(err)
	}
	if one[0] == other[0] {
		t.Error("two of them are the same")
	}
}
