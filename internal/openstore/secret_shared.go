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
	SharedSecretFile = "auth.secret" // in the working directory, for a Redis
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
	kept, from := given, "the secret of -secret-file or AUTH_SECRET"
	var err error
	if given == "" {
		from = file
		kept, err = readSecret(file, rules)
	}
	if errors.Is(err, fs.ErrNotExist) {
		var empty bool
		if empty, err = isEmpty(ctx, s); err == nil && !empty {
			return nil, fmt.Errorf("this Redis has records, and there is no %s: copy that file here (beside a bolt file it is PATH.secret), or set AUTH_SECRET or -secret-file", file)
		}
		if err == nil {
			kept, err = makeSecret(file, rules)
		}
	}
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256([]byte("which secret: " + kept))
	err = s.Commit(ctx, store.Put(sharedSecretKey, digest[:]).Absent())
	if errors.Is(err, store.ErrConflict) {
		var have [][]byte
		if have, err = s.Get(ctx, sharedSecretKey); err == nil && !bytes.Equal(have[0], digest[:]) {
			return nil, fmt.Errorf("%s is not the secret that this Redis was first used with, and every process on it needs the same", from)
		}
	}
	if err != nil {
		return nil, err
	}
	return []string{kept}, nil
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
