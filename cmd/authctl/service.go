package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"

	"github.com/datixlab/auth/internal/printable"
	"github.com/datixlab/auth/internal/secretfile"
	"github.com/datixlab/auth/store/boltstore"
)

func serviceCommands() []command {
	return []command{
		{"backup", "FILE", "Copy the store of a service while it is in use. On bbolt: the copy is a file that the service can open. Keep it apart from the root secret.", [2]int{1, 1}, backup},
		{"migrate", "", "Bring the schema of a PostgreSQL to this version, and make it if there is none. For an operator whose role may do that, where that of the service may not. The other stores have no schema.", [2]int{0, 0}, simple(migrate)},
		{"revoke-all", "", "End all sessions and API keys of all users. As after the restore of a backup.", [2]int{0, 0}, revokeAll},
	}
}

// backup never leaves a part of a copy under the name that it was given. It is written to another
// name first, and read as a store.
func backup(flags *flag.FlagSet) action {
	replace := flags.Bool("replace", false, "replace a file that is there, once the copy is good")
	return func(ctx context.Context, v *invocation) (err error) {
		path := v.args[0]
		if _, err := os.Lstat(path); err == nil && !*replace {
			return fmt.Errorf("%s is there already: give another name, or -replace", path)
		}
		c, err := v.client(ctx)
		if err != nil {
			return err
		}
		file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".part-*") // mode 0600
		if err != nil {
			return err
		}
		part := file.Name()
		defer func() { // otherwise it has another name now
			if removed := os.Remove(part); removed != nil && !errors.Is(removed, fs.ErrNotExist) {
				err = errors.Join(err, removed)
			}
		}()
		size, err := v.copyStore(ctx, c, file)
		if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
			return err
		}
		switch err := checkCopy(ctx, part); {
		case ctx.Err() != nil:
			return fmt.Errorf("the copy was not checked, and was removed: %w", context.Cause(ctx))
		case err != nil:
			return fmt.Errorf("the copy is not good, and was removed: %w", err)
		}
		if *replace {
			err = os.Rename(part, path)
		} else {
			err = secretfile.Publish(part, path)
		}
		if err := errors.Join(err, secretfile.SyncDir(filepath.Dir(path))); err != nil {
			return err
		}
		if v.json {
			return v.printJSON(map[string]any{"file": path, "bytes": size})
		}
		_, err = fmt.Fprintf(v.stdout, "%s: %d bytes. Keep the root secret too, in another place than the copy: without it nobody can use the copy.\n", path, size)
		return err
	}
}

// copyStore writes what the service answers to file. It is whole if the error is nil: an answer that
// breaks off has no last chunk.
func (v *invocation) copyStore(ctx context.Context, c *client, file *os.File) (size int64, err error) {
	answer, err := c.send(ctx, http.MethodGet, "/backup", nil)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close() //nolint:errcheck // it was only read
	p := v.progress("bytes", 0)
	defer p.end()
	size, err = io.Copy(file, io.TeeReader(answer.Body, p))
	if err != nil {
		err = fmt.Errorf("the copy broke off after %d bytes, and was removed: %w", size, err)
	}
	return size, err
}

// checkCopy opens a copy as the service would, and reads it page by page.
func checkCopy(ctx context.Context, path string) error {
	s, err := boltstore.Open(path, boltstore.Options{})
	if err != nil {
		return err
	}
	return errors.Join(s.Verify(ctx), s.Close())
}

// migrate works on the store itself, without a service and without its secret.
func migrate(ctx context.Context, v *invocation) error {
	switch {
	case v.at.admin != "":
		return usageError("migrate opens the store itself: say with -store which, in place of -admin")
	case v.at.store.Spec == nil && v.at.store.File == nil && v.store == "":
		return usageError("say with -store, -store-file or AUTH_STORE which store to migrate")
	}
	log := slog.New(slog.NewTextHandler(v.stderr, nil))
	place, err := v.at.store.Place(string(v.store), secretfile.Rules{Insecure: v.at.insecure, Logger: log}, log)
	if err != nil {
		return err
	}
	schema, err := place.Migrate(ctx, log)
	switch {
	case err != nil:
		return err
	case v.json:
		return v.printJSON(map[string]any{"store": place.Kind, "schema": schema})
	case schema == "":
		_, err = fmt.Fprintf(v.stdout, "%s: there is nothing to migrate, as this store has no schema\n", place.Kind)
	default:
		_, err = fmt.Fprintf(v.stdout, "%s: the schema %s is ready for this program\n", place.Kind, printable.Escape(schema))
	}
	return err
}

func revokeAll(flags *flag.FlagSet) action {
	keep := flags.Bool("keep-api-keys", false, "keep API keys valid")
	void := flags.Bool("void-backup-codes", false, "make the backup codes of every user void")
	return func(ctx context.Context, v *invocation) error {
		what := "Every session and every API key of every user ends, for good."
		if *keep {
			what = "Every session of every user ends."
		}
		if *void {
			what += " So do their backup codes."
		}
		if err := v.confirm(ctx, what); err != nil {
			return err
		}
		c, err := v.client(ctx)
		if err != nil {
			return err
		}
		doc, err := c.longCall(ctx, http.MethodPost, "/revoke-all", map[string]any{"keep_api_keys": *keep, "void_backup_codes": *void})
		if err != nil {
			return fmt.Errorf("do it again, as some may still be valid: %w", err)
		}
		if v.json {
			return v.printJSON(doc)
		}
		done, err := decode[struct {
			Users   int
			APIKeys int `json:"api_keys"`
		}](doc)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(v.stdout, "ended the sessions of %d accounts, and %d API keys\n", done.Users, done.APIKeys)
		return err
	}
}
