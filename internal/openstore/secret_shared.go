package openstore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"

	"github.com/datixlab/auth/internal/secretfile"
	"github.com/datixlab/auth/store"
)

const (
	SharedSecretFile = "auth.secret" // in the working directory, for a store of other machines too
	sharedSecretKey  = "server/secret"
)

// SharedSecret returns the secret for a store that other machines use too: given, or else
// the one in file. If there is neither and the store is empty,
// it makes the file. In a store with records another secret could open none of the
// second factors.
//
// A digest of the secret is kept in the store. So a process with another secret is
// refused at its start, before users meet two secrets.
func SharedSecret(ctx context.Context, s store.Walker, given string, file string, rules secretfile.Rules) ([]string, error) {
	kept, err := readShared(given, file, rules)
	if errors.Is(err, fs.ErrNotExist) {
		var empty bool
		if empty, err = isEmpty(ctx, s); err == nil && !empty {
			return nil, errNoShared(file)
		}
		if err == nil {
			kept, err = makeSecret(file, rules)
		}
	}
	if err != nil {
		return nil, err
	}
	err = s.Commit(ctx, store.Put(sharedSecretKey, digestOf(kept)).Absent())
	if errors.Is(err, store.ErrConflict) {
		err = checkShared(ctx, s, kept, given, file)
	}
	if err != nil {
		return nil, err
	}
	return []string{kept}, nil
}

// FindSharedSecret is SharedSecret for a program that works on the store of a service: it makes no
// secret and writes nothing. The store may be of a program that keeps no digest.
func FindSharedSecret(ctx context.Context, s store.Store, given string, file string, rules secretfile.Rules) ([]string, error) {
	kept, err := readShared(given, file, rules)
	if errors.Is(err, fs.ErrNotExist) {
		err = errNoShared(file)
	}
	if err == nil {
		err = checkShared(ctx, s, kept, given, file)
	}
	if err != nil {
		return nil, err
	}
	return []string{kept}, nil
}

func readShared(given, file string, rules secretfile.Rules) (string, error) {
	if given != "" {
		return given, nil
	}
	return readSecret(file, rules)
}

func errNoShared(file string) error {
	return fmt.Errorf("this store has records, and there is no %s: copy that file here (beside a bolt file it is PATH.secret), or set AUTH_SECRET or -secret-file", file)
}

// checkShared returns an error if the store has the digest of another secret.
func checkShared(ctx context.Context, s store.Store, kept, given, file string) error {
	have, err := s.Get(ctx, sharedSecretKey)
	if err != nil || have[0] == nil || bytes.Equal(have[0], digestOf(kept)) {
		return err
	}
	from := file
	if given != "" {
		from = "the secret of -secret-file or AUTH_SECRET"
	}
	return fmt.Errorf("%s is not the secret that this store was first used with, and every process on it needs the same", from)
}

func digestOf(secret string) []byte {
	digest := sha256.Sum256([]byte("which secret: " + secret))
	return digest[:]
}

func isEmpty(ctx context.Context, s store.Walker) (bool, error) {
	for after := ""; ; {
		page, err := s.Walk(ctx, after)
		if err != nil || len(page.Records) > 0 {
			return false, err
		}
		if after = page.Next; after == "" {
			return true, nil
		}
	}
}
