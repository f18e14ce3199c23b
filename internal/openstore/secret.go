package openstore

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/datixlab/auth/internal/secretfile"
)

const (
	minSecret     = 32      // bytes
	maxSecretFile = 1 << 16 // bytes
)

// Given returns the secret of file or, if that flag is not given, of the environment. Line
// breaks at its end are not part of it.
func Given(file *string, env string, rules secretfile.Rules) (string, error) {
	if file == nil {
		return secretfile.Line(env), nil
	}
	secret, err := readSecret(*file, rules)
	if err != nil {
		return "", fmt.Errorf("-secret-file: %w", err)
	}
	return secret, nil
}

// Secrets returns the root secrets. The first one signs. They are
//
//   - given, if there is one;
//   - the one in the file next to the database. The first start without given makes it.
//     If given is set later, it still opens what it sealed;
//   - for a store in memory, which is lost with the process, a new one;
//   - for a Redis or a PostgreSQL, nil: its records decide which secret is right, see [SharedSecret].
//
// An existing database without given and without its file is refused: a new secret
// could open none of the second factors in it.
func (p Place) Secrets(given string) ([]string, error) {
	if given != "" && len(given) < minSecret {
		return nil, fmt.Errorf("AUTH_SECRET has %d bytes, %d or more are needed", len(given), minSecret)
	}
	if p.isShared() {
		return nil, nil
	}
	if p.Path == "" {
		if given == "" {
			given = newSecret()
		}
		return []string{given}, nil
	}

	// The order matters. The file is made before the database, so a process that finds
	// the database also finds the file, even if another process has just started.
	_, err := os.Stat(p.Path)
	first := errors.Is(err, fs.ErrNotExist)
	file := p.Path + ".secret"
	kept, err := readSecret(file, p.rules)
	missing := errors.Is(err, fs.ErrNotExist)
	switch {
	case err != nil && !missing:
		return nil, err
	case given != "" && missing:
		return []string{given}, nil
	case given != "" && given != kept:
		return []string{given, kept}, nil
	case missing && first:
		kept, err = makeSecret(file, p.rules)
	case missing:
		return nil, fmt.Errorf("%s exists but its secret, %s, does not: restore that file, or set AUTH_SECRET or -secret-file", p.Path, file)
	}
	if err != nil {
		return nil, err
	}
	return []string{kept}, nil
}

// FirstSecret says where the root secret is if there is none there yet, so that this is the first
// start: given, from the environment, or the file that is about to be made. A store in memory
// keeps none.
func (p Place) FirstSecret(given string) (where string, first bool) {
	missing := func(file string) bool { _, err := os.Lstat(file); return errors.Is(err, fs.ErrNotExist) }
	switch {
	case p.Path != "" && given != "":
		return "AUTH_SECRET", missing(p.Path)
	case p.Path != "":
		return p.Path + ".secret", missing(p.Path + ".secret")
	case p.isShared() && given == "":
		return SharedSecretFile, missing(SharedSecretFile)
	}
	return "", false
}

// isShared says whether other machines may use the store.
func (p Place) isShared() bool { return p.redis != nil || p.postgres != nil }

// newSecret returns 32 random bytes as text, which can be moved to AUTH_SECRET as it
// is.
func newSecret() string {
	var b [minSecret]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the process first
	return hex.EncodeToString(b[:])
}

// readSecret reads the secret in file. It refuses a file that other users may read, and the
// file of another user.
func readSecret(file string, rules secretfile.Rules) (string, error) {
	text, err := rules.ReadText(file, maxSecretFile)
	if err != nil {
		return "", err
	}
	if len(text) < minSecret {
		return "", fmt.Errorf("%s holds %d bytes, %d or more are needed; restore it from a backup", file, len(text), minSecret)
	}
	return text, nil
}

// makeSecret puts a new secret into file, complete or not at all, and returns the
// content of file. Two processes that start together get the same one.
func makeSecret(file string, rules secretfile.Rules) (string, error) {
	f, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".new-*") // mode 0600
	if err != nil {
		return "", fmt.Errorf("make %s: %w", file, err)
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(newSecret() + "\n")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return "", fmt.Errorf("make %s: %w", file, err)
	}
	if err := secretfile.Publish(f.Name(), file); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("make %s: %w", file, err)
	}
	if err := secretfile.SyncDir(filepath.Dir(file)); err != nil {
		return "", fmt.Errorf("make %s: %w", file, err)
	}
	return readSecret(file, rules)
}
